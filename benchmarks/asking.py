"""Instruments that ask for their orders, one sample after the other."""

import socket
import time
from dataclasses import dataclass
from itertools import count
from typing import ClassVar, Self

from protocols.astm import frame
from protocols.hl7 import mllp

_ENQ, _ACK, _EOT = b"\x05", b"\x06", b"\x04"
_LF, _BLOCK_END = b"\n", b"\x1c\r"


@dataclass(frozen=True, slots=True)
class Answered:
    """Milliseconds from the end of a question to the first word of the answer, and to its end."""

    begun: float
    complete: float
    text: bytes


class Analyzer:
    """One line to the daemon. A subclass knows the protocol."""

    begins: ClassVar[str]
    """What the first word of an answer is."""

    def __init__(self, port: int):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._numbers = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def asks(self, sample: str) -> Answered:
        """Ask for the orders of a sample, and take them."""
        raise NotImplementedError

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _take(self, end: bytes) -> bytes:
        """Wait for an `end`; returns what comes before it."""
        while end not in self._received:
            self._receive()
        taken, _, self._received = self._received.partition(end)
        return taken

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise RuntimeError("the daemon closed the line")
        self._received += data


class AstmAnalyzer(Analyzer):
    """Asks with Q in a session of one frame, and takes the session that brings the orders."""

    begins = "ENQ"

    def asks(self, sample: str) -> Answered:
        """Ask; the time begins with the EOT of the question and ends with that of the answer."""
        text = f"H|\\^&\rQ|1|^{sample}||ALL||||||||O\rL|1|N\r".encode()
        for sent in (_ENQ, frame.encode(text, 1)):
            self._send(sent)
            self._take(_ACK)
        self._send(_EOT)
        asked = time.perf_counter()
        self._take(_ENQ)
        begun = time.perf_counter()
        frames = []
        while True:
            self._send(_ACK)
            while not self._received:
                self._receive()
            if self._received.startswith(_EOT):
                break
            frames.append(self._take(_LF))
        complete = time.perf_counter()
        self._take(_EOT)
        return Answered(1000 * (begun - asked), 1000 * (complete - asked), b"".join(frames))


class Hl7Analyzer(Analyzer):
    """Asks with QRY^Q02 as a Mindray BS does, and takes the display message after the reply."""

    begins = "the reply"

    def asks(self, sample: str) -> Answered:
        """Ask; the time begins with the question and ends with the message of orders, if any."""
        number = next(self._numbers)
        self._send(
            _block(
                rf"MSH|^~\&|Maker|Model|||20260520100000||QRY^Q02|{number}|P|2.3.1||||||ASCII",
                f"QRD|20260520100000|R|D|{number}|||RD|{sample}|OTH|||T|",
                "QRF||||||RCT|COR|ALL||",
            )
        )
        asked = time.perf_counter()
        reply = self._take(_BLOCK_END)
        begun = complete = time.perf_counter()
        text = b""
        if b"|OK\r" in reply:
            text = self._take(_BLOCK_END)
            complete = time.perf_counter()
            control_id = text.split(b"|", 10)[9].decode()
            self._send(
                _block(
                    rf"MSH|^~\&|Maker|Model|||20260520100000||ACK^Q03|A{number}|P|2.3.1||||||ASCII",
                    f"MSA|AA|{control_id}|Message accepted|||0",
                )
            )
        return Answered(1000 * (begun - asked), 1000 * (complete - asked), text)


def _block(*segments: str) -> bytes:
    return mllp.encode("".join(f"{segment}\r" for segment in segments).encode())
