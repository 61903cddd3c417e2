"""The walk over a message: samples, patients, orders, queries, and what is odd."""

from collections.abc import Callable
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from drivers.errors import InterpretError
from drivers.interpret import interpret
from drivers.profile import Profile, load
from drivers.result import HostQuery, Interpretation, Note, Patient
from protocols.astm.message import parse

Read = Callable[..., Interpretation]
MakeProfile = Callable[..., Profile]

GLU = "R|1|^^^GLU|5.5|mmol/L|3.9-6.1|N||F||op|20260520101400|20260520101500|A1"


def samples_of(found: Interpretation) -> list[tuple[str, list[str]]]:
    return [(one.sample_id, [r.test_code for r in one.results]) for one in found.samples]


@pytest.mark.conformance(95, 102, 104)
def test_a_result_has_all_that_its_record_says(read: Read) -> None:
    found = read("generic-astm", "P|1", "O|1|S1", GLU).samples[0].results[0]
    assert found.result_id == "j-1-1-4"
    assert (found.test_code, found.value, found.numeric) == ("GLU", "5.5", "5.5")
    assert (found.units, found.reference_range) == ("mmol/L", "3.9-6.1")
    assert (found.abnormal_flags, found.result_status) == (["N"], "F")
    assert found.run_at == "2026-05-20T10:15:00Z"


def test_what_was_not_sent_is_none(read: Read) -> None:
    found = read("generic-astm", "O|1|S1", "R|1|^^^GLU|5.5").samples[0].results[0]
    assert (found.units, found.reference_range, found.result_status) == (None, None, None)
    assert (found.abnormal_flags, found.run_at, found.dilution) == ([], None, None)


def test_results_do_not_share_their_flags(read: Read) -> None:
    first, second = read("generic-astm", "O|1|S1", GLU, GLU).samples[0].results
    first.abnormal_flags.append("H")
    assert second.abnormal_flags == ["N"]


def test_flags_stand_in_several_fields_and_in_the_comments_of_a_result(
    make_profile: MakeProfile, read: Read
) -> None:
    profile = make_profile(
        "",
        ("[rerun]", 'flags = ["R.4.2", "R.8", "C.4"]\nno_flag = ["0", "N"]\n[rerun]'),
    )
    (sample,) = read(
        profile,
        "O|1|S1",
        "C|1|I|about the order|G",
        "R|1|^^^WBC|151^  H |g/L|||A\\B",
        "C|1|I|26|I",
        "C|2|I|43\\0|I",
        "R|2|^^^RBC|5.1|g/L|||N",
        "C|1|I|0|I",
        "C|2",
        "O|2|S1",
        "C|1|I|about the next order|G",
        "R|1|^^^PLT|200|g/L",
    ).samples
    assert [one.abnormal_flags for one in sample.results] == [
        ["H", "A", "B", "26", "43"],
        [],
        [],
    ]


def test_comments_are_no_flags_unless_a_profile_says_so(read: Read) -> None:
    (sample,) = read("generic-astm", "O|1|S1", GLU, "C|1|I|26|I").samples
    assert sample.results[0].abnormal_flags == ["N"]


@pytest.mark.conformance(93)
@pytest.mark.parametrize(
    ("record", "patient"),
    [
        (
            "P|1|PR|LB|N3|Doe^Jane^^^Dr||19800229|F|||||Phys",
            Patient(("PR", "LB", "N3"), "Doe Jane Dr", "1980-02-29", "F"),
        ),
        ("P|1||LB||||19800231|U", Patient(("LB",), None, None, "U")),
        ("P|1|||||||", None),
        ("P|1", None),
    ],
)
def test_the_patient_is_who_the_instrument_says(
    read: Read, record: str, patient: Patient | None
) -> None:
    assert read("generic-astm", record, "O|1|S1", GLU).samples[0].patient == patient


@pytest.mark.conformance(94, 96)
@pytest.mark.parametrize(
    ("record", "sample_id", "priority"),
    [
        ("O|1|S1^2^3||^^^GLU|S", "S1", "S"),
        ("O|1||^^   S2  ^B|^^^GLU|R", "S2", "R"),
        ("O|1|  S3  |7|^^^GLU", "S3", None),
    ],
)
def test_the_specimen_is_found_by_the_rules_of_the_profile(
    read: Read, record: str, sample_id: str, priority: str | None
) -> None:
    sample = read("generic-astm", record, GLU).samples[0]
    assert (sample.sample_id, sample.priority) == (sample_id, priority)


