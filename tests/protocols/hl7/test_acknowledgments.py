"""Section J of the conformance list: what a message is answered."""

import hl7
import pytest

from protocols.errors import LocalProtocolError
from protocols.hl7.acknowledgment import Condition, Stamp, acknowledge
from protocols.hl7.dialect import Dialect
from protocols.hl7.events import MessageReceived, ReplyTimedOut
from protocols.hl7.header import BLANK, identify, read_header
from protocols.hl7.message import parse
from protocols.hl7.mllp import CR, FS, VT, unframe
from tests.protocols.hl7.samples import block, message

STAMP = Stamp("H1", "20260102030405")


def answer(written: bytes):
    """Return the only message in what was written, parsed."""
    (found,) = unframe(written)
    return parse(found.content)


@pytest.mark.conformance(125, 126)
@pytest.mark.parametrize(
    ("accept", "application", "stored", "refused"),
    [
        ("", "", ["AA 7"], ["AE 7"]),
        ("AL", "", ["CA 7"], ["CE 7"]),
        ("AL", "NE", ["CA 7"], ["CE 7"]),
        ("AL", "AL", ["CA 7", "AA 7"], ["CE 7"]),
        ("NE", "AL", ["AA 7"], ["AE 7"]),
        ("", "AL", ["AA 7"], ["AE 7"]),
        ("NE", "NE", [], []),
        ("NE", "", [], []),
        ("ER", "ER", [], ["CE 7"]),
        ("ER", "NE", [], ["CE 7"]),
        ("NE", "ER", [], ["AE 7"]),
        ("SU", "SU", ["CA 7", "AA 7"], []),
        ("SU", "ER", ["CA 7"], ["AE 7"]),
        ("ER", "SU", ["AA 7"], ["CE 7"]),
    ],
)
def test_items_125_and_126_both_modes(make_host, codes, accept, application, stored, refused):
    wire = block("7", accept=accept, application=application)
    assert codes(make_host().receive(wire)) == stored
    host = make_host()
    host.storing = False
    host.receive(wire)
    assert codes(host.refuse()) == refused
    assert host.session.is_neutral


@pytest.mark.conformance(126)
@pytest.mark.parametrize(
    ("switch", "expected"), [("as_asked", ["CA 7"]), ("original", ["AA 7"]), ("none", [])]
)
def test_item_126_a_link_may_know_better_what_is_awaited(make_host, codes, switch, expected):
    host = make_host(acknowledgment=switch)
    assert codes(host.receive(block("7", accept="AL", application="NE"))) == expected


@pytest.mark.conformance(127)
def test_item_127_ca_and_aa_follow_the_commit(make_host, codes):
    host = make_host()
    host.storing = False
    assert host.receive(block("7", accept="AL", application="AL")) == b""
    assert codes(host.accept()) == ["CA 7"]
    assert host.accept() == b""
    assert codes(host.acknowledge()) == ["AA 7"]


@pytest.mark.conformance(128)
@pytest.mark.parametrize(
    ("kind", "version", "processing", "expected"),
    [
        ("ORU^R01", "2.5.1", "P", None),
        ("QRY^Q02", "2.5.1", "P", None),
        ("ADT^A01", "2.5.1", "P", Condition.UNSUPPORTED_TYPE),
        ("ORU^R30", "2.5.1", "P", Condition.UNSUPPORTED_EVENT),
        ("ORU^R01", "2.5.1", "D", Condition.UNSUPPORTED_PROCESSING_ID),
        ("ORU^R01", "2.9", "P", Condition.UNSUPPORTED_VERSION),
    ],
)
def test_item_128_what_the_link_does_not_take_is_stored_and_rejected(
    make_host, codes, kind, version, processing, expected
):
    taken = {
        "message_types": frozenset({"ORU^R01", "QRY"}),
        "versions": frozenset({"2.5.1"}),
        "processing_ids": frozenset({"P", "Q"}),
    }
    host = make_host(**taken)
    written = host.receive(block("7", kind, version=version, processing=processing))
    (event,) = host.told(MessageReceived)
    assert event.condition is expected
    assert codes(written) == ["AA 7" if expected is None else "AR 7"]
    if expected is not None:
        assert answer(written).first("ERR").component(3, 1) == str(expected.number)


@pytest.mark.conformance(128)
def test_item_128_a_rejection_in_enhanced_mode_is_cr_and_all(make_host, codes):
    host = make_host(message_types=frozenset({"ORU"}))
    wire = block("7", "ADT^A01", accept="AL", application="AL")
    host.storing = False
    host.receive(wire)
    assert codes(host.accept()) == ["CR 7"]
    assert host.session.is_neutral


@pytest.mark.conformance(128)
@pytest.mark.parametrize("condition", Condition)
def test_item_128_a_stored_message_may_be_answered_with_any_condition(make_host, codes, condition):
    host = make_host()
    host.storing = False
    host.receive(block("7", accept="AL", application="AL"))
    written = host.acknowledge(condition=condition)
    assert codes(written) == ["CA 7", "AR 7" if 200 <= condition.number <= 203 else "AE 7"]


