"""From the bytes of an entry to payloads: parse, interpret, classify, qualify, group.

A pure function of the bytes, the profile, the history before the entry and the
waiting-list rows used. The last two are returned as `inputs` and decide the same again.
"""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Literal

import msgspec

from drivers.errors import InterpretError
from drivers.hl7.interpret import interpret as interpret_hl7
from drivers.interpret import interpret
from drivers.profile import AnyProfile, AstmProfile
from drivers.result import Attachment, HostQuery, Interpretation, Note, SampleResults
from protocols.astm.message import Message, parse
from protocols.hl7 import message as hl7
from protocols.hl7.boundary import split_messages
from rerund.faults import place_of, type_of
from rerund.inputs import Inputs, Recorder, pack_inputs
from rerund.payload_codec import known_runs
from rerund.rerun.classify import classify, classify_first
from rerund.rerun.grouping import (
    Source,
    first_run_key,
    make_payload,
    process_reports_for_rerun,
)
from rerund.rerun.history import History, MemoryHistory, NoWaiting, SampleHistory, Setting, Waiting
from rerund.rerun.identity import namespace, seconds_between
from rerund.rerun.model import KnownRun, OpenRerun, Payload, PayloadContext, Windows
from rerund.rerun.qualify import ORIGINAL, qualify_rerun

State = Literal["interpreted", "held", "query", "retransmission", "empty"]
Decided = tuple[Payload, PayloadContext]

# LIS02-A2 12.3: the sender aborted, the receiver asked for it, an unknown system error.
ABORTED = frozenset("TRE")


class Outcome(msgspec.Struct):
    """What became of one entry.

    `reason` is one word for a held or empty entry, `detail` a sentence without patient
    data. `retransmitted` are the result ids of known runs that came again, `conflicts`
    those of values whose mark and history contradict each other. `inputs` goes with the
    entry for replays.
    """

    entry_id: int
    state: State
    reason: str = ""
    detail: str = ""
    payloads: list[Decided] = []
    retransmitted: list[str] = []
    conflicts: list[str] = []
    notes: list[Note] = []
    queries: list[HostQuery] = []
    attachments: list[Attachment] = []
    digest: bytes = b""
    inputs: bytes = b""

    def known_runs(self) -> list[tuple[str, KnownRun]]:
        """Return (sample id, run) of every value, for a history."""
        return [
            (payload.sample_id, run)
            for payload, context in self.payloads
            for run in known_runs(payload, context)
        ]


class Decider:
    """Decides the entries of one instrument, one after the other."""

    def __init__(
        self,
        profile: AnyProfile,
        device_id: str,
        device_name: str,
        lab_id: int | None,
        journal_id: str,
        timezone: tzinfo,
        windows: Windows | None = None,
    ) -> None:
        self.profile = profile
        self.device_id = device_id
        self.journal_id = journal_id
        self.timezone = timezone
        self.windows = windows or Windows()
        self._origin = (device_id, device_name, profile.name, profile.version, lab_id)
        self._journal = (journal_id, namespace(journal_id))

    @property
    def resumes(self) -> bool:
        """Whether the instrument may go on with a message that the line cut short."""
        return isinstance(self.profile, AstmProfile)

    def decide(
        self,
        entry_id: int,
        received_at: str | None,
        text: bytes,
        history: History,
        waiting: Waiting,
    ) -> Outcome:
        """Decide one entry; never raises for what the wire says.

        `received_at` is ISO 8601 UTC, None for input without a time of arrival.
        """
        try:
            said = self._interpret(text, f"{self.journal_id}-{entry_id}")
            if isinstance(said, str):
                return Outcome(entry_id, "held", said)
            return self.decide_interpretation(entry_id, received_at, said, history, waiting)
        except InterpretError as error:
            return Outcome(entry_id, "held", error.code, str(error))
        except Exception as error:  # noqa: BLE001 - one entry is one task: it must not stop the next
            fault = f"{type_of(error)} in {place_of(error)}"
            return Outcome(entry_id, "held", "interpreter_failed", fault)

    def _interpret(self, text: bytes, id_prefix: str) -> Interpretation | str:
        """Return what an entry says, or why it waits for a person."""
        profile, timezone = self.profile, self.timezone
        if isinstance(profile, AstmProfile):
            records = parse(text, profile.dialect)
            reason = _reason_to_hold(records)
            return reason or interpret(records, profile, id_prefix=id_prefix, timezone=timezone)
        messages = [hl7.parse(content, profile.dialect) for content in split_messages(text)]
        if not all(message.header for message in messages):
            return "no_header"
        return interpret_hl7(messages, profile, id_prefix=id_prefix, timezone=timezone)

    def decide_interpretation(
        self,
        entry_id: int,
        received_at: str | None,
        said: Interpretation,
        history: History,
        waiting: Waiting,
    ) -> Outcome:
        """Decide what an entry says once its bytes are read; completes its results in place."""
        recorder = Recorder(history, waiting)
        outcome = Outcome(
            entry_id,
            "empty",
            notes=said.notes,
            queries=said.queries,
            attachments=said.attachments,
            digest=said.digest,
        )
        source = Source(*self._origin, *self._journal, entry_id, received_at)
        setting = Setting(
            received_at,
            recorder.inputs.complete,
            self._repeats_previous(said.digest, received_at, recorder),
            self.windows,
            self.timezone,
        )
        reader = _EntryReader(source, setting, recorder, outcome)
        for ordinal, sample in enumerate(said.samples, 1):
            reader.read(sample, ordinal)
        outcome.state, outcome.reason = _state(outcome, said)
        outcome.inputs = pack_inputs(recorder.inputs)
        return outcome

    def _repeats_previous(self, digest: bytes, received_at: str | None, recorder: Recorder) -> bool:
        previous = recorder.previous_equal(digest)
        if previous is None:
            return False
        gap = seconds_between(previous[1], received_at)
        return gap is None or abs(gap) <= self.windows.resend_window


