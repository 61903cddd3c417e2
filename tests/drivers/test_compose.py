"""Orders as messages: what stands where, what is escaped, what is said without an order."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from drivers.compose import (
    compose,
    compose_busy,
    compose_cancel,
    compose_unable,
    inexpressible,
)
from drivers.orders import Order, Outgoing
from drivers.profile import AstmProfile, Profile, load
from drivers.result import Patient
from protocols.astm.message import Message, parse

NOW = datetime(2026, 5, 20, 12, 0, 0, tzinfo=ZoneInfo("Europe/Berlin"))
PATIENT = Patient(("P7", "P8"), "Doe Jane", "1970-01-02", "female")

MakeProfile = Callable[..., Profile]


def an_order(sample_id: str = "S1", *codes: str, **members: object) -> Order:
    order_id = f"o-{sample_id}"
    return Order(order_id=order_id, sample_id=sample_id, codes=codes or ("10", "20"), **members)  # type: ignore[arg-type]


def a_question(*records: str, header: str = "H|\\^&|||Ana^1|||||Host||P|1") -> Message:
    (message,) = parse("\r".join((header, *records, "L|1|N", "")).encode("latin-1"))
    return message


SECTION = """
[order]
use = ["query", "push"]
{keys}
[order.fields]
O.3 = "{{sample_id}}"
O.5 = "{{tests}}"
{fields}
"""


def section(keys: str = "", fields: str = "") -> str:
    return SECTION.format(keys=keys, fields=fields)


def lines(outgoing: tuple[Outgoing, ...]) -> list[list[str]]:
    return [b"".join(one.texts).decode("latin-1").split("\r")[:-1] for one in outgoing]


def astm(profile: Profile) -> AstmProfile:
    assert isinstance(profile, AstmProfile)
    return profile


def generic() -> AstmProfile:
    return astm(load("generic-astm"))


def order_field(profile: Profile, order: Order, position: int, asked: Message | None = None) -> str:
    """A field of the first O of the message with an order."""
    (outgoing,) = compose(astm(profile), [order], now=NOW, asked=asked)
    (message,) = parse(b"".join(outgoing.texts), astm(profile).dialect)
    return next(record for record in message.records if record.type == "O").field(position)


@pytest.mark.conformance(108)
def test_a_query_is_answered_with_the_orders_of_its_sample() -> None:
    order = an_order(
        "S1", "10", "20", priority="S", patient=PATIENT, registered_at="2026-05-20T09:00:00Z"
    )
    answer = compose(generic(), [order], now=NOW, asked=a_question("Q|1|^S1||ALL||||||||O"))
    assert lines(answer) == [
        [
            "H|\\^&|||Host|||||Ana^1||P|1|20260520120000",
            "P|1|P7|||Doe Jane||19700102|F",
            "O|1|S1||^^^10\\^^^20|S|20260520110000|||||N||||||||||||||Q",
            "L|1|F",
        ]
    ]
    assert answer[0].order_ids == ("o-S1",)


@pytest.mark.conformance(109)
def test_without_an_order_there_is_no_information() -> None:
    answer = compose(generic(), [], now=NOW, missing=["S1"], asked=a_question("Q|1|^S1"))
    assert lines(answer) == [["H|\\^&|||Host|||||Ana^1||P|1|20260520120000", "L|1|I"]]
    assert answer[0].order_ids == ()


@pytest.mark.conformance(111)
def test_one_message_answers_for_all_samples_asked_for() -> None:
    answer = compose(
        generic(),
        [an_order("S1"), an_order("S2", "30")],
        now=NOW,
        missing=["S3"],
        asked=a_question("Q|1|^S1\\^S2\\^S3"),
    )
    (message,) = lines(answer)
    assert [record[:9] for record in message if record[0] in "PO"] == [
        "P|1",
        "O|1|S1||^",
        "P|2",
        "O|1|S2||^",
    ]
    assert answer[0].order_ids == ("o-S1", "o-S2")


@pytest.mark.conformance(113)
def test_a_question_too_many_is_an_error_in_the_request() -> None:
    answer = compose_busy(generic(), now=NOW, asked=a_question("Q|1|^S2"))
    assert lines(answer)[0][1:] == ["L|1|Q"]


@pytest.mark.conformance(114)
def test_nothing_is_said_when_nothing_can_be_known() -> None:
    assert compose_unable(generic(), now=NOW, asked=a_question("Q|1|^S2")) == ()


def test_an_order_nobody_asked_for_is_pushed() -> None:
    (message,) = lines(compose(generic(), [an_order()], now=NOW))
    assert message == [
        "H|\\^&|||rerund|||||||P|1|20260520120000",
        "P|1",
        "O|1|S1||^^^10\\^^^20|R||||||N||||||||||||||O",
        "L|1|N",
    ]


def test_an_order_is_withdrawn() -> None:
    (message,) = lines(compose_cancel(generic(), [an_order(rerun_number=1)], now=NOW))
    assert message[2] == "O|1|S1||^^^10\\^^^20|R||||||C||||||||||||||O"


@pytest.mark.parametrize(
    ("none", "texts"),
    [
        ("header", [b"H|\\^&\rL|1|I\r"]),
        ("order", [b"H|\\^&\rP|1\rO|1|S9\rL|1|F\r"]),
        ("query", [b"H|\\^&\rQ|1|^S9||||||||||X\rL|1|F\r"]),
        ("session", [b""]),
        ("silence", []),
    ],
)
@pytest.mark.conformance(109)
def test_what_says_that_there_is_no_order_is_the_profiles(
    make_profile: MakeProfile, none: str, texts: list[bytes]
) -> None:
    profile = make_profile(section(f'none = "{none}"', 'Q.3 = "^{sample_id}"\nQ.13 = "X"'))
    answer = compose(astm(profile), [], now=NOW, missing=["S9"], asked=a_question("Q|1|^S9"))
    assert [b"".join(one.texts) for one in answer] == texts


def test_samples_without_an_order_are_named_beside_those_with_one(
    make_profile: MakeProfile,
) -> None:
    asked = a_question("Q|1|^S1\\^S8\\^S9")
    fields = 'Q.3 = "^{sample_id}"'
    for none, records in (
        ("header", ["P|1", "O|1|S1||^^^10\\^^^20"]),
        ("order", ["P|1", "O|1|S1||^^^10\\^^^20", "P|2", "O|1|S8", "P|3", "O|1|S9"]),
        ("query", ["P|1", "O|1|S1||^^^10\\^^^20", "Q|1|^S8", "Q|2|^S9"]),
    ):
        profile = astm(make_profile(section(f'none = "{none}"', fields)))
        (message,) = lines(
            compose(profile, [an_order()], now=NOW, missing=["S8", "S9", "S1", "S8"], asked=asked)
        )
        assert message[1:-1] == records
        assert message[-1] == "L|1|F"


def test_a_profile_may_want_a_message_for_each_sample(make_profile: MakeProfile) -> None:
    profile = astm(make_profile(section('message = "sample"')))
    sent = compose(profile, [an_order("S1"), an_order("S2"), an_order("S1", "30")], now=NOW)
    assert [record[1:-1] for record in lines(sent)] == [
        ["P|1", "O|1|S1||^^^10\\^^^20", "O|2|S1||^^^30"],
        ["P|1", "O|1|S2||^^^10\\^^^20"],
    ]
    assert [one.order_ids for one in sent] == [("o-S1", "o-S1"), ("o-S2",)]


def test_a_record_to_a_frame_and_a_test_to_an_order(make_profile: MakeProfile) -> None:
    profile = make_profile(section('frame = "record"\ntests = "record"', 'C.4 = "{order_id}"'))
    (sent,) = compose(astm(profile), [an_order("S1", "10", "20", "10")], now=NOW)
    assert sent.texts == (
        b"H|\\^&\r",
        b"P|1\r",
        b"O|1|S1||^^^10\r",
        b"C|1||o-S1\r",
        b"O|2|S1||^^^20\r",
        b"C|1||o-S1\r",
        b"L|1|N\r",
    )


def test_nothing_is_said_to_an_instrument_of_results_only(make_profile: MakeProfile) -> None:
    asked = a_question("Q|1|^S1")
    profile = astm(make_profile())
    assert compose(profile, [an_order()], now=NOW, asked=asked) == ()
    assert compose_unable(profile, now=NOW, asked=asked) == ()
    assert compose_busy(profile, now=NOW, asked=asked) == ()
    assert compose_cancel(profile, [an_order()], now=NOW) == ()
    assert inexpressible(profile, [an_order("")]) == ()


def test_orders_go_only_the_way_that_the_instrument_takes_them(make_profile: MakeProfile) -> None:
    asked = a_question("Q|1|^S1")
    text = section()
    asking = astm(make_profile(text.replace('["query", "push"]', '"query"')))
    assert compose(asking, [an_order()], now=NOW) == ()
    assert compose(asking, [an_order()], now=NOW, asked=asked)
    pushed = astm(make_profile(text.replace('["query", "push"]', '"push"')))
    assert compose(pushed, [an_order()], now=NOW)
    assert compose(pushed, [an_order()], now=NOW, asked=asked) == ()
    assert compose(pushed, [], now=NOW, missing=["S1"]) == ()
    assert compose_busy(pushed, now=NOW, asked=asked) == ()
    assert compose_cancel(pushed, [an_order()], now=NOW) == ()


def test_the_profile_says_what_is_said_instead_of_an_answer(make_profile: MakeProfile) -> None:
    asked = a_question("Q|1|^S1")
    profile = astm(make_profile(section('unable = "header"\nbusy = "silence"')))
    assert lines(compose_unable(profile, now=NOW, asked=asked)) == [["H|\\^&", "L|1|E"]]
    assert compose_busy(profile, now=NOW, asked=asked) == ()
    more = '[order.when.unable]\nH.12 = "QB"\nL.3 = "R"\n'
    profile = astm(make_profile(section('unable = "header"', 'L.3 = "N"') + more))
    answer = compose_unable(profile, now=NOW, asked=asked)
    assert lines(answer) == [["H|\\^&||||||||||QB", "L|1|R"]]
    answer = compose(profile, [], now=NOW, asked=asked)
    assert lines(answer) == [["H|\\^&", "L|1|I"]]


@pytest.mark.parametrize(
    ("header", "declared", "record"),
    [
        ("H|\\!~", "", "O|1|S1||!!!10\\!!!20"),
        ("H|@^\\", "", "O|1|S1||^^^10@^^^20"),
        ("H|\\^", "", "O|1|S1||^^^10\\^^^20"),
        ("H|\\!~", 'delimiters = "|`^&"', "O|1|S1||^^^10`^^^20"),
        ("H", "", "O|1|S1||^^^10\\^^^20"),
        ("H|\u00a7^&", "", "O|1|S1||^^^10\\^^^20"),
    ],
    ids=["of the query", "GeneXpert", "no escape", "of the profile", "no header", "not ASCII"],
)
def test_the_delimiters_are_those_of_the_query_or_the_profile(
    make_profile: MakeProfile, header: str, declared: str, record: str
) -> None:
    profile = astm(make_profile(section(declared)))
    asked = a_question("Q|1|S1", header=header)
    (message,) = lines(compose(profile, [an_order()], now=NOW, asked=asked))
    assert message[2] == record


@pytest.mark.conformance(64)
@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("A|B^C\\D&E", "A&F&B&S&C&R&D&E&E"),
        ("A\rL|1|N", "A&X0D&L&F&1&F&N"),
        ("\x02\x03\x04\x05\x11", "&X02&&X03&&X04&&X05&&X11&"),
        ("\xff\x7f", "&XFF&&X7F&"),
    ],
)
def test_no_text_of_an_order_breaks_a_message(text: str, raw: str) -> None:
    assert order_field(generic(), an_order(text), 3) == raw
    assert order_field(generic(), an_order("S1", text), 5) == f"^^^{raw}"


@pytest.mark.parametrize(
    ("encoding", "name", "raw"),
    [
        ("latin-1", "\u0141ukasz D\u0151ry \u674e", "?ukasz Dory ?"),
        ("latin-1", "M\u00fcller\r|", "M\u00fcller&X0D&&F&"),
        ("cp1251", "\u041c\u044f", "\u041c\u044f"),
        ("utf-8", "\u674e \ud800", "\u674e ?"),
    ],
)
def test_a_name_that_can_not_be_written_is_replaced_and_never_fails(
    make_profile: MakeProfile, encoding: str, name: str, raw: str
) -> None:
    text = section(fields='P.6 = "{patient_name}"') + f'[dialect]\nencoding = "{encoding}"\n'
    order = an_order(patient=Patient((), name))
    (outgoing,) = compose(astm(make_profile(text)), [order], now=NOW)
    assert f"P|1||||{raw}\r".encode(encoding) in outgoing.texts[0]


def test_without_an_escape_character_a_name_loses_its_delimiters(
    make_profile: MakeProfile,
) -> None:
    profile = astm(make_profile(section('delimiters = "|\\\\^"', 'P.6 = "{patient_name}"')))
    order = an_order(patient=Patient((), "A^B|C\xff"))
    assert lines(compose(profile, [order], now=NOW))[0][1] == "P|1||||A B C "
    fates = inexpressible(profile, [order, an_order("A^B"), an_order("S1", "\xff")])
    assert [fate.reason for fate in fates] == [
        "a delimiter in the text, and no escape character",
        "a character that no text may hold",
    ]


def test_an_order_that_can_not_be_written_is_left_out_and_told() -> None:
    orders = [
        an_order("S1"),
        an_order("S\u674e"),
        an_order("S3", "\u03b2"),
        an_order(" "),
        Order(order_id="o-5", sample_id="S5", codes=()),
        an_order("S6", "10", " "),
    ]
    asked = a_question("Q|1|^ALL")
    fates = inexpressible(generic(), orders, asked=asked)
    assert [(fate.accepted, fate.sample_id, fate.reason) for fate in fates] == [
        (False, "S\u674e", "a character that latin-1 does not have"),
        (False, "S3", "a character that latin-1 does not have"),
        (False, " ", "no sample id"),
        (False, "S5", "no tests"),
        (False, "S6", "no tests"),
    ]
    (sent,) = compose(generic(), orders, now=NOW, asked=asked)
    assert sent.order_ids == ("o-S1",)
    # That an order can not be written does not mean that there is none.
    assert compose(generic(), orders[1:2], now=NOW, missing=["S9"], asked=asked) == ()


@pytest.mark.parametrize(
    ("template", "raw"),
    [
        ("{sample_id:>6}", "    S1"),
        ("{sample_id:<6}|".rstrip("|"), "S1    "),
        ("{sample_id:>1}", "S1"),
        ("{order_id}^{parent_id}", "o-S1^o-0"),
        ("{rerun_number}", "2"),
        ("{priority}", "STAT"),
        ("{now}", "20260520120000"),
        ("{today}", "20260520"),
        ("{registered_at}", "20260520110000"),
        ("{patient_id}", "P7"),
        ("{patient_name}", "Doe Jane"),
        ("{birth_date}", "19700102"),
        ("{sex}", "F"),
        ("a!b^c", "a!b^c"),
        ("{Q.3}", "1^S1^ B"),
        ("{Q.3.3:>4}", "   B"),
        ("{Q.3.9}", ""),
        ("{Q.13}", "O"),
        ("{H.5.2}", "7"),
        ("^{H.4}^{H.3}", ""),
        ("x^{H.4}", "x^"),
    ],
)
def test_what_a_template_may_ask_for(make_profile: MakeProfile, template: str, raw: str) -> None:
    keys = '[order.priorities]\nS = "STAT"\n'
    text = section(fields=f'O.19 = "{template}"') + keys + '[query]\nsample_id = "Q.3.2"\n'
    order = an_order(
        "S1",
        rerun_number=2,
        parent_id="o-0",
        priority="S",
        patient=PATIENT,
        registered_at="2026-05-20T09:00:00Z",
    )
    asked = a_question("Q|1|9^S9\\1^S1^ B||||||||||O", header="H|\\^&|||Ana^7")
    assert order_field(make_profile(text), order, 19, asked) == raw


@pytest.mark.parametrize(
    ("sex", "raw"), [("male", "M"), ("f", "F"), ("other", "U"), ("", ""), (None, "")]
)
def test_sex_is_one_of_the_standards_letters(
    make_profile: MakeProfile, sex: str | None, raw: str
) -> None:
    profile = make_profile(section(fields='O.19 = "{sex}"'))
    assert order_field(profile, an_order(patient=Patient(sex=sex)), 19) == raw


def test_what_nobody_knows_is_left_empty(make_profile: MakeProfile) -> None:
    names = ("patient_id", "patient_name", "birth_date", "parent_id", "registered_at")
    fields = "\n".join(f'O.{n} = "{{{name}}}"' for n, name in enumerate(names, start=17))
    profile = make_profile(section(fields=fields + '\nO.16 = "{priority}"'))
    (message,) = lines(compose(astm(profile), [an_order(priority="?")], now=NOW))
    assert message[2] == "O|1|S1||^^^10\\^^^20|||||||||||R"


def test_parts_of_a_code_and_padding_in_a_test(make_profile: MakeProfile) -> None:
    profile = make_profile(section('test = "{code.1:>3}^{code.2}^{code.3}^{sample_id}"'))
    assert order_field(profile, an_order("S1", "3^UREA"), 5) == "  3^UREA^^S1"


def test_a_field_of_a_question_is_repeated_with_the_delimiters_of_the_answer(
    make_profile: MakeProfile,
) -> None:
    text = section('delimiters = "|\\\\!~"', 'O.19 = "{Q.12}"\nO.20 = "{Q.3}"')
    asked = a_question("Q|1|^S1|||||||||A^B\\C&S&D!", "Q|2|^S2|||||||||second")
    profile = make_profile(text)
    assert order_field(profile, an_order("S1"), 19, asked) == "A!B\\C^D~S~"
    assert order_field(profile, an_order("S2"), 19, asked) == "second"
    assert order_field(profile, an_order("S3"), 19, asked) == "A!B\\C^D~S~"
    assert order_field(profile, an_order("S3"), 20, asked) == ""


def test_of_a_question_that_is_none_nothing_is_repeated(make_profile: MakeProfile) -> None:
    profile = make_profile(section(fields='O.19 = "{Q.12}^{Q.3}^{H.5}"\nH.5 = "{Q.3.2}"'))
    (empty,) = parse(b"P|1\r")
    assert order_field(profile, an_order("S1"), 19, empty) == ""
    asked = a_question("Q|1|^S1\\^S2")
    assert lines(compose(astm(profile), [an_order("S2")], now=NOW, asked=asked))[0][0] == (
        "H|\\^&|||S1"
    )


def test_what_no_frame_may_hold_is_not_repeated(make_profile: MakeProfile) -> None:
    text = section(fields='O.19 = "{Q.12}"') + '[dialect]\nrestricted = "any"\n'
    asked = a_question("Q|1|^S1|||||||||A\x11B\x00C")
    assert order_field(make_profile(text), an_order("S1"), 19, asked) == "A?B?C"


def test_no_order_goes_out_without_its_sample(make_profile: MakeProfile) -> None:
    text = section().replace("{sample_id}", "{Q.3}") + '[query]\nsample_id = "Q.3.2"\n'
    profile = astm(make_profile(text))
    asked = a_question("Q|1|7^S1")
    orders = [an_order("S1"), an_order("S2")]
    (sent,) = compose(profile, orders, now=NOW, asked=asked)
    assert sent.order_ids == ("o-S1",)
    assert b"O|1|7^S1|" in sent.texts[0]
    (fate,) = inexpressible(profile, orders, asked=asked)
    assert (fate.order_id, fate.reason) == ("o-S2", "a sample that the question does not name")
    assert compose(profile, orders, now=NOW) == ()
    assert len(inexpressible(profile, orders)) == 2
    profile = astm(make_profile(text.replace("[order]", '[order]\nnone = "order"')))
    (message,) = lines(compose(profile, [], now=NOW, missing=["S1", "S2"], asked=asked))
    assert message == ["H|\\^&", "P|1", "O|1|7^S1", "L|1|F"]