@pytest.mark.conformance(128)
@pytest.mark.parametrize(
    ("version", "condition", "expected"),
    [
        ("2.3.1", Condition.UNSUPPORTED_EVENT, "ERR|MSH^1^9^201&Unsupported event code&HL70357"),
        ("2.4", Condition.DATA_TYPE, "ERR|^^^102&Data type error&HL70357"),
        ("", Condition.DATA_TYPE, "ERR|^^^102&Data type error&HL70357"),
        (
            "2.5",
            Condition.UNSUPPORTED_VERSION,
            "ERR||MSH^1^12|203^Unsupported version id^HL70357|E",
        ),
        ("2.6^DEU", Condition.INTERNAL, "ERR|||207^Application internal error^HL70357|E"),
    ],
)
def test_item_128_the_error_segment_is_that_of_the_version(version, condition, expected):
    header = read_header(message("7", version=version))
    text = acknowledge(header, "AE", STAMP, condition=condition)
    assert text.split(CR)[2].decode() == expected


@pytest.mark.conformance(129)
@pytest.mark.parametrize(
    ("inbound", "outbound"),
    [
        (
            b"MSH|^~\\&|APP|FAC|HOST|LAB|20260101||ORU^R01|a^b&c|T^A|2.3.1||||||8859/1\r",
            (
                b"MSH|^~\\&|HOST|LAB|APP|FAC|20260102030405||ACK^R01|H1|T^A|2.3.1||||||8859/1\r"
                b"MSA|AA|a^b&c\r"
            ),
        ),
        (
            b"MSH|^~\\&|APP^x|||||||ORU^R01^ORU_R01|7|P|2.5\r".replace(b"|||||||", b"||||||"),
            b"MSH|^~\\&|||APP^x||20260102030405||ACK^R01^ACK|H1|P|2.5\rMSA|AA|7\r",
        ),
        (
            b"MSH#!`$*#APP#####\x23ORU!R32#7\r",
            b"MSH#!`$*###APP##20260102030405##ACK!R32#H1#P#2.3.1\rMSA#AA#7\r",
        ),
        (
            b"MSH|^~\\&|APP||||||QRY|7||\r",
            b"MSH|^~\\&|||APP||20260102030405||ACK|H1|P|2.3.1\rMSA|AA|7\r",
        ),
    ],
    ids=["v2.3.1", "structure", "separators", "no event"],
)
def test_item_129_the_answer_mirrors_the_header(inbound, outbound):
    assert acknowledge(read_header(inbound), "AA", STAMP) == outbound


@pytest.mark.conformance(129)
@pytest.mark.parametrize(
    ("charset", "raw"),
    [
        ("", b"\xe9\xff7"),
        ("8859/1", b"\xe9\xff7"),
        ("UNICODE UTF-8", "é7".encode()),
        ("GB 18030-2000", "检验".encode("gb18030") + b"\xff"),
        ("GB 18030-2000", b"\x81"),
        ("~ISO IR87", b"\x1b$B8!::\x1b(B7"),
        ("~ISO IR87", b"\x1b$B\x1b(B\x1b$B8!\x1b(B"),
        ("BIG-5", b"\xa1\xc3\xa1\xc5"),
    ],
)
def test_item_129_the_control_id_comes_back_byte_for_byte(charset, raw):
    inbound = message("@", charset=charset).replace(b"@", raw)
    assert raw in acknowledge(read_header(inbound), "AA", STAMP).split(CR)[1]


@pytest.mark.conformance(129)
def test_item_129_the_hl7_library_reads_the_answer(host):
    written = host.receive(block("7", "ORU^R01^ORU_R01", charset="UNICODE UTF-8"))
    (found,) = unframe(written)
    theirs = hl7.parse(found.content.decode())
    assert str(theirs.segment("MSA")[2]) == "7"
    assert str(theirs.segment("MSH")[9]) == "ACK^R01^ACK"
    assert str(theirs.segment("MSH")[5]) == "ANALYZER"


@pytest.mark.conformance(130)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (message(""), ["AE"]),
        (message("", accept="AL"), ["CE"]),
        (b"PID|1\rOBX|1\r", ["AE"]),
        (b"garbage", ["AE"]),
        (b"MSH", ["AE"]),
        (b"MSHxyz", ["AE"]),
        (b"MSH|^~\\&\r", ["AE"]),
        (b"MSA|AA|1\r", []),
        (message("", "ACK", "MSA|AA|1"), []),
    ],
)
def test_item_130_without_control_id_there_is_never_aa(host, codes, content, expected):
    assert codes(host.receive(VT + content + FS + CR)) == expected
    assert all(e.condition is Condition.REQUIRED_FIELD for e in host.told(MessageReceived))


@pytest.mark.conformance(131)
@pytest.mark.parametrize("kind_of_result", ["0", "1", "2"])
def test_item_131_mindrays_kind_of_result_is_no_acknowledgment_type(host, codes, kind_of_result):
    assert codes(host.receive(block("7", application=kind_of_result))) == ["AA 7"]


