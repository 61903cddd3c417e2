"""The walk over an HL7 message: groups, values by their types, attachments, and what is odd."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from drivers.errors import InterpretError
from drivers.profile import Hl7Profile
from drivers.result import Attachment, Interpretation, Note, Patient

Read = Callable[..., Interpretation]
MakeProfile = Callable[..., Hl7Profile]

GLU = (
    "OBX|1|NM|GLU^Glucose^L||5.5|mmol/L^^UCUM|3.9-6.1|N~A|||F|||20260520101400||op||A1"
    "|20260520101500"
)
OBR = "OBR|1|O1|S1|CHEM"


def obx(code: str = "GLU", value: str = "5.5", data_type: str = "NM") -> str:
    return f"OBX|1|{data_type}|{code}||{value}||||||F"


def samples_of(found: Interpretation) -> list[tuple[str, list[str]]]:
    return [(one.sample_id, [r.test_code for r in one.results]) for one in found.samples]


@pytest.mark.conformance(144, 145, 149)
def test_a_result_has_all_that_its_segment_says(read_hl7: Read) -> None:
    found = read_hl7("generic-hl7", "PID|1", OBR, GLU).samples[0].results[0]
    assert found.result_id == "j-1-1-4"
    assert (found.test_code, found.value, found.numeric) == ("GLU", "5.5", "5.5")
    assert (found.units, found.reference_range) == ("mmol/L", "3.9-6.1")
    assert (found.abnormal_flags, found.result_status) == (["N", "A"], "F")
    assert found.run_at == "2026-05-20T10:15:00Z"


def test_what_was_not_sent_is_none(read_hl7: Read) -> None:
    found = read_hl7("generic-hl7", OBR, "OBX|1|NM|GLU||5.5").samples[0].results[0]
    assert (found.units, found.reference_range, found.result_status) == (None, None, None)
    assert (found.abnormal_flags, found.run_at, found.dilution) == ([], None, None)


@pytest.mark.parametrize(
    ("segment", "patient"),
    [
        (
            "PID|1|A|B^^^H~C|D|Doe&van^Jane^M^^^^L||198002290000|F",
            Patient(("B", "A", "D"), "Doe Jane M", "1980-02-29", "F"),
        ),
        ("PID|1||B||||19800231|U", Patient(("B",), None, None, "U")),
        ('PID|1||""||""', None),
        ("PID|1", None),
    ],
)
def test_the_patient_is_who_the_instrument_says(
    read_hl7: Read, segment: str, patient: Patient | None
) -> None:
    assert read_hl7("generic-hl7", segment, OBR, GLU).samples[0].patient == patient


@pytest.mark.conformance(149)
@pytest.mark.parametrize(
    ("analysed", "observed", "reported", "run_at"),
    [
        ("20260520101500", "20260520101400", "20260520102000", "2026-05-20T10:15:00Z"),
        ("20260520101500.25+0200", "", "", "2026-05-20T08:15:00.25Z"),
        ("", "20260520101400", "20260520102000", "2026-05-20T10:14:00Z"),
        ("", "", "20260520102000", "2026-05-20T10:20:00Z"),
        ("", "", "", None),
    ],
)
def test_the_run_time_is_that_of_the_analysis(
    read_hl7: Read, analysed: str, observed: str, reported: str, run_at: str | None
) -> None:
    order = "|".join(["OBR", "1", "", "S1", *[""] * 18, reported])
    result = f"OBX|1|NM|GLU||5||||||F|||{observed}|||||{analysed}"
    assert read_hl7("generic-hl7", order, result).samples[0].results[0].run_at == run_at


def test_clock_times_are_in_the_zone_of_the_instrument(read_hl7: Read) -> None:
    found = read_hl7("generic-hl7", OBR, GLU, zone=ZoneInfo("Europe/Rome"))
    assert found.samples[0].results[0].run_at == "2026-05-20T08:15:00Z"


VALUES = [
    # OBX-2, OBX-5 -> value, comparator, numeric, reason
    ("NM", "5.50", "5.50", None, "5.50", None),
    ("NM", "<0.1", "<0.1", "<", "0.1", None),
    ("NM", "", "", None, None, "empty"),
    ("NM", '""', "", None, None, "deleted"),
    ("", "14.1", "14.1", None, "14.1", None),
    ("SN", "<^0.1", "<0.1", "<", "0.1", None),
    ("SN", ">=^500", ">=500", ">=", "500", None),
    ("SN", "=^5", "5", None, "5", None),
    ("SN", "^5.2", "5.2", None, "5.2", None),
    ("SN", "^1^:^128", "1:128", None, None, None),
    ("SN", "^10^-^20", "10-20", None, None, None),
    ("CE", "POS^Positive^L", "Positive", None, None, None),
    ("CWE", "POS", "POS", None, None, None),
    ("CE", "^^99ROC", "", None, None, "empty"),
    ("ST", "NEG^", "NEG", None, None, None),
    ("TX", "one\\.br\\two", "one\ntwo", None, None, None),
    ("IS", "T", "T", None, None, None),
    ("DTM", "20260520", "20260520", None, "20260520", None),
]


@pytest.mark.conformance(143)
@pytest.mark.parametrize(("data_type", "raw", "value", "comparator", "numeric", "reason"), VALUES)
def test_a_value_is_read_by_its_type(
    read_hl7: Read,
    data_type: str,
    raw: str,
    value: str,
    comparator: str | None,
    numeric: str | None,
    reason: str | None,
) -> None:
    found = read_hl7("generic-hl7", OBR, obx("A", raw, data_type), obx("B", "1")).samples[0]
    one = found.results[0]
    assert ("" if reason == "deleted" else one.value) == value
    assert (one.comparator, one.numeric, one.invalid_reason) == (comparator, numeric, reason)


@pytest.mark.conformance(143)
@pytest.mark.parametrize(
    ("data_type", "raw", "form", "size"),
    [
        ("ED", "^Image^BMP^Base64^Qk0=", "image/bmp", 4),
        ("ED", "^Application^^Base64^Qk0=", "application", 4),
        ("RP", "file1^viewer^Image^PNG", "image/png", 22),
        ("NA", "1^2^3", "", 5),
        ("ED", "", "", 0),
    ],
)
def test_pictures_and_waveforms_are_attachments_and_no_results(
    read_hl7: Read, data_type: str, raw: str, form: str, size: int
) -> None:
    found = read_hl7("generic-hl7", OBR, obx("P1^Plot", raw, data_type), GLU)
    assert samples_of(found) == [("S1", ["GLU"])]
    assert found.attachments == [Attachment(1, 3, "S1", "Plot", form, size)]


@pytest.mark.conformance(143)
def test_an_order_of_pictures_alone_has_no_results(read_hl7: Read) -> None:
    found = read_hl7("generic-hl7", OBR, obx("P1", "^Image^BMP^Base64^Qk0=", "ED"))
    assert (found.samples, [one.name for one in found.attachments]) == ([], ["P1"])


GROUPS = [
    ("orders of one sample are read together", [OBR, GLU, OBR, GLU], [("S1", ["GLU", "GLU"])]),
    (
        "ORC before OBR, as in ORU",
        ["ORC|RE", OBR, GLU, "ORC|RE", "OBR|2||S2", GLU],
        [("S1", ["GLU"]), ("S2", ["GLU"])],
    ),
    (
        "ORC behind OBR, as in OUL",
        ["SPM|1|A", "OBR|1", "ORC|OK", GLU, "OBR|2", "ORC|OK", GLU, "SPM|2|B", "OBR|1", GLU],
        [("A", ["GLU", "GLU"]), ("B", ["GLU"])],
    ),
    (
        "ORC before OBR in OUL",
        ["SPM|1|A", "ORC|OK", "OBR|1", GLU, "SPM|2|B", "ORC|OK", "OBR|1", GLU],
        [("A", ["GLU"]), ("B", ["GLU"])],
    ),
    (
        "SPM behind the results",
        ["OBR|1", GLU, "SPM|1|A", "OBR|2", GLU, "SPM|1|B", "PID|2", "OBR|1||C", GLU],
        [("A", ["GLU"]), ("B", ["GLU"]), ("C", ["GLU"])],
    ),
    (
        "SPM before the order in ORU",
        ["SPM|1|A", "OBR|1", GLU, "SPM|2|B", "OBR|1", GLU],
        [("A", ["GLU"]), ("B", ["GLU"])],
    ),
    (
        "SAC names the specimen",
        ["SPM|1|X", "SAC|||A", "OBR|1", GLU, "SPM|2|B", "OBR|1", GLU],
        [("A", ["GLU"]), ("B", ["GLU"])],
    ),
    (
        "patients are kept apart",
        ["PID|1||P1", OBR, GLU, "PID|2||P2", OBR, GLU],
        [("S1", ["GLU"]), ("S1", ["GLU"])],
    ),
    ("an order without results", [OBR, "OBR|2||S2", GLU], [("S2", ["GLU"])]),
    (
        "notes and others part nothing",
        [OBR, "NTE|1||a", GLU, "NTE|1||b", "SID|1", "ZZZ|1", GLU],
        [("S1", ["GLU", "GLU"])],
    ),
]


@pytest.mark.conformance(142, 152)
@pytest.mark.parametrize(
    ("segments", "samples"), [g[1:] for g in GROUPS], ids=[g[0] for g in GROUPS]
)
def test_results_belong_to_what_is_around_them(
    read_hl7: Read, segments: list[str], samples: list[tuple[str, list[str]]]
) -> None:
    assert samples_of(read_hl7("generic-hl7", *segments, event="OUL^R22^OUL_R22")) == samples


def test_two_orders_without_a_name_are_two_samples(read_hl7: Read) -> None:
    found = read_hl7("generic-hl7", "OBR|1", GLU, "OBR|2", GLU)
    assert [(one.sample_id, one.id_reliable) for one in found.samples] == [("", False)] * 2
    assert [note.code for note in found.notes] == ["no_sample_id"]


@pytest.mark.parametrize(("sample_id", "reliable"), [("S1", True), ("*****", False), ("??", False)])
def test_an_id_that_stands_for_a_failed_read_is_not_reliable(
    read_hl7: Read, sample_id: str, reliable: bool
) -> None:
    (sample,) = read_hl7("generic-hl7", f"OBR|1||{sample_id}", GLU).samples
    assert (sample.sample_id, sample.id_reliable) == (sample_id, reliable)


KINDS = [
    ("MSH|^~\\&|A|L|||20260520120000||OUL^R22|7|T|2.5.1", "P", "training"),
    ("MSH|^~\\&|A|L|||20260520120000||OUL^R22|7|D^A|2.5.1", "P", "training"),
    ("MSH|^~\\&|A|L|||20260520120000||OUL^R22|7|P|2.5.1", "Q^Control^HL70369", "qc"),
    ("MSH|^~\\&|A|L|||20260520120000||OUL^R22|7|P|2.5.1", "C", "calibration"),
    ("MSH|^~\\&|A|L|||20260520120000||OUL^R22|7|P|2.5.1", "P", "patient"),
    ("MSH|^~\\&|A|L|||20260520120000||OUL^R22|7||2.5.1", "", "patient"),
]


@pytest.mark.parametrize(("header", "role", "kind"), KINDS)
def test_the_kind_of_a_sample_is_by_the_standards_marks(
    read_hl7: Read, header: str, role: str, kind: str
) -> None:
    specimen = "|".join(["SPM", "1", "S1", *[""] * 8, role])
    (sample,) = read_hl7("generic-hl7", specimen, "OBR|1", GLU, header=header).samples
    assert sample.kind == kind


def test_the_inventory_of_a_specimen_is_not_that_of_its_results(
    make_hl7_profile: MakeProfile, read_hl7: Read
) -> None:
    profile = make_hl7_profile('[[kind]]\nfield = "INV.3.1"\nequals = "CO"\nkind = "qc"\n')
    control = ("SPM|1|C", "SAC|||C", "INV|C|OK|CO", "INV|D|OK|XX", "OBR|1", GLU)
    patient = ("SPM|2|P", "OBR|1", GLU, "INV|R1|OK|CO", GLU, "OBR|2", GLU)
    found = read_hl7(profile, *control, *patient, event="OUL^R22")
    assert [(one.sample_id, one.kind) for one in found.samples] == [("C", "qc"), ("P", "patient")]


@pytest.mark.conformance(146)
def test_an_order_says_how_it_stands_and_when_it_was_cancelled(read_hl7: Read) -> None:
    orders = [
        "|".join(["OBR", "1", "", f"S{n}", *[""] * 21, status])
        for n, status in ((1, "F"), (2, "X"))
    ]
    found = read_hl7("generic-hl7", orders[0], GLU, orders[1])
    assert [one.order_status for one in found.samples] == ["F"]
    assert found.notes == [Note("cancelled_order", 1, 4, "order in segment 4")]


@pytest.mark.parametrize(
    ("rules", "sender", "code"),
    [
        ('sender = "A1"', "A1", None),
        ('sender = ["x", "lab"]', "A1", None),
        ('sender = "XN"', "A1", "other_sender"),
        ('password = "p"', "A1", "wrong_password"),
        ('receiver = "us"\nother_receiver = "hold"', "A1", "other_receiver"),
    ],
)
def test_a_message_of_another_is_held(
    make_hl7_profile: MakeProfile, read_hl7: Read, rules: str, sender: str, code: str | None
) -> None:
    profile = make_hl7_profile(f"[message]\n{rules}\n")
    if code is None:
        assert samples_of(read_hl7(profile, OBR, GLU)) == [("S1", ["GLU"])]
        return
    with pytest.raises(InterpretError) as raised:
        read_hl7(profile, OBR, GLU)
    assert (raised.value.code, raised.value.record) == (code, 1)


@pytest.mark.parametrize(
    ("segments", "code"),
    [
        ([OBR, "OBX|1|NM|||5.5"], "no_test_code"),
        ([OBR, "OBX|1|NM|GLU||5.5||||||F"], None),
        ([OBR, "OBX|1|NM|GLU||"], None),
        ([OBR], None),
        ([], None),
    ],
)
def test_a_message_of_which_nothing_is_found_is_held(
    make_hl7_profile: MakeProfile, read_hl7: Read, segments: list[str], code: str | None
) -> None:
    profile = make_hl7_profile()
    if code is None:
        assert read_hl7(profile, *segments).notes == []
        return
    with pytest.raises(InterpretError, match=code):
        read_hl7(profile, *segments)


def test_a_profile_that_looks_for_values_elsewhere_is_not_meant(
    make_hl7_profile: MakeProfile, read_hl7: Read
) -> None:
    profile = make_hl7_profile(
        "", ('test_code = "OBX.3.1"', 'test_code = "OBX.3.1"\nvalue = "OBX.9"')
    )
    with pytest.raises(InterpretError, match="no_value"):
        read_hl7(profile, OBR, GLU)


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        ("ACK^R01", "ACK^R01"),
        ("ESU^U01^ESU_U01", "ESU^U01"),
        ("TSRES", "TSRES"),
        ("ORU2", "ORU2"),
        ("", ""),
        ("Rossi^Ada", ""),
        ("A\udcff^B", ""),
    ],
)
def test_another_message_is_noted_and_nothing_is_read_of_it(
    read_hl7: Read, event: str, detail: str
) -> None:
    found = read_hl7("generic-hl7", OBR, GLU, event=event)
    assert (found.samples, found.queries) == ([], [])
    assert Note("other_message", 1, 1, detail) in found.notes


def test_without_header_nothing_is_read(read_hl7: Read) -> None:
    found = read_hl7("generic-hl7", OBR, GLU, header="PID|1")
    assert (found.samples, [note.code for note in found.notes]) == ([], ["no_header"])


def test_undecodable_bytes_drop_no_result(read_hl7: Read) -> None:
    found = read_hl7("generic-hl7", OBR, obx("GLU\udcff", "5.5"), GLU)
    assert samples_of(found) == [("S1", ["GLU\ufffd", "GLU"])]
    assert [note.code for note in found.notes] == ["unreadable_character"]


def test_a_message_sent_again_is_the_same_message_under_another_id(read_hl7: Read) -> None:
    header = "MSH|^~\\&|A1|Lab|||{time}||ORU^R01|{number}|P|2.5.1"
    batch = "BHS|^~\\&|A1|{time}\r"

    def digest(time: str, number: int, result: str = GLU, before: str = "") -> bytes:
        text = (before + header).format(time=time, number=number)
        return read_hl7("generic-hl7", OBR, result, header=text).digest

    first = digest("20260520120000", 1)
    assert first == digest("20260520130000", 2) == digest("20260520130000", 3, before=batch)
    assert first != digest("20260520120000", 1, GLU.replace("5.5", "5.6"))


QUERIES = [
    # segments, sample ids, all, abort
    (["QPD|WOS^Work^IHELAW|q1|S1"], ("S1",), False, False),
    (["QPD|WOS^Work^IHELAW|q1|S1&B^x"], ("S1",), False, False),
    (["QPD|WOS^Work^IHELAW|q1|S1~S2"], ("S1", "S2"), False, False),
    (["QPD|WOS_ALL^All^IHELAW|q1"], (), True, False),
    (["QPD|WOS^Work^IHELAW|q1"], (), False, False),
    (["QRD|20260520|R|D|1|||RD|S7|OTH|||T|", "QRF|A1"], ("S7",), False, False),
    ([], (), False, False),
]


@pytest.mark.parametrize(("segments", "sample_ids", "all_samples", "abort"), QUERIES)
def test_a_query_names_specimens_or_all(
    read_hl7: Read, segments: list[str], sample_ids: tuple[str, ...], all_samples: bool, abort: bool
) -> None:
    (query,) = read_hl7("generic-hl7", *segments, event="QBP^Q11^QBP_Q11").queries
    assert (query.sample_ids, query.all_samples, query.abort) == (sample_ids, all_samples, abort)


def test_the_end_of_a_query_is_no_query_for_all(
    make_hl7_profile: MakeProfile, read_hl7: Read
) -> None:
    profile = make_hl7_profile("[query]\nempty_is_all = true\n")
    for event, all_samples in (("QRY^Q02", True), ("QCN^J01", False)):
        (query,) = read_hl7(profile, "QRD|1", event=event).queries
        assert (query.all_samples, query.abort) == (all_samples, not all_samples)


def test_the_reason_of_a_query_is_by_the_profile(read_hl7: Read) -> None:
    header = "MSH|^~\\&|cobas 8000||host||20260520||TSREQ|9||2.5"
    for code, mode in (("R1", "initial"), ("R2", "reanalysis"), ("", "unknown")):
        request = f"QPD|TSREQ|9|S1||1|2||||S1|SC|{code}|R|"
        (query,) = read_hl7("roche-cobas-8000", request, header=header).queries
        assert (query.sample_ids, query.mode) == (("S1",), mode)


def test_what_differs_when_sent_again_is_by_the_profile(
    make_hl7_profile: MakeProfile, read_hl7: Read
) -> None:
    profile = make_hl7_profile('[message]\nvolatile = ["MSH.7", "MSH.10", "MSH.13"]\n')
    header = "MSH|^~\\&|A1|Lab|||20260520120000||ORU^R01|{number}|P|2.5.1|{number}"
    one, two = (read_hl7(profile, OBR, GLU, header=header.format(number=n)) for n in (1, 2))
    assert one.digest == two.digest
    one, two = (read_hl7("generic-hl7", OBR, GLU, header=header.format(number=n)) for n in (1, 2))
    assert one.digest != two.digest


@pytest.mark.conformance(151)
def test_a_work_list_request_is_a_query_where_the_profile_says_so(read_hl7: Read) -> None:
    request = "ORC|RF||S1||IP"
    (query,) = read_hl7("mindray-bc", request, event="ORM^O01").queries
    assert (query.sample_ids, query.all_samples, query.abort) == (("S1",), False, False)
    other = read_hl7("generic-hl7", request, event="ORM^O01")
    assert (other.queries, [note.code for note in other.notes]) == ([], ["other_message"])
