"""Orders as HL7 messages, by form."""

import re
from collections.abc import Callable
from itertools import count

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.hl7.compose import compose_answer, compose_cancel, compose_push, compose_unable
from drivers.hl7.fates import read_fates
from drivers.orders import Answer, Order, OrderFate
from drivers.profile import Hl7Profile, ProfileError, load
from drivers.result import Patient
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.dialect import Dialect
from protocols.hl7.header import read_header
from protocols.hl7.message import Message, parse

PATIENT = Patient(("P1",), "Doe Jane", "1980-01-02", "F")
FIRST = Order(order_id="w1", sample_id="S1", codes=("GLU", "ALT"), patient=PATIENT, priority="S")
RERUN = Order(order_id="w2", sample_id="S1", codes=("ALT",), rerun_number=1, parent_id="w1")
OTHER = Order(order_id="w3", sample_id="S2", codes=("NA",))

QRY = """MSH|^~\\&|Mindray|BS|||20260520115959||QRY^Q02|4|P|2.3.1||||||ASCII
QRD|20260520115959|R|D|2|||RD|S1|OTH|||T
QRF|BS|20260520000000|20260520235959|||RCT|COR|ALL"""

QBP = """MSH|^~\\&|AM|Lab|LIS|Here|20260520115959||QBP^Q11^QBP_Q11|4|P|2.5.1|||NE|AL||UNICODE UTF-8
QPD|WOS^Work Order Step^IHE_LABTF|tag7|S1
RCP|I||R"""

BACK = "MSH|^~\\&|LIS|Here|AM|Lab|20260520120000||"


@pytest.fixture
def stamp() -> Callable[[], Stamp]:
    """Control ids R1, R2 ... at one time."""
    numbers = count(1)
    return lambda: Stamp(f"R{next(numbers)}", "20260520120000")


def hl7_profile(name: str) -> Hl7Profile:
    profile = load(name)
    assert isinstance(profile, Hl7Profile)
    return profile


def question(text: str) -> Message:
    return parse(text.replace("\n", "\r").encode())


def lines(content: bytes | None) -> list[str]:
    assert content is not None
    return content.decode().split("\r")[:-1]


def texts(answer: Answer) -> list[list[str]]:
    return [lines(content) for message in answer.messages for content in message.texts]


@pytest.mark.conformance(150)
def test_a_query_is_answered_by_its_acknowledgment_and_a_display_message_per_sample(stamp):
    profile = hl7_profile("mindray-bs")
    answer = compose_answer(
        profile, question(QRY), [FIRST, OTHER, RERUN], missing=["S9"], stamp=stamp
    )
    assert lines(answer.reply) == [
        "MSH|^~\\&|||Mindray|BS|20260520120000||QCK^Q02|R1|P|2.3.1||||||ASCII",
        "MSA|AA|4|Message accepted|||0",
        "ERR|0",
        "QAK|SR|OK",
    ]
    one, other = texts(answer)
    assert [line for line in one if not line.startswith("DSP")] == [
        "MSH|^~\\&|||Mindray|BS|20260520120000||DSR^Q03|R2|P|2.3.1||||||ASCII",
        "MSA|AA|4|Message accepted|||0",
        "ERR|0",
        "QAK|SR|OK",
        "QRD|20260520115959|R|D|2|||RD|S1|OTH|||T",
        "QRF|BS|20260520000000|20260520235959|||RCT|COR|ALL",
        "DSC|1",
    ]
    assert "DSP|21||S1||" in one
    assert one[-3:-1] == ["DSP|29||GLU^^^||", "DSP|30||ALT^^^||"]
    assert other[-2:] == ["DSP|29||NA^^^||", "DSC|"]
    assert [message.order_ids for message in answer.messages] == [("w1", "w2"), ("w3",)]


@pytest.mark.conformance(150)
def test_a_query_without_orders_is_answered_not_found_and_nothing_follows(stamp):
    profile = hl7_profile("mindray-bs")
    answer = compose_answer(profile, question(QRY), [], missing=["S1"], stamp=stamp)
    assert lines(answer.reply)[1:] == ["MSA|AA|4|Message accepted|||0", "ERR|0", "QAK|SR|NF"]
    assert answer.messages == ()


