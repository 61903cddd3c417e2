"""Section F, as far as protocols decide: messages and their records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.astm.dialect import Dialect
from protocols.astm.message import Message, Problem, build, parse
from protocols.astm.record import Presence
from protocols.astm.text import DEFAULT, NULL, Delimiters
from protocols.errors import LocalProtocolError


def one(*records: str, **switches) -> Message:
    (message,) = parse("\r".join(records).encode("latin-1"), Dialect(**switches))
    return message


def whole(*records: str, **switches) -> Message:
    return one("H|\\^&", *records, "L|1|N", **switches)


@pytest.mark.conformance(68)
@pytest.mark.parametrize("header", ["H|\\^&", "H|@^\\", "H|\\^", "H|~^&", "H|`^&", "H|`!~"])
def test_item_068_components_and_repeats_by_the_headers_delimiters(header):
    repeat, component = header[2:4]
    message = one(header, "P|1", f"O|1|A||a{component}b{repeat}c{component}d", "L|1|N")
    assert message.problems == []
    order = message.records[2]
    assert order.repeats(5) == [f"a{component}b", f"c{component}d"]
    assert order.component(5, 1) == "a"


@pytest.mark.conformance(68)
def test_item_068_two_messages_with_delimiters_of_their_own():
    first, second = parse(b"H|\\^&\rP|1||a^b\rL|1|N\rH!\\~&\rP!1!!a~b\rL!1!N\r")
    assert first.records[1].components(4) == ["a", "b"]
    assert second.records[1].components(4) == ["a", "b"]
    assert first.problems == second.problems == []


def test_bad_delimiters_are_told_and_the_usual_ones_used():
    message = one("H|\\\\^&|||miniVidas", "P|1||a^b", "L|1|N")
    assert message.problems == [Problem("bad_delimiters", 1)]
    assert message.delimiters == DEFAULT
    assert message.records[1].components(4) == ["a", "b"]


def test_a_doubled_backslash_is_accepted_by_switch():
    message = one("H|\\\\^&|||miniVidas", "P|1", "L|1|N", header_backslash=True)
    assert message.problems == []


@pytest.mark.conformance(69)
def test_item_069_positions_in_the_header_are_the_standards():
    message = whole()
    header = one("H|\\^&|3|4|5|6|7|8|9|10|11|12|13|14", "L|1|N").header
    assert header.fields[:2] == ["H", "\\^&"]
    assert [header.field(position) for position in range(3, 15)] == list(map(str, range(3, 15)))
    assert message.header.field(14) == ""


@pytest.mark.conformance(70)
def test_item_070_trailing_empty_fields_may_be_absent():
    short, long = whole("P|1||A1").records[1], whole("P|1||A1||||||").records[1]
    for position in range(1, 12):
        assert short.field(position) == long.field(position)
        assert short.component(position, 1) == long.component(position, 1)


@pytest.mark.conformance(71)
def test_item_071_unknown_fields_and_components_are_kept():
    record = whole("L|1|N|more^and^more|" + "|" * 90 + "z").records[1]
    assert record.field(4) == "more^and^more"
    assert record.fields[-1] == "z"
    assert record.component(4, 3) == "more"
    assert record.component(4, 9) == ""


@pytest.mark.conformance(72)
def test_item_072_lower_case_record_letters():
    message = one("h|\\^&", "p|1", "o|1", "r|1|^^^GLU|5", "c|1", "l|1|N")
    assert [record.type for record in message.records] == list("HPORCL")
    assert message.problems == []
    assert message.records[3].order == 3
    assert message.complete


@pytest.mark.conformance(73)
def test_item_073_repeats():
    message = whole(
        "P|1", "O|1|A||^^^WBC\\^^^RBC", "R|1|^^^WBC|5|g/L|20.0\\30.0|N||F\\Q", "R|2|^^^RBC|"
    )
    assert message.records[2].repeats(5) == ["^^^WBC", "^^^RBC"]
    assert message.records[3].repeats(6) == ["20.0", "30.0"]
    assert message.records[3].repeats(9) == ["F", "Q"]
    assert message.records[4].repeats(4) == [""]
    assert message.records[4].repeats(40) == [""]


@pytest.mark.conformance(74)
def test_item_074_leading_empty_components_count():
    record = whole("P|1", "O|1", "R|1|^^^^WBC^1|8.13").records[3]
    assert record.components(3) == ["", "", "", "", "WBC", "1"]
    assert record.component(3, 5) == "WBC"


@pytest.mark.conformance(76)
def test_item_076_the_delimiter_field_is_not_unescaped():
    assert whole().header.field(2) == "\\^&"


def test_a_value_is_unescaped_once_asked_for():
    record = whole("C|1|I|a&S&b", "C|2|I|&XC3A9&").records
    assert record[1].field(4) == "a&S&b"
    assert record[1].value(4) == "a^b"
    assert record[2].value(4, Dialect(encoding="utf-8")) == "\xe9"


@pytest.mark.conformance(77)
def test_item_077_absent_null_and_delete_are_three_things():
    record = whole('P|1||""|x').records[1]
    presences = [record.presence(position) for position in (3, 4, 5, 6)]
    assert presences == [Presence.NULL, Presence.DELETE, Presence.VALUE, Presence.ABSENT]
    assert record.field(3) == NULL


@pytest.mark.conformance(78)
def test_item_078_sequence_numbers_restart_under_each_higher_record():
    right = whole(
        "P|1", "O|1", "R|1", "C|1", "C|2", "R|2", "C|1", "O|2", "R|1", "P|2", "O|1", "R|1"
    )
    assert right.sequence_problems() == []


@pytest.mark.conformance(78)
def test_item_078_wrong_sequence_numbers_lose_nothing():
    message = whole("P|1", "O|", "R|1", "R|3", "R|4", "R|x", "R|", "R|7")
    assert [problem.record for problem in message.sequence_problems()] == [3, 5, 7, 8]
    assert len(message.records) == 10
    assert one("P|2", "L|1").sequence_problems() == [Problem("bad_sequence", 1)]


@pytest.mark.conformance(79)
def test_item_079_an_orphan_result_belongs_to_no_order():
    message = whole("P|1", "R|1", "O|1", "R|1", "P|2", "R|1")
    assert message.problems == [Problem("orphan_result", 3), Problem("orphan_result", 7)]
    assert [(record.parent, record.order) for record in message.records if record.type == "R"] == [
        (0, 0),
        (4, 4),
        (0, 0),
    ]


@pytest.mark.conformance(79)
def test_item_079_an_order_without_patient_is_told_and_keeps_its_results():
    message = whole("O|1|A", "R|1")
    assert message.problems == [Problem("orphan_order", 2)]
    assert message.records[2].order == 2


@pytest.mark.conformance(80, 81)
def test_item_080_and_081_what_belongs_to_what():
    message = whole(
        "P|1", "C|1", "O|1", "C|1", "R|1", "C|1", "M|1", "R|2", "O|2", "R|1", "P|2", "O|1", "S|1"
    )
    assert message.problems == []
    parents = [(record.type, record.parent) for record in message.records]
    assert parents == [
        ("H", 0),
        ("P", 1),
        ("C", 2),
        ("O", 2),
        ("C", 4),
        ("R", 4),
        ("C", 6),
        ("M", 6),
        ("R", 4),
        ("O", 2),
        ("R", 10),
        ("P", 1),
        ("O", 12),
        ("S", 13),
        ("L", 1),
    ]
    assert [(record.patient, record.order) for record in message.records[11:14]] == [
        (12, 0),
        (12, 13),
        (12, 13),
    ]


@pytest.mark.conformance(82)
def test_item_082_manufacturer_records_are_kept():
    message = whole("P|1", "O|1", "R|1", "M|1|HISTOGRAM|\xa7$%|", "S|1|anything", "R|2")
    assert message.problems == []
    assert message.records[4].text == "M|1|HISTOGRAM|\xa7$%|"
    assert message.records[6].order == 3


def test_comments_before_everything_belong_to_nothing():
    assert one("C|1", "M|1", "L|1").problems == [
        Problem("no_header", 0),
        Problem("orphan_comment", 1),
        Problem("orphan_comment", 2),
    ]


@pytest.mark.parametrize("line", ["X|1", "Hello", "Result|1", "|||", " ", "\\"])
def test_unknown_records_are_kept_and_told(line):
    message = whole("P|1", "O|1", line, "R|1")
    assert message.problems == [Problem("unknown_record", 4)]
    assert message.records[4].order == 3
    assert Problem("unknown_record", 1) in one(line, "L|1").problems


@pytest.mark.conformance(83)
def test_item_083_two_messages_in_one_session():
    messages = parse(b"H|\\^&\rP|1\rL|1|N\rH|\\^&\rP|1\rP|2\rL|1|N\r")
    assert [len(message.records) for message in messages] == [3, 4]
    assert all(message.complete for message in messages)
    assert [record.number for record in messages[1].records] == [1, 2, 3, 4]


@pytest.mark.conformance(84)
def test_item_084_a_header_before_the_terminator_begins_another_message():
    first, second = parse(b"H|\\^&\rP|1\rH|\\^&\rL|1|N\r")
    assert not first.complete
    assert first.problems == [Problem("no_terminator", 0)]
    assert second.complete


@pytest.mark.conformance(85)
@pytest.mark.parametrize(
    ("record", "code"),
    [("L", "N"), ("L|1", "N"), ("L|1|", "N"), ("L|1|N", "N"), ("L|1|t", "T"), ("L|1|E^x", "E")],
)
def test_item_085_termination_codes(record, code):
    message = one("H|\\^&", record)
    assert message.termination_code == code
    assert one("H|\\^&").termination_code == ""


def test_records_after_the_terminator_are_told():
    message = one("H|\\^&", "L|1|N", "C|1", "P|1")
    assert message.problems == [Problem("after_terminator", 3), Problem("after_terminator", 4)]
    assert message.complete


def test_records_without_header_use_the_usual_delimiters():
    message = one("P|1||a^b", "L|1|N")
    assert message.problems == [Problem("no_header", 0)]
    assert message.header is None
    assert message.records[0].components(4) == ["a", "b"]


@pytest.mark.conformance(91)
def test_item_091_the_links_encoding():
    data = "H|\\^&\rC|1|I|日本語 é\rL|1|N\r"
    for encoding in ("utf-8", "gb18030", "utf-16-le"):
        if encoding != "utf-16-le":
            (message,) = parse(data.encode(encoding), Dialect(encoding=encoding))
            assert message.records[1].field(4) == "日本語 é"
    # Half of a character may look like a delimiter: decoding comes first.
    text = "H|\\^&\rC|1|I|ソ表\rL|1|N\r"
    (message,) = parse(text.encode("shift-jis"), Dialect(encoding="shift-jis"))
    assert message.records[1].repeats(4) == ["ソ表"]
    (message,) = parse("H|\\^&\rP|1||||Моя\rL|1|N\r".encode("cp1251"), Dialect(encoding="cp1251"))
    assert message.records[1].field(6) == "Моя"


@pytest.mark.conformance(91)
def test_item_091_undecodable_bytes_lose_no_record():
    (message,) = parse(b"H|\\^&\rC|1|I|\xff\xfe x\rP|1\rL|1|N\r", Dialect(encoding="utf-8"))
    assert message.problems == [Problem("unreadable_character", 2)]
    assert message.records[1].field(4) == "\ufffd\ufffd x"
    assert len(message.records) == 4


@pytest.mark.conformance(38)
@pytest.mark.parametrize("code", [0, 1, 6, 8, 14, 31, 127, 255])
def test_item_038_characters_that_no_record_may_hold(code):
    (message,) = parse(b"H|\\^&\rC|1|I|a%cb\rL|1|N\r" % code)
    assert message.records[1].field(4) == "a\ufffdb"
    assert message.problems == [Problem("unreadable_character", 2)]


@pytest.mark.conformance(38)
@pytest.mark.parametrize("code", [7, 9, 11, 12, 32, 128, 254])
def test_item_038_characters_that_are_allowed(code):
    message = whole("C|1|I|a" + chr(code) + "b")
    assert message.records[1].field(4) == "a" + chr(code) + "b"
    assert message.problems == []


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r"])
def test_records_may_end_in_any_way(end):
    (message,) = parse(end.join(["H|\\^&", "P|1", "L|1|N", ""]).encode())
    assert [record.text for record in message.records] == ["H|\\^&", "P|1", "L|1|N"]


@pytest.mark.parametrize("text", [b"", b"\r", b"\r\n\r"])
def test_nothing_is_no_message(text):
    assert parse(text) == []


FIELDS = st.text(
    st.characters(min_codepoint=32, max_codepoint=254, exclude_characters="|\x7f"), max_size=8
)
RECORDS = st.lists(
    st.tuples(st.sampled_from("PORCQMS"), st.lists(FIELDS, max_size=8)).map(
        lambda r: [r[0], *r[1]]
    ),
    max_size=12,
)


@given(RECORDS)
def test_build_and_parse_are_inverses(records):
    records = [["H", "\\^&", "", ""], *records, ["L", "1", "N"]]
    text = build(records)
    (message,) = parse(text)
    assert [record.fields for record in message.records] == records
    assert build([record.fields for record in message.records]) == text


@given(st.binary(max_size=200), st.sampled_from(["latin-1", "utf-8", "gb18030", "cp1251"]))
def test_parsing_never_fails_and_keeps_every_line(data, encoding):
    data = data.replace(b"0", b"\rH|\\^&|").replace(b"1", b"\rR|")
    messages = parse(data, Dialect(encoding=encoding))
    for message in messages:
        assert message.records[0].number == 1
        message.sequence_problems()
        for record in message.records:
            assert record.fields[0].strip().upper() == record.type
            assert record.parent < record.number
    records = sum(len(message.records) for message in messages)
    if encoding == "latin-1":
        assert records == len([line for line in data.replace(b"\n", b"\r").split(b"\r") if line])


def test_build_writes_the_delimiters():
    text = build([["H", "", "", "x"], ["P", "1"]], Delimiters("!", "@", "^", "\\"))
    assert text == b"H!@^\\!!x\rP!1\r"
    assert build([["H"]]) == b"H|\\^&\r"


@pytest.mark.conformance(64)
@pytest.mark.parametrize("field", ["a|b", "a\rb", "a\nb", "a\x03b", "\x11", "日"])
def test_item_064_build_refuses_what_no_frame_may_carry(field):
    with pytest.raises(LocalProtocolError):
        build([["H"], ["C", "1", "I", field]])