@pytest.mark.conformance(99, 104)
@pytest.mark.parametrize(
    ("completed", "started", "reported", "run_at"),
    [
        ("20260520101500", "20260520101400", "20260520102000", "2026-05-20T10:15:00Z"),
        ("", "20260520101400", "20260520102000", "2026-05-20T10:14:00Z"),
        ("", "", "20260520102000", "2026-05-20T10:20:00Z"),
        ("20260520", "", "20260520102000", "2026-05-20T10:20:00Z"),
        ("20260231000000", "20260520101400", "20260520102000", None),
        ("20260520", "", "", None),
        ("", "", "", None),
    ],
)
def test_the_run_time_is_the_first_that_is_there(
    read: Read, completed: str, started: str, reported: str, run_at: str | None
) -> None:
    order = "|".join(["O", "1", "S1", *[""] * 19, reported])
    found = read("generic-astm", order, f"R|1|^^^GLU|5|||||F|||{started}|{completed}")
    assert found.samples[0].results[0].run_at == run_at


def test_the_run_time_is_that_of_the_order_it_belongs_to(read: Read) -> None:
    orders = ["|".join(["O", "1", f"S{n}", *[""] * 19, f"2026052010{n}000"]) for n in (1, 2)]
    found = read("generic-astm", orders[0], "R|1|^^^GLU|5", orders[1], "R|1|^^^GLU|5")
    times = [sample.results[0].run_at for sample in found.samples]
    assert times == ["2026-05-20T10:10:00Z", "2026-05-20T10:20:00Z"]


def test_clock_times_are_in_the_zone_of_the_instrument(read: Read) -> None:
    found = read("generic-astm", "O|1|S1", GLU, zone=ZoneInfo("Europe/Rome"))
    assert found.samples[0].results[0].run_at == "2026-05-20T08:15:00Z"
    assert read("generic-astm", "O|1|S1", GLU).samples[0].results[0].run_at[11:13] == "10"


SUB_RESULTS = ('test_code = "R.3.4"', 'test_code = "R.3.4"\nrun_at = ["R.13", "main", "O.23"]')


def test_a_sub_result_was_run_with_its_main_result(make_profile: MakeProfile, read: Read) -> None:
    order = "|".join(["O", "1", "S1", *[""] * 19, "20260520120000"])
    rows = [
        "R|1|^^^EARLY|1",
        "R|2|^^^MAIN|NEG|||||F||||20260520101500",
        "R|3|^^^Ct|0.0",
        "R|4|^^^NEXT|POS|||||F||||20260520103000",
        "R|5|^^^Ct|24.0",
    ]
    found = read(make_profile("", SUB_RESULTS), order, *rows, order, "R|1|^^^Ct|9").samples[0]
    minutes = [one.run_at[11:16] for one in found.results if one.run_at]
    assert minutes == ["12:00", "10:15", "10:15", "10:30", "10:30", "12:00"]


@pytest.mark.conformance(107)
def test_comments_and_manufacturer_records_never_part_results(read: Read) -> None:
    records = ("P|1", "C|1|I|text", "O|1|S1", "C|1|I|A^b|G", "M|1|x", GLU, "C|1|I|43|I", "S|1", GLU)
    assert samples_of(read("generic-astm", *records)) == [("S1", ["GLU", "GLU"])]


def test_orders_of_one_sample_are_read_together_and_others_apart(read: Read) -> None:
    records = ("P|1|A", "O|1|S1", GLU, "O|2|S2", GLU, "O|3|S1", GLU, "P|2|B", "O|1|S1", GLU)
    found = read("generic-astm", *records)
    assert samples_of(found) == [("S1", ["GLU", "GLU"]), ("S2", ["GLU"]), ("S1", ["GLU"])]


def test_two_orders_without_an_id_are_never_one_sample(read: Read) -> None:
    found = read("generic-astm", "P|1", "O|1|", GLU, "O|2|", GLU)
    assert samples_of(found) == [("", ["GLU"]), ("", ["GLU"])]
    assert found.notes == [Note("no_sample_id", 1, 4)]