def test_a_display_query_that_can_not_be_answered_now_is_answered_with_an_error(stamp):
    answer = compose_unable(hl7_profile("mindray-bs"), question(QRY), stamp=stamp)
    assert lines(answer.reply)[1:] == [
        "MSA|AE|4|Application internal error|||207",
        "ERR|207",
        "QAK|SR|AE",
    ]
    assert answer.messages == ()


@pytest.mark.conformance(155, 160)
def test_a_work_query_is_acknowledged_and_each_test_is_a_step_of_its_own(stamp):
    answer = compose_answer(
        hl7_profile("generic-hl7"), question(QBP), [FIRST, RERUN], missing=[], stamp=stamp
    )
    assert lines(answer.reply) == [
        f"{BACK}RSP^K11^RSP_K11|R1|P|2.5.1||||||UNICODE UTF-8|||LAB-27^IHE",
        "MSA|AA|4",
        "QAK|tag7|OK|WOS^Work Order Step^IHE_LABTF",
        "QPD|WOS^Work Order Step^IHE_LABTF|tag7|S1",
    ]
    assert texts(answer) == [
        [
            f"{BACK}OML^O33^OML_O33|R2|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-28^IHE",
            "PID|||P1||Doe Jane||19800102|F",
            'SPM|1|S1||""|||||||P^^HL70369',
            "SAC|||S1",
            "ORC|NW||||||||20260520120000",
            "TQ1|||||||||S^^HL70485",
            "OBR||w1.GLU||GLU",
            "ORC|NW||||||||20260520120000",
            "TQ1|||||||||S^^HL70485",
            "OBR||w1.ALT||ALT",
            "ORC|NW||||||||20260520120000",
            "TQ1|||||||||R^^HL70485",
            "OBR||w2.ALT||ALT" + "|" * 25 + "w1.ALT",
        ]
    ]


@pytest.mark.conformance(156)
def test_a_sample_without_work_gets_a_negative_query_response(stamp):
    answer = compose_answer(
        hl7_profile("generic-hl7"), question(QBP), [], missing=["S1"], stamp=stamp
    )
    assert lines(answer.reply)[2].startswith("QAK|tag7|OK|")
    assert texts(answer)[0][1:] == [
        'SPM|1|||""|||||||U^^HL70369',
        "SAC|||S1",
        "ORC|DC||||||||20260520120000",
    ]


def test_a_work_query_that_can_not_be_answered_now_is_answered_with_an_error(stamp):
    answer = compose_unable(hl7_profile("generic-hl7"), question(QBP), stamp=stamp)
    assert lines(answer.reply)[1:4] == [
        "MSA|AE|4",
        "ERR|||207^Application internal error^HL70357|E",
        "QAK|tag7|AE|WOS^Work Order Step^IHE_LABTF",
    ]


@pytest.mark.conformance(158)
def test_steps_are_cancelled_under_the_ids_they_were_ordered_with(stamp):
    (cancelled,) = compose_cancel(hl7_profile("generic-hl7"), [OTHER], stamp=stamp)
    assert lines(cancelled.texts[0])[3:] == [
        "ORC|CA||||||||20260520120000",
        "TQ1|||||||||R^^HL70485",
        "OBR||w3.NA||NA",
    ]


def test_orders_are_pushed_a_sample_a_message(stamp):
    pushed = compose_push(hl7_profile("generic-hl7"), [FIRST, OTHER, RERUN], stamp=stamp)
    assert [message.order_ids for message in pushed] == [("w1", "w2"), ("w3",)]


@pytest.mark.conformance(158, 159)
def test_a_response_is_read_step_by_step():
    response = question(
        """MSH|^~\\&|AM|Lab|LIS|Here|20260520120001||ORL^O34^ORL_O42|9|P|2.5.1
MSA|AA|R2
SPM|1|S1&LIS||SER^^HL70487|||||||P^^HL70369
SAC|||S1
ORC|OK|w1.GLU|||SC
ORC|UA|w1.ALT|||CA
ORC|CR|w0.NA|||CA
ORC|UC|w0.K|||IP
ORC|DC"""
    )
    assert read_fates(response, hl7_profile("generic-hl7")) == [
        OrderFate(True, "w1", "S1", "GLU"),
        OrderFate(False, "w1", "S1", "ALT", "unable to accept"),
        OrderFate(False, "w0", "S1", "NA", "canceled as requested"),
        OrderFate(True, "w0", "S1", "K", "unable to cancel"),
    ]