class _EntryReader:
    """Decides the samples of one entry; what a message says is known to the next."""

    def __init__(
        self, source: Source, setting: Setting, recorder: Recorder, outcome: Outcome
    ) -> None:
        self.source = source
        self.setting = setting
        self.recorder = recorder
        self.outcome = outcome
        self.decided: dict[str, list[Decided]] = {}

    def read(self, sample: SampleResults, ordinal: int) -> None:
        """Classify and qualify the values of one sample, and add their payloads."""
        if not sample.results:
            return
        runs = self._known(sample)
        waiting = self.recorder.open_reruns(sample.sample_id) if sample.id_reliable else ()
        if not waiting and self._is_first(sample, runs):
            payloads = [self._original(sample, ordinal)]
        else:
            payloads = self._by_the_rules(sample, ordinal, runs, waiting)
        self.outcome.payloads += payloads
        self.decided.setdefault(sample.sample_id, []).extend(payloads)

    def _known(self, sample: SampleResults) -> Sequence[KnownRun]:
        if not sample.id_reliable:
            return ()
        runs = list(self.recorder.runs(sample.sample_id))
        for payload, context in self.decided.get(sample.sample_id, ()):
            runs += known_runs(payload, context)
        is_patient = sample.kind == "patient"
        return [run for run in runs if (run.run_kind != "qc") is is_patient]

    def _original(self, sample: SampleResults, ordinal: int) -> Decided:
        key = first_run_key(sample, ordinal, ORIGINAL.group, self.source)
        return (
            make_payload(sample, ordinal, sample.results, ORIGINAL, self.source),
            PayloadContext(key, sample.id_reliable, sample.patient),
        )

    def _by_the_rules(
        self,
        sample: SampleResults,
        ordinal: int,
        runs: Sequence[KnownRun],
        waiting: Sequence[OpenRerun],
    ) -> list[Decided]:
        history = SampleHistory(runs, self.setting)
        findings = classify(sample, history)
        values = qualify_rerun(sample, history, findings, waiting, self.source.device_id)
        self.outcome.retransmitted += findings.retransmitted
        self.outcome.conflicts += [r.result_id for r in sample.results if r.conflict]
        return process_reports_for_rerun(sample, ordinal, values, history, findings, self.source)

    def _is_first(self, sample: SampleResults, runs: Sequence[KnownRun]) -> bool:
        if runs or sample.kind != "patient" or self.setting.repeats_previous:
            return False
        sure = self.setting.complete and sample.id_reliable
        return classify_first(sample.results, "high" if sure else "low")


def _reason_to_hold(messages: Sequence[Message]) -> str:
    """Return why a whole entry waits for a person, '' when it does not."""
    if any(message.termination_code in ABORTED for message in messages):
        return "aborted"
    if not all(message.complete for message in messages[:-1]):
        return "incomplete"
    if not messages:
        return "no_message"
    return "" if all(message.header for message in messages) else "no_header"


def _state(outcome: Outcome, said: Interpretation) -> tuple[State, str]:
    if outcome.payloads:
        return "interpreted", ""
    if any(sample.results for sample in said.samples):
        return "retransmission", ""
    if outcome.queries:
        return "query", ""
    return "empty", "no_results"


__all__ = ["Decided", "Decider", "Inputs", "MemoryHistory", "NoWaiting", "Outcome"]
