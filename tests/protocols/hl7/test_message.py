"""Section K, as far as protocols decide: messages, their segments and their character sets."""

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError
from protocols.hl7.acknowledgment import Stamp, acknowledge
from protocols.hl7.boundary import split_messages
from protocols.hl7.dialect import Dialect
from protocols.hl7.header import read_header
from protocols.hl7.message import Problem, build, parse
from protocols.hl7.segment import Presence
from protocols.hl7.text import DEFAULT, DELETE, Delimiters, escape
from tests.protocols.hl7.samples import message


def segment(line: str, delimiters: Delimiters = DEFAULT):
    head = f"MSH{delimiters.field}{''.join(delimiters[1:])}"
    return parse(f"{head}\r{line}\r".encode()).segments[1]


@pytest.mark.conformance(139)
@pytest.mark.parametrize("declared", ["|^~\\&", "|^~\\&#", "#!`$*", "|^`\\&", "%^~\\&"])
def test_item_139_separators_come_from_the_header(declared):
    delimiters = Delimiters(*declared)
    field, component, repetition, _, subcomponent = delimiters[:5]
    line = f"OBX{field}1{field}a{component}b{subcomponent}c{repetition}d"
    found = parse(f"MSH{declared}{field}APP\r{line}\r".encode())
    assert found.problems == []
    assert found.coding.delimiters == delimiters
    obx = found.first("OBX")
    assert obx.delimiters == delimiters
    assert obx.repetitions(2) == [f"a{component}b{subcomponent}c", "d"]
    assert obx.components(2) == ["a", f"b{subcomponent}c"]
    assert obx.subcomponents(2, 2) == ["b", "c"]
    assert obx.component(2, 1, repetition=2) == "d"


@pytest.mark.conformance(139)
@pytest.mark.parametrize("declared", ["|^~\\", "|^~^&", "|", "", "|abcd", "|^~\\&##", "|^~\\\\&"])
def test_item_139_bad_separators_are_told_and_the_usual_ones_used(declared):
    found = parse(f"MSH{declared}|APP\rOBX|1|a^b\r".encode())
    assert Problem("bad_delimiters", 1) in found.problems
    assert found.coding.delimiters == DEFAULT
    assert found.segments[1].components(2) == ["a", "b"]


@pytest.mark.conformance(139)
def test_item_139_a_doubled_backslash_is_accepted_by_switch():
    content = b"MSH|^~\\\\&|APP\rOBX|1\r"
    assert parse(content, Dialect(header_backslash=True)).problems == []


def test_positions_are_the_standards():
    found = parse(message("7"))
    header = found.header
    assert header.fields[:4] == ["MSH", "|", "^~\\&", "ANALYZER"]
    assert [header.field(n) for n in (1, 2, 9, 10, 12)] == ["|", "^~\\&", "ORU^R01", "7", "2.5.1"]
    assert header.value(1) == "|"
    assert header.value(2) == "^~\\&"
    assert header.value(9, 2) == "R01"
    assert segment("PID|1||A1").field(3) == "A1"


def test_what_is_not_there_is_empty():
    obx = segment("OBX|1")
    assert obx.field(9) == obx.component(9, 3) == obx.component(1, 2, repetition=2) == ""
    assert obx.value(9) == obx.value(9, 4) == obx.value(1, 4) == ""
    assert obx.repetitions(9) == obx.components(9) == obx.subcomponents(9, 9) == [""]


def test_a_message_has_its_segments_in_order():
    found = parse(message("1", "ORU^R01", "PID|1", "OBX|1", "NTE|1", "OBX|2"))
    assert [(each.type, each.number) for each in found.segments] == [
        ("MSH", 1),
        ("PID", 2),
        ("OBX", 3),
        ("NTE", 4),
        ("OBX", 5),
    ]
    assert [each.field(1) for each in found.all("OBX")] == ["1", "2"]
    assert found.first("SPM") is None
    assert found.problems == []


@pytest.mark.conformance(141)
@pytest.mark.parametrize(
    ("field", "presence"),
    [
        ("", Presence.ABSENT),
        (DELETE, Presence.DELETE),
        ("x", Presence.VALUE),
        ('"', Presence.VALUE),
    ],
)
def test_item_141_absent_and_delete_are_two_things(field, presence):
    assert segment(f"PID|1|{field}|").presence(2) is presence
    assert segment("PID|1").presence(2) is Presence.ABSENT


@pytest.mark.conformance(122)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A|1\rBCD|2\r", False),
        ("A|1\nBCD|2\n", True),
        ("A|1\r\nBCD|2\r\n", True),
        ("A|1\nBCD", True),
    ],
)
def test_item_122_lf_ends_segments_and_is_told(text, told):
    found = parse(b"MSH|^~\\&|" + text.encode())
    assert [each.type for each in found.segments] == ["MSH", "BCD"]
    assert (Problem("line_feed", 0) in found.problems) is told


