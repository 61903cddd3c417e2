"""Abbott Afinion 2: the patient id that was scanned is the only name a sample has."""

from collections.abc import Callable

from drivers.result import Interpretation

HEADER = "H|\\^&|||Afinion 2 Analyzer^^AF1|||||||P|1|20260520120000"
ORDER = "O|1||7|^^^ACR|||||||N"

Read = Callable[..., Interpretation]


def test_a_captured_message_is_read_whole(read_capture: Read) -> None:
    found = read_capture("abbott-afinion2", "abbott_afinion2.astm")
    (sample,) = found.samples
    assert (sample.sample_id, sample.kind, sample.id_reliable) == ("3643", "patient", True)
    assert found.notes == []
    (result,) = sample.results
    assert (result.test_code, result.value, result.numeric) == ("HbA1c", "5.9", "5.9")
    assert (result.units, result.abnormal_flags, result.result_status) == ("%", [], "F")
    assert result.run_at == "2024-12-06T14:06:15Z"


def test_a_running_number_never_stands_for_a_sample(read: Read) -> None:
    found = read("abbott-afinion2", "P|1", ORDER, "R|1|^^^ACR|3|mg/g", header=HEADER)
    assert [note.code for note in found.notes] == ["unreliable_sample_id"]
    assert (found.samples[0].sample_id, found.samples[0].id_reliable) == ("7", False)


def test_a_message_without_any_id_is_kept_and_noted(read: Read) -> None:
    found = read("abbott-afinion2", "P|1", "O|1", "R|1|^^^ACR|3|mg/g", header=HEADER)
    assert [note.code for note in found.notes] == ["no_sample_id"]
    assert (found.samples[0].sample_id, found.samples[0].id_reliable) == ("", False)


def test_what_could_not_be_calculated_is_no_value(read: Read) -> None:
    (sample,) = read(
        "abbott-afinion2",
        "P|1||S1",
        ORDER,
        "R|1|^^^ACR|--- |mg/g||||F||||20260520110000",
        "R|2|^^^Alb|<5.6|mg/L||<||F||||20260520110000",
        header=HEADER,
    ).samples
    assert [(one.comparator, one.invalid_reason) for one in sample.results] == [
        (None, "not_measured"),
        ("<", None),
    ]