def test_a_display_query_of_the_standard_is_answered_validly(make_hl7_profile, stamp):
    asked = question(
        """MSH|^~\\&|AM|Lab|LIS|Here|20260520115959||QRY^Q02|4|P|2.3.1
QRD|20260520115959|R|D|1|||1^RD|S1|OTH|RES|T"""
    )
    profile = make_hl7_profile('[order]\nuse = "query"\nform = "dsr"\n')
    answer = compose_answer(profile, asked, [FIRST], missing=[], stamp=stamp)
    assert answer.reply is not None
    shown = answer.messages[0].texts[0].split(b"\r")
    said = b"\r".join(line for line in shown if not line.endswith(b"||||"))  # DSP-3 is required
    for content in (answer.reply, said):
        found = parse_message(content.decode(), validation_level=VALIDATION_LEVEL.STRICT)
        assert found.validate()


@pytest.mark.conformance(157)
def test_a_query_for_all_is_answered_for_every_sample(stamp):
    asked = question(QBP.replace("WOS^", "WOS_ALL^").replace("|tag7|S1", "|tag7"))
    answer = compose_answer(
        hl7_profile("generic-hl7"), asked, [FIRST, OTHER], missing=[], stamp=stamp
    )
    assert lines(answer.reply)[-1] == "QPD|WOS_ALL^Work Order Step^IHE_LABTF|tag7"
    assert [message.order_ids for message in answer.messages] == [("w1",), ("w3",)]


@pytest.mark.conformance(151)
def test_a_work_list_request_is_answered_with_the_mode_of_all_tests_once(stamp):
    asked = question(
        """MSH|^~\\&|BC-5380|Mindray|||20260520115959||ORM^O01|7|P|2.3.1||||||UNICODE
ORC|RF||S1||IP"""
    )
    profile = hl7_profile("mindray-bc")
    orders = [
        Order(order_id="w1", sample_id="S1", codes=("CBC+DIFF",)),
        Order(order_id="w2", sample_id="S1", codes=("CBC", "RET"), patient=PATIENT),
    ]
    answer = compose_answer(profile, asked, orders, missing=[], stamp=stamp)
    assert lines(answer.reply)[-1] == "OBX|1|IS|08003^Test Mode^99MRC||CBC+DIFF+RET||||||F"
    assert answer.order_ids == ("w1", "w2")
    nothing = compose_answer(profile, asked, [], missing=["S1"], stamp=stamp)
    assert lines(nothing.reply)[1:] == ["MSA|AR|7|Unknown key identifier"]


@pytest.mark.conformance(150)
def test_what_ends_a_query_is_acknowledged_as_any_other_message(stamp):
    asked = question(QRY.replace("|S1|OTH", "||CAN"))
    profile = hl7_profile("mindray-bs")
    assert compose_answer(profile, asked, [FIRST], missing=[], stamp=stamp) == Answer()
    assert compose_unable(profile, asked, stamp=stamp) == Answer()


NO_HEADER = parse(b"QRD|20260520115959")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        pytest.param("horiba-yumizen-hl7", question(QBP), id="a profile without orders"),
        pytest.param("generic-hl7", question(QBP.replace("Q11", "Q22")), id="another query"),
        pytest.param("generic-hl7", NO_HEADER, id="no header"),
    ],
)
def test_a_question_without_a_form_is_acknowledged_as_any_other_message(name, asked, stamp):
    profile = hl7_profile(name)
    assert compose_answer(profile, asked, [FIRST], missing=["S2"], stamp=stamp) == Answer()
    assert compose_unable(profile, asked, stamp=stamp) == Answer()


def test_an_instrument_that_takes_none_gets_no_order_that_it_did_not_ask_for(stamp):
    for name in ("mindray-bs", "horiba-yumizen-hl7"):
        assert compose_push(hl7_profile(name), [FIRST], stamp=stamp) == ()
        assert compose_cancel(hl7_profile(name), [FIRST], stamp=stamp) == ()


