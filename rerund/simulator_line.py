"""The simulated instrument on a real line: sends steps, waits for replies, tries again."""

import asyncio
from collections.abc import Sequence

from protocols.astm.control import ENQ, EOT
from rerund.simulator import Playing, Reply, Step, corrupted, is_frame, reply_word, steps_of
from rerund.simulator_hl7 import Hl7Instrument, blocks_of, is_hl7
from rerund.simulator_player import Played, Player, Watcher, opened


class SimulatedInstrument(Player):
    """An instrument that speaks E1381."""

    async def play(self, steps: Sequence[Step]) -> Played:
        """Send `steps` and return what became of them. Raises `ConnectionError` on line loss."""
        played = Played()
        at = 0
        while at < len(steps):
            group = self._group(steps, at)
            replies = await self._exchange(group, played, self._playing.corrupt)
            refused = [reply for reply in replies if not _is_accepted(reply)]
            if not refused or self._playing.raw:
                played.refused += refused
                at += len(group)
            else:
                # What followed the first refusal in one write was refused for its number.
                first = next(i for i, step in enumerate(group) if step is refused[0].step)
                at = await self._insist(steps, at + first, played)
        await self.drained()
        return played

    def _group(self, steps: Sequence[Step], at: int) -> Sequence[Step]:
        """Return the steps to put into one write: ENQ ends it, what is said again begins one."""
        end = at + 1
        while (
            end < len(steps)
            and end - at < self._playing.merge
            and steps[end - 1].data != ENQ
            and not steps[end].is_repeat
            and not (steps[end - 1].awaits_reply and steps[end].data == EOT)
        ):
            end += 1
        return steps[at:end]

    async def _insist(self, steps: Sequence[Step], at: int, played: Played) -> int:
        """Try the step at `at` again by itself; return where to go on.

        Six tries of a frame (LIS01-A2 6.5.1.2), then EOT and the next session; an ENQ is
        sent again after a pause (6.2.6).
        """
        step = steps[at]
        reply = None
        for _ in range(self._playing.frame_tries - 1):
            if step.data == ENQ:
                await asyncio.sleep(self._playing.busy_timeout)
            [reply] = await self._exchange([step], played, corrupt=0)
            if _is_accepted(reply):
                return at + 1
        assert reply is not None
        played.refused.append(reply)
        while at < len(steps) and steps[at].data != EOT:
            at += 1
        return at

    async def _exchange(self, group: Sequence[Step], played: Played, corrupt: float) -> list[Reply]:
        """Send the steps of one write and collect a reply for each that awaits one."""
        del self._heard[:]
        sent_at = asyncio.get_running_loop().time()
        await self._send(b"".join(self._worsened(step, corrupt) for step in group))
        replies = []
        for step in group:
            if step.awaits_reply:
                replies.append(await self._reply(step, sent_at))
                played.frames += is_frame(step)
        played.replies += len(replies)
        return replies

    def _worsened(self, step: Step, corrupt: float) -> bytes:
        if is_frame(step) and not step.is_repeat and self._rng.random() < corrupt:
            return corrupted(step.data, self._rng)
        return step.data

    async def _reply(self, step: Step, sent_at: float) -> Reply:
        heard = await self._hear(_first_byte, step)
        reply = Reply(step, reply_word(heard), asyncio.get_running_loop().time() - sent_at)
        self._watch(reply)
        return reply


async def simulate(
    to: str, files: Sequence[bytes], playing: Playing, watch: Watcher = lambda reply: None
) -> Played:
    """Play the contents of `files` to the host at `to`, a link address or host:port.

    Files of HL7 messages go out as blocks, all others by E1381. Raises `ValueError` for a bad
    address or files of both kinds, `OSError` or `TransportError` when the line can
    not be opened or is lost.
    """
    kinds = {is_hl7(data) for data in files}
    if len(kinds) > 1:
        raise ValueError("files of HL7 and of E1381 can not be played together")
    speaks_hl7 = kinds == {True}
    steps = blocks_of(files, playing) if speaks_hl7 else steps_of(files, playing)
    kind: type[Player] = Hl7Instrument if speaks_hl7 else SimulatedInstrument
    async with opened(to, lambda: kind(playing, watch)) as instrument:
        return await instrument.play(steps)


def _first_byte(heard: bytearray) -> bytes:
    found = bytes(heard[:1])
    del heard[:1]
    return found


def _is_accepted(reply: Reply) -> bool:
    """ACK, or EOT as the reply to a frame: accepted, and the host wants the line (6.3.5)."""
    return reply.word == "ACK" or (reply.word == "EOT" and is_frame(reply.step))
