"""RS-232 by pyserial-asyncio 0.6, with its traps handled (0.16 of its fork loops for ever)."""

import asyncio
import termios
from collections.abc import Callable

import serial
import serial_asyncio
import structlog

from rerund.transports.connection import Connection, TransportError
from rerund.transports.parity import ParityMarks
from rerund.transports.url import SerialUrl

log = structlog.get_logger(__name__)


class Port(serial.Serial):
    """A serial port whose closing never waits for the other side."""

    def flush(self) -> None:
        """Discard unsent bytes.

        The transport calls this on its way to close, in the event loop, where waiting
        for a peer that holds CTS down would stop every other link.
        """
        self.reset_output_buffer()


def open_port(url: SerialUrl) -> Port:
    """Open and lock the port with the line parameters of `url`.

    Raises `OSError` when it is absent or in use, `TransportError` when the device does
    not take the parameters. Blocks: USB adapters may take seconds to answer.
    """
    try:
        port = Port(
            url.path,
            baudrate=url.baud,
            bytesize=url.bits,
            parity=url.parity,
            stopbits=url.stop,
            rtscts=url.flow == "rtscts",
            xonxoff=url.flow == "xonxoff",
            exclusive=True,
        )
    except (termios.error, ValueError) as error:
        raise TransportError(f"{url.path} does not take {url}: {error}") from error
    if ignored := _ignored(port.fileno(), url):
        # tcsetattr succeeds when it could do some of what was asked (tcsetattr(3)).
        log.warning("line_parameters_ignored", path=url.path, ignored=ignored)
    return port


async def open_serial(url: SerialUrl, connect: Callable[[], Connection]) -> Connection:
    """Open the port of `url` and return the connection on it.

    Raises `OSError` and `TransportError` as `open_port` does.
    """
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(None, open_port, url)
    try:
        port = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)
        raise
    connection = connect()
    # A cancelled caller must still find the port closed: nothing is awaited from here on.
    serial_asyncio.SerialTransport(loop, _Marked(connection), port)
    # Only now: the transport sets timeouts, and for each pyserial clears INPCK and PARMRK.
    _mark_line_errors(port.fileno())
    return connection


def _ignored(fd: int, url: SerialUrl) -> list[str]:
    """Name the parameters of `url` that the device did not take; a pseudo terminal has none."""
    control = termios.tcgetattr(fd)[2]
    bits = {5: termios.CS5, 6: termios.CS6, 7: termios.CS7, 8: termios.CS8}[url.bits]
    checks = {
        "bits": control & termios.CSIZE == bits,
        "parity": bool(control & termios.PARENB) == (url.parity != "N"),
        "stop": bool(control & termios.CSTOPB) == (url.stop > 1),
        "flow": bool(control & termios.CRTSCTS) == (url.flow == "rtscts"),
    }
    return [name for name, taken in checks.items() if not taken]


def _mark_line_errors(fd: int) -> None:
    """Have parity and framing errors and breaks marked in the input, where the driver can."""
    attributes = termios.tcgetattr(fd)
    attributes[0] &= ~termios.IGNPAR
    attributes[0] |= termios.INPCK | termios.PARMRK
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _close_late(opening: asyncio.Future[Port]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class _Marked(asyncio.Protocol):
    """Stands between a serial transport and its connection and takes the marks out."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._marks = ParityMarks()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        for piece in self._marks.receive_data(data):
            if piece is None:
                self._connection.line_error()
            else:
                self._connection.data_received(piece)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()
