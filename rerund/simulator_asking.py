"""An instrument that asks for its orders and takes those that come, asked for or not.

Unlike one that plays files it speaks by the sessions of `protocols`: what it shows is what rerund
answers, not how well frames are received.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count

from drivers.profile import AnyProfile, AstmProfile, Hl7Profile
from protocols.astm import events as astm
from protocols.astm.message import parse as parse_astm
from protocols.astm.session import Session as AstmSession
from protocols.hl7 import events as hl7
from protocols.hl7.acknowledgment import Stamp, acknowledge
from protocols.hl7.dialect import Dialect as Hl7Dialect
from protocols.hl7.message import Message as Hl7Message
from protocols.hl7.message import build as build_hl7
from protocols.hl7.message import parse as parse_hl7
from protocols.hl7.session import Session as Hl7Session
from rerund.simulator_answer import Heard, read_astm, read_hl7
from rerund.simulator_player import InstrumentEnd, opened
from rerund.simulator_question import TIME, compose_question


class AskingInstrument(InstrumentEnd):
    """An instrument on an open line. A subclass knows the protocol."""

    _session: AstmSession | Hl7Session

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Take what the host says."""
        self._session.receive_data(data, self._loop.time())
        self._act()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake up whoever waits for an answer."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()
        self._heard.put_nowait(Heard("nothing"))

    async def ask(self, question: bytes, timeout: float) -> Heard:
        """Ask, and return what is answered in time. Raises ConnectionError on line loss."""
        self._send(question)
        self._act()
        return await self.hear(timeout)

    async def hear(self, timeout: float) -> Heard:
        """Return the next message about orders. Raises ConnectionError on line loss."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    heard = await self._heard.get()
                    if self._transport is None:
                        raise ConnectionResetError("line lost")
                    if heard.verdict != "follows":
                        return heard
        except TimeoutError:
            return Heard("nothing")

    def _act(self) -> None:
        """Do what the session says; taking an event may make others."""
        while events := self._session.events_received():
            for event in events:
                self._happened(event)
        if self._transport is not None:
            self._transport.write(self._session.data_to_send())
        if self._timer is not None:
            self._timer.cancel()
        if self._session.deadline is not None and self._transport is not None:
            self._timer = self._loop.call_at(self._session.deadline, self._time_out)

    def _time_out(self) -> None:
        self._session.handle_timer(self._loop.time())
        self._act()

    def _send(self, question: bytes) -> None:
        raise NotImplementedError

    def _happened(self, event: object) -> None:
        raise NotImplementedError


class AskingAstm(AskingInstrument):
    """An instrument that speaks E1381 and E1394."""

    _session: AstmSession

    def __init__(self, profile: AstmProfile):
        super().__init__()
        self._profile = profile
        dialect = dataclasses.replace(profile.dialect, role="instrument", direction="both")
        self._session = AstmSession(dialect)
        self._text = b""

    def _send(self, question: bytes) -> None:
        self._session.send_message([question], self._loop.time(), "question")

    def _happened(self, event: object) -> None:
        match event:
            case astm.FrameReceived():
                self._text += event.text
                self._session.acknowledge(self._loop.time(), event.ticket)
            case astm.TransferEnded(cause=astm.Cause.EOT):
                messages = parse_astm(self._text, self._profile.dialect)
                self._text = b""
                # A session with nothing in it says that there is no order (IMMULITE 2000).
                heard = [read_astm(message, self._profile) for message in messages]
                for one in heard or [Heard("none")]:
                    self._heard.put_nowait(one)
            case astm.TransferEnded():
                self._text = b""  # cut short
            case astm.MessageFailed():
                self._heard.put_nowait(Heard("refused"))


class AskingHl7(AskingInstrument):
    """An instrument that speaks HL7 over MLLP."""

    _session: Hl7Session

    def __init__(self, profile: Hl7Profile):
        super().__init__()
        self._profile = profile
        self._ids = count(1)
        # Asked once: a second answer would be shown as another one.
        self._dialect = Hl7Dialect(
            release=profile.dialect.release,
            encoding=profile.dialect.encoding,
            trust_charset=profile.dialect.trust_charset,
            message_tries=1,
        )
        self._session = Hl7Session(self._stamp, self._dialect)

    def _stamp(self) -> Stamp:
        return Stamp(f"A{next(self._ids)}", _now().strftime(TIME))

    def _send(self, question: bytes) -> None:
        self._session.send_message(question, self._loop.time(), "question")

    def _happened(self, event: object) -> None:
        match event:
            case hl7.MessageReceived():
                message = parse_hl7(event.content, self._dialect)
                self._session.acknowledge(
                    self._loop.time(), event.ticket, self._response(event, message)
                )
                self._heard.put_nowait(read_hl7(message, self._profile))
            case hl7.AcknowledgmentReceived():
                message = parse_hl7(event.content, self._dialect)
                self._heard.put_nowait(read_hl7(message, self._profile))

    def _response(self, event: hl7.MessageReceived, message: Hl7Message) -> bytes | None:
        """Return ORL^O34 that takes every step of an OML^O33 (LAB-28); else there is none."""
        header = event.header
        order = self._profile.order
        if header is None or header.code != "OML" or not order or "law" not in order.form.values():
            return None
        taken = parse_hl7(acknowledge(header, "AA", self._stamp(), self._dialect), self._dialect)
        segments = [list(segment.fields) for segment in taken.segments]
        mark = message.coding.delimiters.component
        segments[0][9] = mark.join(("ORL", "O34", "ORL_O42"))
        for segment in message.segments:
            if segment.type == "SPM":
                segments.append(list(segment.fields))
            elif segment.type == "OBR":
                segments += [["ORC", "OK", segment.field(2)], list(segment.fields)]
        return build_hl7(segments, message.coding.delimiters, message.coding.codec)


@asynccontextmanager
async def opened_instrument(to: str, profile: AnyProfile) -> AsyncIterator[AskingInstrument]:
    """Open the line `to`, or wait for the host to call, as an instrument of this profile.

    Raises `ValueError` for a bad address, `OSError` or `TransportError` when it can not be opened.
    """

    def make() -> AskingInstrument:
        if isinstance(profile, AstmProfile):
            return AskingAstm(profile)
        assert isinstance(profile, Hl7Profile)
        return AskingHl7(profile)

    async with opened(to, make) as instrument:
        yield instrument
        await instrument.drained()


def question_for(profile: AnyProfile, sample_id: str) -> bytes:
    """Return the question for a sample, asked now. Raises UnknownQuestion."""
    now = _now()
    return compose_question(profile, sample_id, now, f"{now:%H%M%S%f}")


def _now() -> datetime:
    return datetime.now().astimezone()