@pytest.mark.conformance(122)
def test_item_122_lf_within_a_text_ends_nothing():
    found = parse(b"MSH|^~\\&\rNTE|1||two\nlines, OBX|\rOBX|1\r")
    assert found.problems == []
    assert found.segments[1].field(3) == "two\nlines, OBX"


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (b"", ["no_header"]),
        (b"garbage", ["no_header", "unknown_segment"]),
        (b"PID|1\r", ["no_header"]),
        (b"MSH|^~\\&\rtext\rPV1\r", ["unknown_segment"]),
        (b"MSH|^~\\&\rPI\r", ["unknown_segment"]),
        (b"MSH|^~\\&\r|||\r", ["unknown_segment"]),
        (b"FHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&\rBTS|1\rFTS|1\r", []),
        (b" \r\n\xef\xbb\xbfMSH|^~\\&\r\rPID|1", []),
    ],
)
def test_what_is_odd_is_kept_and_told(content, problems):
    found = parse(content)
    assert [problem.code for problem in found.problems] == problems
    assert (found.header is None) == ("no_header" in problems)


@pytest.mark.conformance(134)
@pytest.mark.parametrize(
    ("name", "codec", "text"),
    [
        ("", "utf-8", "Müller 检验"),
        ("ASCII", "utf-8", "Müller"),
        ("UNICODE", "utf-8", "检验"),
        ("UNICODE UTF-8", "utf-8", "检验"),
        *((f"8859/{part}", f"iso8859-{part}", "abc") for part in (1, 2, 5, 7, 9, 15)),
        ("8859/1", "latin-1", "Müller"),
        ("8859/2", "iso8859-2", "Łódź"),
        ("8859/5", "iso8859-5", "Кровь"),
        ("GB 18030-2000", "gb18030", "检验科"),
        ("GBK", "gbk", "检验科"),
        ("ISO IR87", "iso2022_jp", "患者 太郎"),
        ("~ISO IR87", "iso2022_jp", "患者 ABC"),
        ("ASCII~ISO IR14~ISO IR87", "iso2022_jp", "患者"),
        ("Shift_JIS", "cp932", "表ソ"),
        ("BIG-5", "big5", "檢驗"),
        ("KS X 1001", "euc_kr", "검사"),
    ],
)
def test_item_134_the_names_of_character_sets(name, codec, text):
    content = message("1", "ORU^R01", "PID|@", charset=name).replace(b"@", text.encode(codec))
    found = parse(content)
    assert found.problems == []
    assert found.first("PID").value(1) == text


@pytest.mark.conformance(133)
@pytest.mark.parametrize("name", ["KLINGON", "CNS 11643-1992", "KLINGON~KLINGON"])
def test_item_133_an_unknown_set_is_read_as_the_links_and_told(name):
    content = message("1", "ORU^R01", "PID|Müller", charset=name)
    found = parse(content)
    assert found.problems == [Problem("unknown_charset", 0)]
    assert found.first("PID").value(1) == "Müller"
    assert parse(content, Dialect(trust_charset=False)).problems == []


@pytest.mark.conformance(133)
def test_item_133_a_link_may_know_better():
    content = message("1", "ORU^R01", "PID|@", charset="UNICODE").replace(b"@", b"M\xfcller")
    dialect = Dialect(trust_charset=False, encoding="latin-1")
    assert parse(content, dialect).first("PID").value(1) == "Müller"


@pytest.mark.conformance(91, 133)
@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("", b"5.5\xb5", "5.5�"),
        ("8859/3", b"5.5\xa5", "5.5�"),
        ("GB 18030-2000", b"5.5\x81", "5.5�"),
        ("~ISO IR87", b"5.5\x1bXY\xff", "5.5\x1bXY�"),
    ],
)
def test_item_133_undecodable_bytes_lose_nothing_and_are_told(name, raw, value):
    content = message("1", "ORU^R01", "PID|1", "OBX|@", charset=name).replace(b"@", raw)
    found = parse(content)
    assert found.problems == [Problem("unreadable_character", 3)]
    assert found.first("OBX").value(1) == value
    fields = [each.fields for each in found.segments]
    assert build(fields, found.coding.delimiters, found.coding.codec) == content


@pytest.mark.conformance(91, 133)
def test_item_133_a_broken_escape_sequence_spoils_its_segment_only():
    content = message("1", "ORU^R01", "PID|患者", "OBX|@", charset="~ISO IR87").decode()
    found = parse(content.encode("iso2022_jp").replace(b"@", b"5.5\x1b$B!"))
    assert found.problems == [Problem("unreadable_character", 0)]
    assert found.first("PID").value(1) == "患者"
    assert found.first("OBX").value(1) == "5.5\x1b$B!"