def test_an_orphan_result_is_kept_and_attached_to_nobody(read: Read) -> None:
    found = read("generic-astm", "P|1", "O|1|S1", GLU, "P|2", GLU)
    assert samples_of(found) == [("S1", ["GLU"]), ("", ["GLU"])]
    assert [note.code for note in found.notes] == ["orphan_result", "no_sample_id"]
    assert not found.samples[1].id_reliable


@pytest.mark.conformance(101)
def test_an_order_that_cannot_be_done_is_news_and_no_empty_sample(read: Read) -> None:
    cancelled = "|".join(["O", "1", "S1", *[""] * 22, "X"])
    found = read("generic-astm", "P|1", cancelled, "O|2|S2", GLU, cancelled)
    assert samples_of(found) == [("S2", ["GLU"])]
    assert found.notes == [
        Note("cancelled_order", 1, 3, "order in record 3"),
        Note("cancelled_order", 1, 6, "order in record 6"),
    ]
    assert read("generic-astm", cancelled, GLU).samples[0].order_status == "X"
    assert "cancelled_order" not in [n.code for n in read("generic-astm", cancelled, GLU).notes]


@pytest.mark.conformance(85)
@pytest.mark.parametrize("code", ["T", "R", "E"])
def test_results_of_an_aborted_message_are_not_final(read: Read, code: str) -> None:
    records = ("O|1|S1", GLU, "R|2|^^^K|4.0", "R|3|^^^NA|140|||||X")
    found = read("generic-astm", *records, end=f"L|1|{code}")
    assert [one.result_status for one in found.samples[0].results] == ["P", "P", "X"]
    assert Note("aborted_message", 1, 6, f"L.3={code}") in found.notes


def test_several_messages_of_an_entry_are_read_apart() -> None:
    text = b"H|\\^&|||A\rO|1|S1\rR|1|^^^GLU|5\rL|1|N\rH|@^!|||A\rO|1|S1\rR|1|a@^^^GLU|6\rL|1|N\r"
    profile = load("generic-astm")
    messages = parse(text, profile.dialect)
    found = interpret(messages, profile, id_prefix="p", timezone=UTC)
    assert [one.results[0].result_id for one in found.samples] == ["p-1-3", "p-2-3"]
    assert [one.message for one in found.samples] == [1, 2]


@pytest.mark.conformance(91)
def test_undecodable_bytes_drop_no_result() -> None:
    profile = load("generic-astm")
    text = b"H|\\^&|||A\rO|1|S1\rR|1|^^^GLU|5|\xb5mol/L\rR|2|^^^K|4|\xff\x81\rL|1|N\r"
    found = interpret(parse(text, profile.dialect), profile, id_prefix="p", timezone=UTC)
    results = found.samples[0].results
    assert [(one.value, one.units) for one in results] == [("5", "µmol/L"), ("4", "\ufffd\x81")]


@pytest.mark.conformance(91)
def test_bytes_that_the_encoding_has_not_are_replaced_and_noted(make_profile: MakeProfile) -> None:
    profile = make_profile('[dialect]\nencoding = "utf-8"\n')
    text = b"H|\\^&|||A\rO|1|S1\rR|1|^^^GLU|5|\xb5mol/L\rL|1|N\r"
    found = interpret(parse(text, profile.dialect), profile, id_prefix="p", timezone=UTC)
    assert (found.samples[0].results[0].value, found.samples[0].results[0].units) == (
        "5",
        "\ufffdmol/L",
    )
    assert "unreadable_character" in [note.code for note in found.notes]


ALSO = """
[[result.also]]
code = "/number"
value = "R.4.2"
[[result.also]]
code = "/grade"
value = "R.4.3"
"""