@pytest.mark.conformance(132)
def test_item_132_mindray_gets_the_number_of_the_condition(make_host):
    host = make_host(numeric_condition=True, accepted_text="Message accepted")
    msa = answer(host.receive(block("7"))).first("MSA")
    assert msa.text == "MSA|AA|7|Message accepted|||0"
    host.session.set_ready(False)
    msa = answer(host.receive(block("8"))).first("MSA")
    assert msa.text == "MSA|AE|8|Application internal error|||207"


@pytest.mark.conformance(133)
def test_item_133_an_unknown_character_set_is_answered_aa(host, codes):
    assert codes(host.receive(block("7", charset="KLINGON"))) == ["AA 7"]


@pytest.mark.conformance(135)
def test_item_135_the_same_bytes_again_have_the_same_identity(host, codes):
    assert codes(host.receive(block("7") + block("7"))) == ["AA 7", "AA 7"]
    first, second = host.told(MessageReceived)
    assert first.identity == second.identity


@pytest.mark.conformance(136)
@pytest.mark.parametrize(
    "other",
    [
        message("1", time="20260102030406"),
        message("1", "ORU^R01", "PID|2"),
        message("2"),
    ],
    ids=["later", "another content", "another id"],
)
def test_item_136_a_control_id_alone_is_no_identity(other):
    first = message("1")
    assert identify(read_header(first), first) != identify(read_header(other), other)


@pytest.mark.conformance(137)
def test_item_137_each_message_of_a_batch_is_announced_and_answered(make_host, codes):
    host = make_host()
    host.storing = False
    parts = [
        b"FHS|^~\\&\rBHS|^~\\&|APP\r" + message("1"),
        b"BHS|^~\\&|APP\r" + message("2"),
        message("3") + b"BTS|3\rFTS|1\r",
    ]
    assert host.receive(VT + b"".join(parts) + FS + CR) == b""
    assert codes(host.acknowledge()) == ["AA 1"]
    assert codes(host.refuse()) == ["AE 2"]
    assert codes(host.acknowledge()) == ["AA 3"]
    assert host.contents == parts
    raws = b"".join(event.raw for event in host.told(MessageReceived))
    assert raws == VT + b"".join(parts) + FS + CR


def test_a_query_is_answered_by_its_response(make_host, codes):
    host = make_host()
    host.storing = False
    host.receive(block("7", "QBP^Q11^QBP_Q11"))
    response = message("R1", "RSP^K11", "MSA|AA|7", "QAK|1|OK")
    assert host.accept() == b""
    assert host.acknowledge(response) == VT + response + FS + CR


def test_a_query_in_enhanced_mode_is_accepted_before_its_response(make_host, codes):
    host = make_host()
    host.storing = False
    host.receive(block("7", "QBP^Q11^QBP_Q11", accept="AL", application="AL"))
    response = message("R1", "RSP^K11", "MSA|AA|7", "QAK|1|OK")
    assert codes(host.accept()) == ["CA 7"]
    assert host.acknowledge(response) == VT + response + FS + CR


@pytest.mark.conformance(114)
def test_item_114_a_query_without_answer_in_time_is_an_error_and_no_answer(make_host, codes):
    host = make_host(answer_timeout=10.0)
    host.storing = False
    host.receive(block("7", "QRY^Q02") + block("8", "QRY^Q02"))
    host.accept()
    assert codes(host.wait(10)) == ["AE 7"]
    assert host.told(ReplyTimedOut) == [ReplyTimedOut(host.owed[0], stored=True)]
    host.accept()
    assert codes(host.refuse()) == ["AE 8"]


def test_a_failure_is_told_in_place_of_a_response(make_host, codes):
    host = make_host(message_types=frozenset({"ORU"}))
    host.storing = False
    host.receive(block("7", "QRY^Q02"))
    assert codes(host.acknowledge(message("R1", "QCK^Q02", "MSA|AA|7"))) == ["AR 7"]


def test_a_stamp_with_a_delimiter_is_a_fault_of_ours():
    with pytest.raises(LocalProtocolError):
        acknowledge(BLANK, "AA", Stamp("a|b", ""))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", None),
        (b"MSH|^~\\&|", ""),
        (b"\xef\xbb\xbfMSH|^~\\&|||||||ORU^R01|7\r", "7"),
        (b"FHS|^~\\&\nMSH|^~\\&|||||||ORU^R01|7\n", "7"),
        (b"OBX|MSH|\rMSH|^~\\&|||||||ORU^R01|7", "7"),
        (b"MSH|^~\\\\&|||||||ORU^R01|7\r", "7"),
        (b"MSH|^~\\&#|||||||ORU^R01|7\r", "7"),
        (b"MSH*^~\\&|||||||ORU^R01|7\r", None),
        (b"MSH!!!!!!7\r", None),
    ],
)
def test_the_header_is_found_wherever_a_message_may_begin(content, found):
    header = read_header(content, Dialect(header_backslash=True))
    if found is None:
        assert header is None
    else:
        assert header.control_id == found
