"""Cepheid GeneXpert: a main result, its analytes, and their Ct and end points."""

from collections import Counter
from collections.abc import Callable

from drivers.result import Interpretation

HEADER = "H|@^\\|URM-1||LAB^GeneXpert^4.8|||||LIS||P|1394-97|20260520120000"
ORDER = "O|1|S1||^^^MTB|R"

Read = Callable[..., Interpretation]


def test_a_captured_panel_is_read_whole(read_capture: Read) -> None:
    found = read_capture("cepheid-genexpert", "genexpert.astm")
    (sample,) = found.samples
    assert (sample.sample_id, sample.kind, sample.id_reliable) == ("PR25A137", "patient", True)
    assert (sample.priority, sample.order_status, sample.patient) == ("R", "F", None)
    assert found.notes == []
    results = sample.results
    assert len(results) == 84
    assert {one.run_at for one in results} == {"2025-05-14T13:21:03Z"}
    assert [(one.test_code, one.value, one.numeric) for one in results[:4]] == [
        ("MTB-RIF^Xpert^MTB", "NOT DETECTED", None),
        ("MTB-RIF^Xpert^rpoB1", "INVALID", None),
        ("MTB-RIF^Xpert^rpoB1^Ct", "0.0", "0.0"),
        ("MTB-RIF^Xpert^rpoB1^EndPt", "-2.0", "-2.0"),
    ]
    assert Counter(one.result_status for one in results) == {"F": 3, None: 81}
    assert Counter(one.invalid_reason for one in results) == {
        None: 61,
        "no_result": 12,
        "empty": 11,
    }
    assert len({one.test_code for one in results}) == 84
    assert {one.run_kind for one in results} == {"unknown"}


def test_sub_results_of_another_order_take_no_time_from_this_one(read: Read) -> None:
    found = read(
        "cepheid-genexpert",
        ORDER,
        "R|1|^P^^MTB^Xpert^4^MTB^|DETECTED^|||||F||Ann|20260520080000|20260520090000",
        "O|2|S2||^^^MTB|R",
        "R|1|^P^^MTB^^^SPC^Ct|^24.7",
        header=HEADER,
    )
    assert [sample.results[0].run_at for sample in found.samples] == ["2026-05-20T09:00:00Z", None]


def test_an_escaped_utf16_text_is_decoded(read: Read) -> None:
    found = read("cepheid-genexpert", ORDER, "R|1|^^^MTB|\\Z34C8\\^", header=HEADER)
    assert found.samples[0].results[0].value == "\u34c8"


def test_a_message_sent_again_is_the_same_message_under_another_id(read: Read) -> None:
    record = "R|1|^^^MTB|NEGATIVE^"
    first = read("cepheid-genexpert", ORDER, record, header=HEADER)
    second = read("cepheid-genexpert", ORDER, record, header=HEADER.replace("URM-1", "URM-2"))
    other = read("cepheid-genexpert", ORDER, record.replace("NEG", "POS"), header=HEADER)
    assert first.digest == second.digest != other.digest