def test_a_record_may_hold_several_values(make_profile: MakeProfile, read: Read) -> None:
    values = ('test_code = "R.3.4"', 'test_code = "R.3.4"\nvalue = ["R.4.1", "R.4.2"]')
    rows = ["R|1|^^^MTB|POS^<24.5^3+", "R|2|^^^MTB|^7.0", "R|3|^^^MTB|NEG"]
    found = read(make_profile(ALSO, values), "O|1|S1", *rows).samples[0].results
    assert [(one.result_id[4:], one.test_code, one.value) for one in found] == [
        ("1-3", "MTB", "POS"),
        ("1-3-2", "MTB/number", "<24.5"),
        ("1-3-3", "MTB/grade", "3+"),
        ("1-4", "MTB", "7.0"),
        ("1-5", "MTB", "NEG"),
    ]
    assert (found[1].comparator, found[1].numeric) == ("<", "24.5")


def test_a_flag_may_say_that_the_value_is_a_limit(make_profile: MakeProfile, read: Read) -> None:
    limits = ('test_code = "R.3.4"', 'test_code = "R.3.4"\nflag_comparators = { ">" = ">" }')
    rows = ["R|1|^^^GLU|30|||>", "R|2|^^^GLU|30|||H\\>", "R|3|^^^GLU|<1|||>", "R|4|^^^GLU|3|||H"]
    found = read(make_profile("", limits), "O|1|S1", *rows).samples[0].results
    assert [one.comparator for one in found] == [">", ">", "<", None]


@pytest.mark.parametrize(("text", "replicate"), [("2", 2), ("", 0), ("x", 0)])
def test_a_replicate_is_numbered(
    make_profile: MakeProfile, read: Read, text: str, replicate: int
) -> None:
    """Trap 14."""
    rule = ('test_code = "R.3.4"', 'test_code = "R.3.4"\nreplicate = "R.3.6"')
    found = read(make_profile("", rule), "O|1|S1", f"R|1|^^^GLU^^{text}|5")
    assert found.samples[0].results[0].replicate == replicate


QUERIES = [
    ("generic-astm", "Q|1|^S1||ALL||||||||O", HostQuery(1, ("S1",))),
    ("generic-astm", "Q|1|^S1\\^S2||ALL", HostQuery(1, ("S1", "S2"))),
    ("generic-astm", "Q|1|ALL||ALL||||||||O", HostQuery(1, (), all_samples=True)),
    ("generic-astm", "Q|1|^ALL||ALL||||||||O", HostQuery(1, (), all_samples=True)),
    ("generic-astm", "Q|1|^SMALL1||ALL||||||||O", HostQuery(1, ("SMALL1",))),
    ("generic-astm", "Q|1|^S1||ALL||||||||A", HostQuery(1, ("S1",), abort=True)),
    ("sysmex-xn", "Q|1|2^1^     S1^B||||||||||N", HostQuery(1, ("S1",), mode="initial")),
    ("sysmex-xn", "Q|1|2^1^     S1^B||||||||||C", HostQuery(1, ("S1",), mode="reanalysis")),
]


@pytest.mark.conformance(110, 111, 112)
@pytest.mark.parametrize(("profile", "record", "query"), QUERIES)
def test_a_query_names_samples_and_purpose(
    read: Read, profile: str, record: str, query: HostQuery
) -> None:
    found = read(profile, record, header="H|\\^&|||XN-10^1")
    assert (found.queries, found.samples) == ([query], [])


HEADER_RULES = """
[message]
sender = ["One", "Two"]
password = "secret"
receiver = "host"
"""


def header(sender: str = "One^1", password: str = "secret", receiver: str = "host") -> str:
    return f"H|\\^&||{password}|{sender}|||||{receiver}"


@pytest.mark.conformance(87, 88)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sender": "Three"}, "other_sender"),
        ({"sender": ""}, "other_sender"),
        ({"password": "guess"}, "wrong_password"),
        ({"password": ""}, "wrong_password"),
    ],
)
def test_a_message_of_somebody_else_is_refused(
    make_profile: MakeProfile, read: Read, changes: dict[str, str], code: str
) -> None:
    profile = make_profile(HEADER_RULES)
    assert read(profile, "O|1|S1", GLU, header=header(sender="  two  ")).notes == [
        Note("orphan_order", 1, 2)
    ]
    with pytest.raises(InterpretError) as raised:
        read(profile, "O|1|S1", GLU, header=header(**changes))
    assert (raised.value.code, raised.value.message, raised.value.record) == (code, 1, 1)
    assert str(raised.value).startswith(f"{code} in record 1 of message 1: expected ")
    assert "secret" not in str(raised.value)


