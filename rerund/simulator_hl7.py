"""An instrument that plays HL7 files over MLLP: its blocks, and the replies it waits for.

Files hold blocks as captured, or bare messages with segments ended by CR, LF or CR LF. It is
code of its own for the reason that `simulator` gives.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence

from rerund.simulator import Playing, Reply, Step, worsened
from rerund.simulator_player import Played, Player

_HEADER = re.compile(rb"(?:\A|[\r\n\x0b\xbf])(?:MSH|FHS|BHS)[^A-Za-z0-9\s]")
_BLOCK = re.compile(rb"\x0b([^\x0b\x1c]*)\x1c\r?")
_TOKEN = re.compile(rb"\x0b[^\x0b\x1c]*\x1c\r?|\x0b?[^\x0b]+|\x0b")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_MSA = re.compile(rb"[\r\n]MSA([^A-Za-z0-9])([A-Z]{2})(?:\1([^\r\n]*))?")
_BATCH = (b"FHS", b"BHS", b"BTS", b"FTS")
_WANTED = (b"AL", b"SU")
_NEVER_OR_ERROR = (b"NE", b"ER")


def is_hl7(data: bytes) -> bool:
    """Whether a file holds HL7 messages."""
    return _HEADER.search(data) is not None


def blocks_of(files: Iterable[bytes], playing: Playing) -> list[Step]:
    """Return everything to send for the contents of `files`, in order: a message, a step."""
    steps: list[Step] = []
    for data in files:
        if playing.raw:
            steps += _tokens(data)
        else:
            captured = [found[1] for found in _BLOCK.finditer(data)]
            steps += (
                Step(b"\x0b" + content + b"\x1c\r", f"message {number}")
                for number, content in enumerate(captured or _bare(data), 1)
            )
    return list(worsened(steps, playing, lambda step: step.awaits_reply))


def _tokens(data: bytes) -> Iterator[Step]:
    number = 0
    for token in _TOKEN.findall(data):
        is_block = _BLOCK.fullmatch(token) is not None
        number += is_block
        if token.strip():
            yield Step(token, f"message {number}" if is_block else "noise", awaits_reply=is_block)


def _bare(data: bytes) -> Iterator[bytes]:
    """Cut bare messages before each MSH, without comments and what is around a batch."""
    message = b""
    for line in _LINE_END.split(data.removeprefix(b"\xef\xbb\xbf")):
        if not line.strip() or line[:1] == b"#" or line[:3] in _BATCH:
            continue
        if line[:3] == b"MSH" and message:
            yield message
            message = b""
        message += line + b"\r"
    if message:
        yield message


def _fields(step: Step) -> list[bytes]:
    """Return the fields of MSH by their numbers, enough of them."""
    start = step.data.find(b"MSH")
    line = _LINE_END.split(step.data[max(start, 0) :], maxsplit=1)[0]
    return [b"", *line.split(line[3:4] or b"|"), *[b""] * 20]


def replies_due(step: Step) -> int:
    """Return how many replies a message asks for when all goes well (MSH-15 and MSH-16)."""
    if not step.awaits_reply:
        return 0
    selectors = _fields(step)[15:17]
    if not any(selector in _WANTED + _NEVER_OR_ERROR for selector in selectors):
        return 1
    return sum(selector in _WANTED for selector in selectors)


class Hl7Instrument(Player):
    """An instrument that speaks HL7 over MLLP."""

    async def play(self, steps: Sequence[Step]) -> Played:
        """Send `steps` and return what became of them. Raises `ConnectionError` on line loss."""
        played = Played(what="messages")
        at = 0
        while at < len(steps):
            group = self._group(steps, at)
            replies = await self._exchange(group, played, self._playing.corrupt)
            for reply in replies:
                if not _is_accepted(reply):
                    await self._insist(reply, played)
            at += len(group)
        await self.drained()
        return played

    def _group(self, steps: Sequence[Step], at: int) -> Sequence[Step]:
        """Return the steps to put into one write; what is said again begins one."""
        end = at + 1
        while end < len(steps) and end - at < self._playing.merge and not steps[end].is_repeat:
            end += 1
        return steps[at:end]

    async def _insist(self, reply: Reply, played: Played) -> None:
        """Send a message again until it is accepted, or rejected: then it is no use."""
        tries = 1 if self._playing.raw else self._playing.frame_tries
        for _ in range(tries - 1):
            if reply.word in ("AR", "CR"):
                break
            replies = await self._exchange([reply.step], played, corrupt=0)
            if all(map(_is_accepted, replies)):
                return
            reply = replies[-1]
        played.refused.append(reply)

    async def _exchange(self, group: Sequence[Step], played: Played, corrupt: float) -> list[Reply]:
        """Send the steps of one write and collect the replies that each awaits."""
        sent_at = asyncio.get_running_loop().time()
        await self._send(b"".join(self._damaged(step, corrupt) for step in group))
        replies = []
        for step in group:
            played.frames += step.awaits_reply
            for _ in range(replies_due(step)):
                replies.append(await self._reply(step, sent_at))
                if not _is_accepted(replies[-1]):
                    break
        played.replies += len(replies)
        return replies

    def _damaged(self, step: Step, corrupt: float) -> bytes:
        """Return a block, by chance with an end that is none: no other damage would show."""
        if step.awaits_reply and not step.is_repeat and self._rng.random() < corrupt:
            return step.data[:-1] + b"?"
        return step.data

    async def _reply(self, step: Step, sent_at: float) -> Reply:
        said = await self._hear(_first_block, step)
        word = _word(said, _fields(step)[10]) if said else "none"
        reply = Reply(step, word, asyncio.get_running_loop().time() - sent_at)
        self._watch(reply)
        return reply


def _first_block(heard: bytearray) -> bytes:
    found = _BLOCK.search(heard)
    if found is None:
        return b""
    content = bytes(found[1])
    del heard[: found.end()]
    return content


def _word(said: bytes, control_id: bytes) -> str:
    """Return MSA-1 of an acknowledgment of the message with this control id, else `other`."""
    msa = _MSA.search(said)
    if msa is None or (msa[3] or b"").split(msa[1])[0] != control_id:
        return "other"
    return msa[2].decode("ascii")


def _is_accepted(reply: Reply) -> bool:
    return reply.word in ("AA", "CA")
