"""What holds for any sequence of messages."""

from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from drivers.profile import load
from drivers.result import Interpretation, Result, SampleResults
from rerund.inputs import unpack_inputs
from rerund.interpreter import Decider, MemoryHistory, NoWaiting
from rerund.payload_codec import pack

DECIDER = Decider(
    load("generic-astm"),
    "42",
    "Analyzer",
    1,
    "00000000-0000-0000-0000-000000000001",
    ZoneInfo("UTC"),
)

MARKS = st.sampled_from(
    [
        {},
        {"run_kind": "rerun", "evidence": "explicit"},
        {"run_kind": "original", "evidence": "explicit"},
        {"run_kind": "retransmission", "evidence": "explicit"},
        {"run_kind": "correction", "evidence": "explicit"},
        {"invalid_reason": "no_number"},
        {"dilution": "1:5"},
        {"replicate": 2},
    ]
)
TIMES = st.one_of(st.none(), st.integers(0, 59).map(lambda m: f"2026-05-20T10:{m:02}:00Z"))


@st.composite
def results(draw) -> Result:
    return Result(
        "",
        draw(st.sampled_from("ABC")),
        value=draw(st.sampled_from(["1", "2"])),
        run_at=draw(TIMES),
        result_status=draw(st.sampled_from(["P", "F"])),
        **draw(MARKS),
    )


SAMPLES = st.sampled_from(["S1", "S2"])
MESSAGES = st.lists(
    st.tuples(SAMPLES, st.lists(results(), min_size=1, max_size=4)), min_size=1, max_size=6
)


def said(entry: int, sample: str, values: list[Result], *, reliable: bool = True) -> Interpretation:
    named = [
        msgspec.structs.replace(value, result_id=f"j-{entry}-1-{record}", abnormal_flags=[])
        for record, value in enumerate(values, 2)
    ]
    digest = msgspec.msgpack.encode((sample, values))
    return Interpretation([SampleResults(1, sample, "patient", reliable, named)], [], [], digest)


def play(messages, history=None, first=1):
    """Decide messages a minute apart; the outcomes and the history after them."""
    history = history or MemoryHistory()
    outcomes = []
    for entry, (sample, values) in enumerate(messages, first):
        at = f"2026-05-20T11:{entry:02}:00Z"
        outcome = DECIDER.decide_interpretation(
            entry, at, said(entry, sample, values), history, NoWaiting()
        )
        history.remember(outcome.known_runs(), outcome.digest, at)
        outcomes.append(outcome)
    return outcomes, history


def packed(outcomes):
    return [[pack(*decided) for decided in outcome.payloads] for outcome in outcomes]


@given(MESSAGES)
def test_a_replay_gives_the_same_bytes(messages):
    assert packed(play(messages)[0]) == packed(play(messages)[0])


@given(MESSAGES)
def test_the_inputs_of_an_entry_decide_it_again(messages):
    outcomes, _ = play(messages)
    for entry, (outcome, (sample, values)) in enumerate(zip(outcomes, messages, strict=True), 1):
        kept = unpack_inputs(outcome.inputs)
        at = f"2026-05-20T11:{entry:02}:00Z"
        assert (
            DECIDER.decide_interpretation(entry, at, said(entry, sample, values), kept, kept)
            == outcome
        )


@given(MESSAGES)
def test_messages_of_other_samples_change_nothing(messages):
    timed = [
        (sample, [value for value in values if value.run_at is not None] or values[:0])
        for sample, values in messages
    ]
    timed = [(sample, values) for sample, values in timed if values]
    alone = [(sample, values) for sample, values in timed if sample == "S1"]
    together = [o for o, (sample, _) in zip(play(timed)[0], timed, strict=True) if sample == "S1"]
    apart, _ = play(alone)
    assert [facts(outcome) for outcome in together] == [facts(outcome) for outcome in apart]


def facts(outcome):
    return outcome.state, [
        (p.rerun_number, r.test_code, r.value, r.run_kind, r.evidence, r.confidence, r.conflict)
        for p, _ in outcome.payloads
        for r in p.results
    ]


@given(MESSAGES, SAMPLES, st.lists(results(), min_size=1, max_size=4))
def test_a_message_sent_again_at_once_yields_no_payload(messages, sample, values):
    _, history = play(messages)
    first = len(messages) + 1
    (_, again), _ = play([(sample, values)] * 2, history, first)
    assert (again.state, again.payloads) == ("retransmission", [])


@given(MESSAGES)
def test_every_value_is_in_one_payload_or_came_again(messages):
    outcomes, _ = play(messages)
    for entry, (outcome, (_, values)) in enumerate(zip(outcomes, messages, strict=True), 1):
        inside = [r.result_id for p, _ in outcome.payloads for r in p.results]
        assert len(inside) == len(set(inside)) <= len(values)
        assert all(result_id.startswith(f"j-{entry}-1-") for result_id in inside)
        assert {p.is_rerun for p, _ in outcome.payloads} <= {True, False}
        for payload, _ in outcome.payloads:
            tests = [
                (r.test_code, r.replicate)
                for r in payload.results
                if r.run_kind not in ("correction", "status_update")
            ]
            assert len(tests) == len(set(tests))