@pytest.mark.conformance(137)
@pytest.mark.parametrize(
    ("parts"),
    [
        [b""],
        [b"garbage"],
        [message("1")],
        [message("1"), message("2")],
        [b"FHS|^~\\&\rBHS|^~\\&\r" + message("1"), b"BHS|^~\\&\r" + message("2") + b"BTS|1\r"],
        [b"BHS|^~\\&\n" + message("1"), b"FHS|^~\\&\r\nBHS|^~\\&\r\n" + message("2")],
        [message("1", "A", "OBX|MSH|", "OBX|\rMSH"), message("2")],
        [message("1", "A", "OBX|BHS|"), message("2")],
        [b"MSH|^~\\&|a\nPID|1\n", b"MSH#^~\\&#b\n"],
    ],
)
def test_item_137_a_batch_is_split_and_nothing_lost(parts):
    assert split_messages(b"".join(parts)) == parts


def test_a_built_message_is_read_by_the_hl7_library():
    text = "a|b^c~d\\e&f\n"
    content = build(
        [
            [
                "MSH",
                "|",
                "^~\\&",
                "HOST",
                "",
                "APP",
                "",
                "20260102",
                "",
                "OML^O33",
                "1",
                "P",
                "2.5",
            ],
            ["PID", "1", "", "id^^^HOSP~other"],
            ["NTE", "1", "L", escape(text)],
        ]
    )
    theirs = hl7.parse(content.decode())
    assert str(theirs.segment("PID")[3][1][0]) == "other"
    assert str(theirs.segment("NTE")[3]) == "a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f\\X0A\\"
    assert theirs.unescape(str(theirs.segment("NTE")[3])) == text
    assert parse(content).first("NTE").value(3) == text
    assert acknowledge(read_header(content), "AA", Stamp("2", "")).endswith(b"MSA|AA|1\r")


@pytest.mark.parametrize("field", ["a|b", "a\rb", "a\nb", "a\x0bb", "a\x1cb"])
def test_a_field_that_would_end_something_is_not_built(field):
    with pytest.raises(LocalProtocolError):
        build([["MSH", "|", "^~\\&"], ["NTE", field]])


def test_a_character_that_the_set_does_not_have_is_not_built():
    with pytest.raises(LocalProtocolError):
        build([["MSH", "|", "^~\\&"], ["NTE", "ł"]], codec="latin-1")


FIELD = st.text(
    st.characters(codec="utf-8", exclude_characters="|\r\n\x0b\x1c"), max_size=8
) | st.sampled_from(["", "a^b", "a&b~c", '""', "\\F\\"])
NAME = st.from_regex(r"[A-Z][A-Z0-9]{2}", fullmatch=True).filter(
    lambda name: name not in ("MSH", "FHS", "BHS")
)
SEGMENTS = st.lists(st.tuples(NAME, st.lists(FIELD, min_size=1, max_size=5)), max_size=5)


@given(SEGMENTS)
def test_what_is_built_is_parsed_again(segments):
    lines = [["MSH", "|", "^~\\&", "APP"], *([name, *fields] for name, fields in segments)]
    content = build(lines)
    found = parse(content)
    assert [each.fields for each in found.segments] == lines
    assert found.problems == []
    assert build([each.fields for each in found.segments]) == content


@given(st.binary(max_size=200), st.sampled_from(["", "UNICODE", "~ISO IR87", "GBK", "8859/1"]))
def test_any_bytes_are_parsed_and_nothing_raised(data, charset):
    content = message("1", charset=charset) + data
    for found in (parse(data), parse(content)):
        for each in found.segments:
            for position in range(len(each.fields)):
                assert each.value(position).encode("utf-8") is not None
                each.value(position, 1)
                each.presence(position)
    assert b"".join(split_messages(content)) == content


@pytest.mark.parametrize(
    ("name", "segments", "problems"),
    [
        ("hl7/genexpert_oru_r32.hl7", 31, []),
        ("hl7/genexpert_qbp_z03.hl7", 3, []),
        ("hl7/genexpert_qcn_j01.hl7", 2, []),
        ("hl7/mindray_bc5380.hl7", 69, ["line_feed"]),
        ("synthetic/abbott-architect-result.hl7", 6, ["line_feed"]),
    ],
)
def test_captures_are_read(captures, name, segments, problems):
    content = (captures / name).read_bytes()
    found = parse(content)
    assert len(found.segments) == segments
    assert [problem.code for problem in found.problems] == problems
    assert read_header(content).control_id
