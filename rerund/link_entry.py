"""Frames of one connection into journal entries: begun, completed, put on hold."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from protocols.astm.events import Cause, FrameReceived, FrameRepeated, TransferEnded
from rerund.alerts import tell_on_hold
from rerund.journal.errors import JournalError
from rerund.journal.journal import Journal
from rerund.transports.counters import LinkCounters

Reply = Callable[[int, JournalError | None], None]
"""Told the ticket of a frame once it is on disk, or why it is not."""

OnStored = Callable[[int, bytes], None]
"""Told an entry and its text when a complete message is on disk."""

REPEAT_DIFFERS = "repeat_differs"


def utc_now() -> str:
    """Return the time of day as the journal keeps it: UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class EntryWriter:
    """Journals what one connection receives.

    An entry begins with the first frame of a message. It is complete with the frame whose
    text ends with the L record, in one transaction with it, or at an EOT after an ETX frame;
    whatever else ends a message puts it on hold. A frame that could not be stored leaves no
    trace here, because it will come again.
    """

    __slots__ = (
        "_before",
        "_counters",
        "_device_id",
        "_differs",
        "_ended",
        "_entry",
        "_journal",
        "_link",
        "_on_stored",
        "_reply",
        "_texts",
        "_ticket",
    )

    def __init__(
        self,
        journal: Journal,
        device_id: str,
        link: str,
        counters: LinkCounters,
        reply: Reply,
        on_stored: OnStored = lambda entry, text: None,
    ) -> None:
        self._journal = journal
        self._device_id = device_id
        self._link = link
        self._counters = counters
        self._reply = reply
        self._on_stored = on_stored
        self._entry: int | None = None
        self._texts: list[bytes] = []
        self._differs = False
        self._ticket = -1
        self._before: tuple[int | None, list[bytes], int, bool] = (None, [], 0, False)
        self._ended: dict[int, tuple[int, bytes]] = {}

    def store(self, event: FrameReceived) -> None:
        """Queue a frame for the journal; the reply follows its commit."""
        if event.starts_message and self._texts:
            self._hold("a header began a new message")
        if self._entry is None:
            self._entry = self._journal.begin_entry(self._device_id, self._link, utc_now())
        entry, texts = self._entry, self._texts
        self._ticket = event.ticket
        self._before = (entry, texts, len(texts), self._differs)
        texts.append(event.text)
        self._journal.append_frame(
            entry, event.raw, event.text, partial(self._stored, event.ticket, entry)
        )
        if event.completes_message and (text := self._complete(entry)) is not None:
            self._ended[event.ticket] = (entry, text)

    def store_repeat(self, event: FrameRepeated) -> None:
        """Keep a repeated frame that says something else; its message will need a person.

        The reply follows its commit.
        """
        if event.ticket is None:
            return
        self._counters.rejected[REPEAT_DIFFERS] += 1
        # After the last frame of a message there is nothing left to hold.
        self._differs = self._entry is not None
        self._journal.reject_owed(
            self._device_id,
            self._link,
            event.raw,
            REPEAT_DIFFERS,
            partial(self._reply, event.ticket),
        )

    def reject(self, raw: bytes, reason: str) -> None:
        """Keep bytes that belong to no entry, as evidence."""
        self._counters.rejected[reason] += 1
        self._journal.reject(self._device_id, self._link, raw, reason)

    def end(self, event: TransferEnded) -> None:
        """Close the entry that is still open when the transfer ends."""
        self._ticket = -1
        if self._entry is None:
            return
        if event.cause is Cause.EOT and event.last_frame_was_end and self._texts:
            entry = self._entry
            text = self._complete(entry, no_terminator=True)
            if text is not None:
                self._on_stored(entry, text)
        else:
            self._hold(_ENDINGS[event.cause])

    def _complete(self, entry: int, *, no_terminator: bool = False) -> bytes | None:
        """Complete the entry; returns its text, None when it goes on hold instead."""
        if self._differs:
            self._hold("a frame was repeated with another text", reason=REPEAT_DIFFERS)
            tell_on_hold(entry, self._device_id, REPEAT_DIFFERS)
            return None
        text = self._texts[0] if len(self._texts) == 1 else b"".join(self._texts)
        self._journal.complete_entry(entry, text, no_terminator=no_terminator)
        self._counters.messages += 1
        self._forget()
        return text

    def _hold(self, detail: str, *, reason: str = "incomplete") -> None:
        assert self._entry is not None
        self._journal.hold_entry(self._entry, reason, detail)
        # Without frames it leaves no trace: its first one could not be stored.
        self._counters.incomplete += bool(self._texts)
        self._counters.last_cut = self._entry
        self._forget()

    def _forget(self) -> None:
        self._entry, self._texts, self._differs = None, [], False

    def _stored(self, ticket: int, entry: int, error: JournalError | None) -> None:
        ended = self._ended.pop(ticket, None)
        if error is not None and ticket == self._ticket:
            self._entry, self._texts, length, self._differs = self._before
            del self._texts[length:]
        elif error is not None:
            # The transfer has ended meanwhile: the frame will not come again in this entry.
            self._journal.hold_entry(entry, "incomplete", "its last frame could not be stored")
            self._counters.last_cut = entry
        self._reply(ticket, error)
        if error is None and ended is not None:
            self._on_stored(*ended)


_ENDINGS = {
    Cause.EOT: "EOT in the middle of a frame sequence",
    Cause.TIMEOUT: "nothing came in time",
    Cause.EOF: "the line was lost",
    Cause.RESTART: "the sender began anew",
}
