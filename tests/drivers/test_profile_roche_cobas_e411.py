"""Roche cobas e 411: qualitative values with an index, reruns that an operator asked for."""

from collections.abc import Callable

import pytest

from drivers.result import Interpretation

HEADER = "H|\\^&|||cobas-e411^1|||||host|RSUPL^REAL|P|1"
ORDER = "O|1|S1|40^0^5^^S1^SC|^^^10^1|R||||||N||||1|||||||20260520110000|||F"

Read = Callable[..., Interpretation]


@pytest.mark.parametrize(
    ("value", "results"),
    [
        ("-1^0.101", [("900", "-1"), ("900/index", "0.101")]),
        ("1^>200", [("900", "1"), ("900/index", ">200")]),
        ("0^       ", [("900", "0")]),
        ("1.00^31", [("900", "1.00")]),
        ("0.484", [("900", "0.484")]),
    ],
)
def test_a_qualitative_value_brings_its_cut_off_index(
    read: Read, value: str, results: list[tuple[str, str]]
) -> None:
    (sample,) = read(
        "roche-cobas-e411", ORDER, f"R|1|^^^900/1/not|{value}|COI||N||F|||||E1", header=HEADER
    ).samples
    assert [(one.test_code, one.value) for one in sample.results] == results


@pytest.mark.parametrize(
    ("test", "code", "dilution"),
    [
        ("^^^10/1/not", "10", None),
        ("^^^10/10/not", "10", "10"),
        ("^^^10/", "10", None),
        ("^^^10", "10", None),
    ],
)
def test_the_code_ends_where_the_dilution_begins(
    read: Read, test: str, code: str, dilution: str | None
) -> None:
    (sample,) = read("roche-cobas-e411", ORDER, f"R|1|{test}|1.5", header=HEADER).samples
    assert (sample.results[0].test_code, sample.results[0].dilution) == (code, dilution)


@pytest.mark.parametrize(
    ("status", "kind", "confidence"), [("F", "unknown", "high"), ("C", "rerun", "medium")]
)
def test_the_status_tells_a_rerun(read: Read, status: str, kind: str, confidence: str) -> None:
    (sample,) = read(
        "roche-cobas-e411", ORDER, f"R|1|^^^10/1/not|1.5|uIU/ml||N||{status}", header=HEADER
    ).samples
    (result,) = sample.results
    assert (result.run_kind, result.confidence, result.result_status) == (kind, confidence, "F")
    assert result.next_action == "none"
    assert result.run_at == "2026-05-20T11:00:00Z"


def test_sent_by_hand_or_at_once_it_is_the_same_message(read: Read) -> None:
    record = "R|1|^^^10/1/not|1.5|uIU/ml||N||F"
    real = read("roche-cobas-e411", ORDER, record, header=HEADER)
    batch = read("roche-cobas-e411", ORDER, record, header=HEADER.replace("REAL", "BATCH"))
    assert real.digest == batch.digest
