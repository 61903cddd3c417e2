"""Entries from text to outcome, and what makes them wait for a person."""

from datetime import UTC
from pathlib import Path

import pytest

from drivers.profile import load
from rerund.inputs import Inputs, unpack_inputs
from rerund.interpreter import Decider, MemoryHistory, NoWaiting, Outcome
from rerund.payload_codec import pack, to_json, unpack
from rerund.rerun.model import OpenRerun

JOURNAL = "5f0c0c1e-7a51-4a0e-8d3c-0f6f1d2b3a49"
AT = "2026-05-20T11:00:00Z"

HEADER = r"H|\^&|||analyzer|||||||P|1|20260520110000"
ORDER = "O|1|S1||^^^CHEM"
RESULT = "R|1|^^^GLU|5.0|mmol/L||N||F||||20260520100000"
END = "L|1|N"


def text(*records: str) -> bytes:
    return "".join(f"{record}\r" for record in records).encode()


@pytest.fixture
def decider() -> Decider:
    return Decider(load("generic-astm"), "42", "Analyzer", 1, JOURNAL, UTC)


def decide(decider: Decider, body: bytes, entry: int = 1) -> Outcome:
    return decider.decide(entry, AT, body, MemoryHistory(), NoWaiting())


STATES = {
    "a result": ([HEADER, "P|1", ORDER, RESULT, END], "interpreted", ""),
    "a result without terminator": ([HEADER, "P|1", ORDER, RESULT], "interpreted", ""),
    "a query": ([HEADER, "Q|1|^S1||ALL||||||||O", END], "query", ""),
    "a query beside a result": (
        [HEADER, "P|1", ORDER, RESULT, "Q|1|^S2||ALL||||||||O", END],
        "interpreted",
        "",
    ),
    "nothing but a header": ([HEADER, END], "empty", "no_results"),
    "an order that was cancelled": (
        [HEADER, "P|1", "O|1|S1||^^^CHEM|||||||||||||||||||||X", END],
        "empty",
        "no_results",
    ),
    "aborted by the sender": ([HEADER, "P|1", ORDER, RESULT, "L|1|T"], "held", "aborted"),
    "aborted by the receiver": ([HEADER, "P|1", ORDER, RESULT, "L|1|R"], "held", "aborted"),
    "ended by an error": ([HEADER, "P|1", ORDER, RESULT, "L|1|E"], "held", "aborted"),
    "a message that another cut off": (
        [HEADER, "P|1", ORDER, HEADER, "P|1", ORDER, RESULT, END],
        "held",
        "incomplete",
    ),
    "no record at all": ([], "held", "no_message"),
    "text that is no message": (["hello world", "this is nothing"], "held", "no_header"),
}


@pytest.mark.parametrize(("records", "state", "reason"), STATES.values(), ids=STATES)
def test_state_of_an_entry_with(decider, records, state, reason):
    outcome = decide(decider, text(*records))
    assert (outcome.state, outcome.reason) == (state, reason)
    assert bool(outcome.payloads) is (state == "interpreted")


def test_a_message_of_another_instrument_is_held_and_says_why():
    decider = Decider(load("sysmex-xn"), "42", "XN", 1, JOURNAL, UTC)
    outcome = decide(decider, text(HEADER, "P|1", ORDER, RESULT, END))
    assert outcome.state == "held"
    assert outcome.reason == "other_sender"
    assert outcome.detail


@pytest.mark.conformance(169)
def test_a_fault_of_ours_holds_the_entry_and_spares_the_next(decider):
    class Broken(MemoryHistory):
        def runs(self, sample_id):
            raise LookupError(f"patient {sample_id}")

    poison = decider.decide(1, AT, text(HEADER, "P|1", ORDER, RESULT, END), Broken(), NoWaiting())
    assert (poison.state, poison.reason) == ("held", "interpreter_failed")
    assert poison.detail.startswith("LookupError in runs, line")
    assert "S1" not in poison.detail
    assert decide(decider, text(HEADER, "P|1", ORDER, RESULT, END), 2).state == "interpreted"


@pytest.mark.conformance(114)
def test_a_query_is_told_and_makes_no_payload(decider):
    outcome = decide(decider, text(HEADER, "Q|1|^S1||ALL||||||||O", END))
    assert [query.sample_ids for query in outcome.queries] == [("S1",)]


def test_quality_control_is_a_payload_of_its_kind(decider):
    control = HEADER.replace("|P|1|", "|Q|1|")
    ((payload, _),) = decide(decider, text(control, "P|1", ORDER, RESULT, END)).payloads
    assert (payload.kind, payload.is_rerun) == ("qc", False)