def test_a_form_without_a_message_for_it_sends_nothing(make_hl7_profile, stamp):
    profile = make_hl7_profile('[order]\nuse = ["push", "cancel"]\nform = "orr"\n')
    assert compose_push(profile, [FIRST], stamp=stamp) == ()
    assert compose_cancel(profile, [FIRST], stamp=stamp) == ()
    assert compose_answer(profile, question(QRY), [], missing=[], stamp=stamp) == Answer()


def test_a_selection_without_orders_is_acknowledged_where_the_profile_says_so(stamp):
    asked = question("MSH|^~\\&|X3||Lis||20260520115959||TSREQ|1|P|2.5\nQPD|TSREQ||S1")
    answer = compose_answer(
        hl7_profile("snibe-maglumi-hl7"), asked, [], missing=["S1"], stamp=stamp
    )
    assert answer == Answer()


def test_a_query_without_parameters_is_answered_all_the_same(stamp):
    asked = question("MSH|^~\\&|AM||LIS||20260520115959||QBP^Q11|4|P|2.5.1")
    answer = compose_answer(hl7_profile("generic-hl7"), asked, [], missing=[], stamp=stamp)
    assert lines(answer.reply)[1:] == ["MSA|AA|4", "QAK||OK", "QPD"]


def test_an_answer_takes_separators_version_and_processing_id_of_the_question(stamp):
    text = QBP.replace("|", "$").replace("^", "!").replace("MSH$!~\\&", "MSH$!~*%#")
    asked = question(text.replace("2.5.1", "2.6").replace("$P$", "$T$"))
    answer = compose_answer(hl7_profile("generic-hl7"), asked, [FIRST], missing=[], stamp=stamp)
    first = texts(answer)[0]
    assert first[0].startswith("MSH$!~*%#$LIS$Here$AM$Lab$20260520120000$$OML!O33!OML_O33$R2$T$2.6")
    assert 'SPM$1$S1$$""$$$$$$$P!!HL70369' in first


OVERLAYS = """
[order]
use = "query"
form = "law"
join = ""
version = "2.5.1"
[order.fields]
"OBR.4" = "{code}^{codes}^L~{priority}&{registered_at}"
"OBR.13" = "run {rerun_number} ({order_id} of {parent_id})"
[order.rerun_fields]
"OBR.11" = "G"
[order.values]
priority = { "" = "none", stat = "1", "*" = "2" }
"""


def test_fields_are_templates_and_reruns_have_their_own(make_hl7_profile, stamp):
    orders = [
        Order(order_id="w1", sample_id="S1", codes=("A",), registered_at="2026-05-20T11:00:00.5Z"),
        Order(
            order_id="w2",
            sample_id="S1",
            codes=("B",),
            rerun_number=2,
            parent_id="w1",
            priority="STAT",
        ),
        Order(order_id="w3", sample_id="S1", codes=("C",), priority="soon"),
    ]
    answer = compose_answer(
        make_hl7_profile(OVERLAYS), question(QBP), orders, missing=[], stamp=stamp
    )
    obr = [line for line in texts(answer)[0] if line.startswith("OBR")]
    assert obr == [
        "OBR||w1.A||A^A^L~none&20260520110000|||||||||run 0 (w1 of )",
        "OBR||w2.B||B^B^L~1&|||||||G||run 2 (w2 of w1)" + "|" * 16 + "w1.B",
        "OBR||w3.C||C^C^L~2&|||||||||run 0 (w3 of )",
    ]


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ('use = []\nform = "law"', "at least 1"),
        ('use = "query"\nform = "other"', "law"),
        ('use = "query"\nform = "law"\nfields = { "OBX.3" = "x" }', "'OBX.3'"),
        ('use = "query"\nform = "law"\nreply = { "MSH" = "x" }', "'MSH'"),
        ('use = "query"\nform = "law"\nfields = { "OBR.4" = "{cod}" }', "'cod'"),
        ('use = "query"\nform = "law"\nfields = { "OBR.4" = "{}" }', "''"),
        ('use = "query"\nform = "law"\nfields = { "OBR.4" = "a|b" }', "'|b'"),
        ('use = "query"\nform = "law"\nfields = { "OBR.4" = "a^}" }', "'}'"),
        ('use = "query"\nform = "law"\nfields = { "OBR.4" = 4 }', "4"),
    ],
)
def test_a_wrong_order_table_is_told(make_hl7_profile, order, problem):
    with pytest.raises(ProfileError, match=re.escape(problem)):
        make_hl7_profile(f"[order]\n{order}\n")


