"""The history of an instrument over a journal."""

from datetime import UTC

import pytest

from drivers.profile import load
from rerund.instrument_history import InstrumentHistory
from rerund.interpreter import Decider, MemoryHistory, NoWaiting, Outcome
from rerund.payload_codec import pack
from rerund.rerun.model import KnownRun

AT = "2026-05-20T11:00:00Z"


def message(sample: str, minute: int, end: str = "N") -> bytes:
    records = [
        r"H|\^&|||analyzer|||||||P|1",
        "P|1",
        f"O|1|{sample}||^^^CHEM",
        f"R|1|^^^GLU|5.{minute}|mmol/L||N||F||||202605201{minute:03}00",
        f"L|1|{end}",
    ]
    return "".join(f"{record}\r" for record in records).encode()


class Journal:
    """Packed payloads by sample, and how often each sample was asked for."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[bytes]] = {}
        self.asked: list[str] = []
        self.entry = 0

    def read(self, sample_id: str) -> list[bytes]:
        self.asked.append(sample_id)
        return self.bodies.get(sample_id, [])

    def write(self, outcome: Outcome) -> None:
        for payload, context in outcome.payloads:
            self.bodies.setdefault(payload.sample_id, []).append(pack(payload, context))


@pytest.fixture
def journal() -> Journal:
    return Journal()


def decide(journal: Journal, history: InstrumentHistory, body: bytes) -> Outcome:
    journal.entry += 1
    decider = Decider(load("generic-astm"), "42", "Analyzer", 1, "journal", UTC)
    outcome = decider.decide(journal.entry, AT, body, history, NoWaiting())
    history.remember(outcome, AT)
    return outcome


def numbers(outcome: Outcome) -> list[int]:
    return [payload.rerun_number for payload, _ in outcome.payloads]


def test_what_was_decided_is_known_before_it_is_in_the_journal(journal):
    history = InstrumentHistory(journal.read, complete=True)
    assert numbers(decide(journal, history, message("S1", 1))) == [0]
    assert numbers(decide(journal, history, message("S1", 2))) == [-1]
    assert decide(journal, history, message("S1", 1)).state == "retransmission"
    assert journal.asked == ["S1"]


def test_what_is_in_the_journal_is_known_after_a_restart(journal):
    journal.write(decide(journal, InstrumentHistory(journal.read, complete=True), message("S1", 1)))
    history = InstrumentHistory(journal.read, complete=True)
    assert numbers(decide(journal, history, message("S1", 2))) == [-1]


def test_a_sample_that_was_not_seen_for_a_while_is_read_again(journal):
    history = InstrumentHistory(journal.read, complete=True, limit=2)
    for sample in ("S1", "S2", "S1", "S3", "S1", "S2"):
        journal.write(decide(journal, history, message(sample, 1)))
    assert journal.asked == ["S1", "S2", "S3", "S2"]


def test_a_sample_is_read_again_when_told_that_it_changed(journal):
    history = InstrumentHistory(journal.read, complete=True)
    journal.write(decide(journal, history, message("S1", 1)))
    journal.bodies.clear()
    history.forget_all()
    assert list(history.runs("S1")) == []


def test_an_entry_on_hold_is_nobodys_previous_message(journal):
    previous = (b"digest", AT)
    history = InstrumentHistory(journal.read, previous, complete=True)
    assert decide(journal, history, message("S1", 1, end="T")).state == "held"
    assert history.previous_digest() == previous
    outcome = decide(journal, history, message("S1", 1))
    assert history.previous_digest() == (outcome.digest, AT)


def test_runs_that_left_the_window_are_dropped(journal):
    history = InstrumentHistory(journal.read, complete=True)
    decide(journal, history, message("S1", 0))
    assert len(history.runs("S1")) == 1

    history.since = "9999-01-01T00:00:00.000Z"

    assert history.runs("S1") == []


def from_others(*minutes: int) -> list[tuple[str, KnownRun]]:
    """Runs of S1 as another daemon received them at 10:MM."""
    decider = Decider(load("generic-astm"), "42", "Analyzer", 1, "another", UTC)
    runs = []
    for minute in minutes:
        at = f"2026-05-20T10:{minute:02}:00Z"
        outcome = decider.decide(minute, at, message("S1", minute), MemoryHistory(), NoWaiting())
        runs += outcome.known_runs()
    return runs


@pytest.mark.parametrize("asked_before", [True, False])
def test_runs_of_others_stand_in_the_order_of_arrival_and_each_once(journal, asked_before):
    history = InstrumentHistory(journal.read, complete=False)
    journal.write(decide(journal, history, message("S1", 59)))
    history = InstrumentHistory(journal.read, complete=False)
    if asked_before:
        history.runs("S1")
    own = history.runs("S1") if asked_before else ()
    history.complete_with(from_others(5, 1), last=False)
    assert not history.complete
    history.complete_with([*from_others(1, 2), *(("S1", run) for run in own)])
    assert history.complete
    assert [run.value for run in history.runs("S1")] == ["5.1", "5.2", "5.5", "5.59"]
    assert numbers(decide(journal, history, message("S1", 58))) == [-1]