@pytest.mark.conformance(88)
@pytest.mark.parametrize("policy", ["note", "hold"])
def test_another_receiver_is_noted_or_refused(
    make_profile: MakeProfile, read: Read, policy: str
) -> None:
    profile = make_profile(f'{HEADER_RULES}other_receiver = "{policy}"\nother_sender = "note"\n')
    send = {"header": header(sender="x", receiver="other")}
    if policy == "hold":
        with pytest.raises(InterpretError, match="other_receiver"):
            read(profile, "P|1", "O|1|S1", GLU, **send)
    else:
        codes = [note.code for note in read(profile, "P|1", "O|1|S1", GLU, **send).notes]
        assert codes == ["other_sender", "other_receiver"]


def test_a_profile_that_finds_no_test_or_no_value_is_the_wrong_one(
    make_profile: MakeProfile, read: Read
) -> None:
    profile = make_profile()
    with pytest.raises(InterpretError, match=r"no_test_code in record 4.*expected R\.3\.4"):
        read(profile, "P|1", "O|1|S1", "R|1|GLU|5", "R|2|K|4")
    elsewhere = make_profile("", ('test_code = "R.3.4"', 'test_code = "R.3.4"\nvalue = "R.12"'))
    with pytest.raises(InterpretError, match=r"no_value in record 4.*expected R\.12"):
        read(elsewhere, "P|1", "O|1|S1", GLU.replace("20260520101400", ""))


def test_a_result_without_code_or_value_is_kept_among_others(
    make_profile: MakeProfile, read: Read
) -> None:
    found = read(make_profile(), "P|1", "O|1|S1", "R|1|^^^GLU|5", "R|2|K|4", "R|3|^^^NA|^ ")
    assert samples_of(found) == [("S1", ["GLU", "", "NA"])]
    assert found.notes == [Note("no_test_code", 1, 5)]


def test_results_that_are_all_empty_are_no_fault_of_the_profile(
    make_profile: MakeProfile, read: Read
) -> None:
    found = read(make_profile(), "P|1", "O|1|S1", "R|1|^^^GLU", "R|2|^^^K|^")
    assert [one.invalid_reason for one in found.samples[0].results] == ["empty", "empty"]
    found = read(make_profile(), "P|1", "O|1|S1", "R|1|^^^||||||X|||||LIAISON")
    assert found.notes == [Note("no_test_code", 1, 4)]


def test_a_message_without_header_is_read_and_noted() -> None:
    profile = load("generic-astm")
    messages = parse(b"P|1\rO|1|S1\rR|1|^^^GLU|5\rL|1|N\r", profile.dialect)
    found = interpret(messages, profile, id_prefix="p", timezone=UTC)
    assert samples_of(found) == [("S1", ["GLU"])]
    assert [note.code for note in found.notes] == ["no_header"]
    assert found.digest != interpret([], profile, id_prefix="p", timezone=UTC).digest


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("H|\\^&|||A|||||||P|1|20260520101500", "H|\\^&|||A|||||||P|1|20260520101600", True),
        ("H|\\^&|||A|||||||P|1|20260520101500", "H|\\^&|||A|||||||P|1", True),
        ("H|\\^&|||A", "H|\\^&|||B", False),
    ],
)
def test_the_digest_is_over_the_message_less_its_time(
    read: Read, one: str, other: str, equal: bool
) -> None:
    first = read("generic-astm", "O|1|S1", GLU, header=one).digest
    again = read("generic-astm", "O|1|S1", GLU, header=other).digest
    assert (first == again) is equal
    assert first != read("generic-astm", "O|1|S2", GLU, header=one).digest


def test_a_profile_may_leave_more_of_the_header_out_of_the_digest(
    make_profile: MakeProfile, read: Read
) -> None:
    profile = make_profile('[message]\nvolatile = ["H.3", "H.14"]\n')
    one, other = (read(profile, "O|1|S1", GLU, header=f"H|\\^&|{n}||A") for n in (17, 18))
    assert one.digest == other.digest
    assert read("generic-astm", "O|1|S1", GLU, header="H|\\^&|17||A").digest != one.digest