def test_what_the_character_set_does_not_have_is_replaced(stamp):
    asked = question(QRY.replace("||||||ASCII", "||||||8859/1"))
    patient = Patient(("P1",), "Zoë 漢\ud800")
    order = Order(order_id="w1", sample_id="S1", codes=("µ",), patient=patient)
    answer = compose_answer(hl7_profile("mindray-bs"), asked, [order], missing=[], stamp=stamp)
    content = answer.messages[0].texts[0]
    assert b"DSP|3||Zo\xeb ??||" in content
    assert b"|8859/1" in content
    assert b"DSP|29||\xb5^^^||" in content


def test_an_instrument_that_reads_utf16_escapes_is_told_every_character(stamp):
    asked = question(
        "MSH|^~\\&|GX^GeneXpert^6||LIS||20260520115959||QBP^Z03|4|P|2.5\nQPD|Z03|t||S1"
    )
    profile = hl7_profile("cepheid-genexpert-hl7")
    asked.coding = asked.coding._replace(codec="latin-1")
    order = Order(order_id="w1", sample_id="S1", codes=("1",), patient=Patient((), "Zoë 漢😀"))
    answer = compose_answer(profile, asked, [order], missing=[], stamp=stamp)
    assert b"Zo\xeb \\Z6F22\\\\ZD83DDE00\\" in (answer.reply or b"")


TEXT = st.text(min_size=1, max_size=12)


@given(code=TEXT, sample_id=TEXT, name=TEXT, codec=st.sampled_from(["utf-8", "latin-1", "gb18030"]))
@pytest.mark.parametrize(("name_of_profile", "asked"), [("mindray-bs", QRY), ("generic-hl7", QBP)])
def test_nothing_in_an_order_breaks_a_message(name_of_profile, asked, code, sample_id, name, codec):
    message = question(asked)
    message.coding = message.coding._replace(codec=codec)
    order = Order(order_id="w1", sample_id=sample_id, codes=(code,), patient=Patient(("P",), name))
    answer = compose_answer(
        hl7_profile(name_of_profile), message, [order], missing=[], stamp=lambda: Stamp("1", "2")
    )
    plain = compose_answer(
        hl7_profile(name_of_profile),
        message,
        [Order(order_id="w1", sample_id="S", codes=("C",), patient=Patient(("P",), "N"))],
        missing=[],
        stamp=lambda: Stamp("1", "2"),
    )
    content = answer.messages[0].texts[0]
    found = parse(content, Dialect(encoding=codec, trust_charset=False))
    expected = parse(plain.messages[0].texts[0])
    assert [each.type for each in found.segments] == [each.type for each in expected.segments]
    assert found.problems == []
    obr = found.first("OBR")
    if obr is not None and codec != "latin-1":
        assert obr.value(4) == code


QUESTIONS = [
    ("mindray-bs", "QRY^Q02", "QRD|{0}||||||{1}|S1|{2}"),
    ("mindray-bc", "ORM^O01", "ORC|RF||{0}||{1}"),
    ("generic-hl7", "QBP^Q11", "QPD|{0}|{1}|{2}"),
    ("roche-cobas-pro", "QBP^Q11", "QPD|{0}|{1}|S1|||{2}|||||{0}|{1}"),
    ("roche-cobas-8000", "TSREQ", "QPD|{0}|{1}|S1||||{2}|||{0}|{1}"),
    ("cepheid-genexpert-hl7", "QBP^Z03", "QPD|{0}|{1}||{2}"),
]