def test_ids_name_journal_entry_message_and_record(decider):
    body = text(HEADER, "P|1", ORDER, RESULT, END)
    ((payload, context),) = decide(decider, body, 17).payloads
    assert payload.results[0].result_id == f"{JOURNAL}-17-1-4"
    assert payload.entry_id == 17
    assert context.run_key.startswith("42/S1/")
    ((other, _),) = decide(decider, body, 18).payloads
    assert other.payload_id != payload.payload_id


def test_two_messages_of_an_entry_know_each_other(decider):
    again = RESULT.replace("5.0", "5.2").replace("20260520100000", "20260520102000")
    body = text(HEADER, "P|1", ORDER, RESULT, END, HEADER, "P|1", ORDER, again, END)
    outcome = decide(decider, body)
    assert [payload.rerun_number for payload, _ in outcome.payloads] == [0, -1]
    assert len({payload.payload_id for payload, _ in outcome.payloads}) == 2


class TestInputs:
    def test_decide_the_same_without_history_and_waiting_list(self, decider):
        class Copy:
            def open_reruns(self, sample_id):
                return [rerun] if sample_id == "S1" else []

        rerun = OpenRerun(
            1, 7, "S1", "", 2, "manual_rerun", "2026-05-20T10:15:00Z", 4, {"42": ["GLU"]}
        )
        history = MemoryHistory()
        first = decider.decide(1, AT, text(HEADER, "P|1", ORDER, RESULT, END), history, Copy())
        history.remember(first.known_runs(), first.digest, AT)
        again = text(HEADER, "P|1", ORDER, RESULT.replace("100000", "102000"), END)
        decided = decider.decide(2, AT, again, history, Copy())
        kept: Inputs = unpack_inputs(decided.inputs)
        assert decider.decide(2, AT, again, kept, kept) == decided
        assert decided.payloads[0][0].rerun_number == 2
        assert kept.waiting == {"S1": [rerun]}
        assert [run.result_id for run in kept.known["S1"]] == [f"{JOURNAL}-1-1-4"]

    def test_decide_the_same_for_a_message_that_was_repeated(self, decider):
        timeless = text(HEADER, "P|1", ORDER, "R|1|^^^GLU|5.0|mmol/L||N||F", END)
        history = MemoryHistory()
        first = decider.decide(1, AT, timeless, history, NoWaiting())
        history.remember(first.known_runs(), first.digest, AT)
        again = decider.decide(2, "2026-05-20T11:00:30Z", timeless, history, NoWaiting())
        assert again.state == "retransmission"
        kept = unpack_inputs(again.inputs)
        assert decider.decide(2, "2026-05-20T11:00:30Z", timeless, kept, kept) == again

    def test_are_none_when_nothing_was_known_or_open(self, decider):
        outcome = decide(decider, text(HEADER, "P|1", ORDER, RESULT, END))
        assert outcome.inputs == b""
        assert unpack_inputs(b"") == Inputs()

    def test_keep_that_the_history_had_gaps(self, decider):
        body = text(HEADER, "P|1", ORDER, RESULT, END)
        outcome = decider.decide(1, AT, body, MemoryHistory(complete=False), NoWaiting())
        assert unpack_inputs(outcome.inputs).complete is False


CAPTURES = [
    ("sysmex_xn550", "sysmex-xn", "27", 41),
    ("cobas_c111", "roche-cobas-c111", "T20 10134GA D28", 1),
    ("genexpert", "cepheid-genexpert", "PR25A137", 84),
]


@pytest.mark.parametrize(("name", "driver", "sample", "count"), CAPTURES, ids=lambda x: str(x))
def test_a_captured_message_becomes_one_original(captures: Path, name, driver, sample, count):
    from protocols.astm.unframe import message_texts

    (body,) = message_texts((captures / "astm" / f"{name}.astm").read_bytes())
    decider = Decider(load(driver), "42", "Analyzer", None, JOURNAL, UTC)
    history = MemoryHistory()
    outcome = decider.decide(1, None, body, history, NoWaiting())
    ((payload, context),) = outcome.payloads
    assert (payload.sample_id, payload.is_rerun) == (sample, False)
    assert len(payload.results) == count
    assert unpack(pack(payload, context)) == (payload, context)
    assert to_json(payload).startswith(b'{"payload_id":')
    history.remember(outcome.known_runs(), outcome.digest, None)
    assert decider.decide(2, None, body, history, NoWaiting()).state == "retransmission"