@settings(max_examples=30)
@given(
    parts=st.lists(
        st.text(st.characters(blacklist_characters="|\r", blacklist_categories=["Cs"])),
        min_size=3,
        max_size=3,
    )
)
@example(parts=["^~\\&\n", "\x0b\x1cA\nQPD", '""'])
@pytest.mark.parametrize(("name", "event", "segment"), QUESTIONS, ids=[q[0] for q in QUESTIONS])
def test_nothing_in_a_question_breaks_its_answer(name, event, segment, parts):
    text = "MSH|^~\\&|{0}||{1}|||{2}|" + event + "|{1}|P|2.5.1\r" + segment
    profile = hl7_profile(name)
    asked = parse(text.format(*parts).encode(), profile.dialect)
    numbers = count(1)

    def stamp() -> Stamp:
        return Stamp(str(next(numbers)), "20260520120000")

    for answer in (
        compose_answer(profile, asked, [FIRST], missing=["S2"], stamp=stamp),
        compose_unable(profile, asked, stamp=stamp),
    ):
        contents = [content for message in answer.messages for content in message.texts]
        for content in filter(None, [answer.reply, *contents]):
            header = read_header(content, profile.dialect)
            assert header is not None
            assert header.control_id


GENEXPERT_REFUSAL = """MSH|^~\\&|GX^GeneXpert^6||LIS||20260520120001||ORU^R32^ORU_R30|9|P|2.5
PID|1||P1
ORC|OC|1|||||||20260520120000
OBR|1|||CTNG|||||||||||||||||||||X
NTE|1|L|Error^DuplicatedTest^Duplicated test order
TQ1|||||||||R
SPM|1|S1^I7||ORH|||||||P
ORC|RE|2
OBR|2|||FLU|||||||||||||||||||||F
SPM|2|S2||ORH|||||||P"""


def test_a_refusal_of_genexpert_is_a_cancelled_result():
    assert read_fates(question(GENEXPERT_REFUSAL), hl7_profile("cepheid-genexpert-hl7")) == [
        OrderFate(False, None, "S1", "CTNG", "DuplicatedTest: Duplicated test order")
    ]
    assert read_fates(question(GENEXPERT_REFUSAL), hl7_profile("generic-hl7")) == []


RESPONSES = [
    ("nothing but MSA", "MSA|AR|R2|Unknown specimen", []),
    (
        "why not, for the message",
        "MSA|AE|R2|Some are refused\nERR|||204^Unknown key^HL70357|E\nORC|UA|w1.A\nORC|OK|w1.B",
        [OrderFate(False, "w1", None, "A", "Unknown key"), OrderFate(True, "w1", None, "B")],
    ),
    (
        "in MSA-3",
        "MSA|AE|R2|No reagent\nORC|UA|w1.A",
        [OrderFate(False, "w1", None, "A", "No reagent")],
    ),
    (
        "ids in OBR, and none at all",
        'MSA|AA|R2\nPID|1\nSPM|1|S\\T\\1\nORC|OK|""\nOBR|1|w1.A.1||A.1^x\nORC|OK||||SC',
        [OrderFate(True, "w1", "S&1", "A.1"), OrderFate(True, None, "S&1")],
    ),
]


@pytest.mark.conformance(159, 161)
@pytest.mark.parametrize(
    ("segments", "fates"), [each[1:] for each in RESPONSES], ids=[each[0] for each in RESPONSES]
)
def test_a_response_is_read_whatever_it_leaves_out(segments, fates):
    header = "MSH|^~\\&|AM|Lab|LIS|Here|20260520120001||ORL^O34^ORL_O34|9|P|2.5.1\n"
    assert read_fates(question(header + segments), hl7_profile("generic-hl7")) == fates


def test_what_is_no_response_says_nothing_of_orders():
    assert read_fates(NO_HEADER, hl7_profile("generic-hl7")) == []
    assert read_fates(question(QBP), hl7_profile("generic-hl7")) == []
    assert read_fates(question(QBP), hl7_profile("horiba-yumizen-hl7")) == []


def test_an_instrument_that_is_told_no_ids_names_the_sample(make_hl7_profile):
    profile = make_hl7_profile('[order]\nuse = "query"\nform = "orr"\n')
    response = question(
        "MSH|^~\\&|AM||||20260520120001||ORR^O02|9|P|2.3.1\nMSA|AA|R2\nORC|OK|7\nOBR|1|7||CBC"
    )
    assert read_fates(response, profile) == [OrderFate(True, None, None, "CBC")]
