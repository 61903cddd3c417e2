"""Orders on lines that speak HL7: replies of all kinds, lines that are lost, what is taken back."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from protocols.hl7.dialect import Dialect
from protocols.hl7.message import parse
from protocols.hl7.mllp import encode
from rerund.link import Link
from rerund.transports.url import parse_url
from tests.rerund.desks import DeskBench
from tests.rerund.lines import Bench, until
from tests.rerund.ordered import order

ONCE = Dialect(message_tries=1, busy_timeout=0.01)
UNANSWERED = replace(ONCE, reply_timeout=0.01)
BLOCK_END = b"\x1c\r"


@pytest.fixture
async def bench(tmp_path):
    async with Bench(tmp_path) as bench:
        yield bench


@pytest.fixture
def desks(tmp_path, bench):
    return DeskBench(tmp_path, bench)


async def serve(bench, desks, dialect=ONCE, orders="push"):
    desk = desks.make("generic-hl7", orders)
    # Nobody decides the entries of these links: what was sent before is no matter here.
    desks.arrivals.decided("42", 1 << 40, [])
    return await bench.serve(desk=desk, dialect=dialect)


class Console:
    """The instrument's end of a line, message by message."""

    def __init__(self, line):
        self._line = line

    async def hears(self, kind):
        """Wait for the next message, which must be of a kind: OML, RSP, ACK."""
        raw = await self._line.hears_until(BLOCK_END)
        message = parse(raw[1 : -len(BLOCK_END)], ONCE)
        assert message.header.value(9, 1) == kind
        return message

    def says(self, *segments):
        self._line.say(encode("\r".join([*segments, ""]).encode()))

    def takes(self, message, code="AA", *segments):
        """Acknowledge a message; the segments say more of its orders."""
        head = r"MSH|^~\&|Analyzer|Lab|||20260520100001||ORL^O34^ORL_O42|R1|P|2.5.1"
        self.says(head, f"MSA|{code}|{message.header.value(10)}", *segments)

    def asks(self, sample, control_id="1", at="20260520100000"):
        self.says(
            rf"MSH|^~\&|Analyzer|Lab|||{at}||QBP^Q11^QBP_Q11|{control_id}|P|2.5.1|||NE|AL",
            f"QPD|WOS^Work Order Step^IHE_LABTF|1|{sample}",
            "RCP|I||R",
        )

    async def hangs_up(self):
        await self._line.hangs_up()


async def call(bench, link):
    return Console(await bench.call(link))


def steps(message):
    """Return the ids of the work steps in a message."""
    return [s.value(2) for s in message.segments if s.type == "OBR"]


def controls(message):
    return [s.value(1) for s in message.segments if s.type == "ORC"]


def of(step, control):
    """What is said of a work step."""
    return f"ORC|{control}", f"OBR||{step}"


def sample_of(message):
    return message.first("SAC").value(3)


def status_of(reply):
    return reply.first("MSA").value(1), reply.first("QAK").value(2)


async def rests(link):
    await until(lambda: not link.orders.is_busy)


async def test_a_push_of_which_unknown_orders_are_accepted_was_sent_and_is_not_pushed_again(
    bench, desks
):
    desks.put(order(1))
    link = await serve(bench, desks)
    one = await call(bench, link)
    message = await one.hears("OML")
    one.takes(message, "AA", *of("X-1.GLU", "OK"), *of("X-2.GLU", "UA"))
    await rests(link)
    assert await desks.notes() == [(1, "sent", "")]
    for _ in range(3):
        link.orders.push()
        assert not link.orders.is_busy


async def test_the_orders_that_a_response_does_not_name_are_known_to_be_sent(bench, desks):
    desks.put(order(1), order(2, sample="S1"), order(3, sample="S1"))
    link = await serve(bench, desks)
    one = await call(bench, link)
    message = await one.hears("OML")
    first, _, second, _, _, _ = steps(message)
    one.takes(message, "AA", *of(first, "OK"), *of(second, "UA"))
    await rests(link)
    assert sorted(await desks.notes()) == [
        (1, "accepted", ""),
        (2, "refused", "GLU unable to accept"),
        (3, "sent", ""),
    ]
    link.orders.push()
    assert not link.orders.is_busy


async def test_a_push_that_is_accepted_as_a_whole_is_accepted(bench, desks):
    desks.put(order(1), order(2, sample="S1"))
    link = await serve(bench, desks)
    one = await call(bench, link)
    one.takes(await one.hears("OML"))
    await rests(link)
    assert sorted(await desks.notes()) == [(1, "accepted", ""), (2, "accepted", "")]


async def test_an_error_is_no_refusal_and_tried_later_under_the_same_ids(bench, desks):
    desks.put(order(1))
    link = await serve(bench, desks)
    one = await call(bench, link)
    message = await one.hears("OML")
    one.takes(message, "AE")
    await rests(link)
    assert await desks.notes() == []
    link.orders.push()
    assert not link.orders.is_busy  # not at once
    link.orders._not_before = 0.0
    link.orders.push()
    again = await one.hears("OML")
    assert steps(again) == steps(message)
    one.takes(again)
    await rests(link)
    assert await desks.notes() == [(1, "accepted", "")]


@pytest.mark.conformance(161)
async def test_a_rejection_refuses_every_order_in_the_message(bench, desks):
    desks.put(order(1), order(2, sample="S1"))
    link = await serve(bench, desks)
    one = await call(bench, link)
    one.takes(await one.hears("OML"), "AR")
    await rests(link)
    notes = sorted(await desks.notes())
    assert [(report, status) for report, status, _ in notes] == [(1, "refused"), (2, "refused")]


async def test_a_push_without_a_reply_goes_out_again_under_the_same_ids(bench, desks, monkeypatch):
    monkeypatch.setattr("rerund.link_orders.RETRY", 0.0)
    desks.put(order(1))
    link = await serve(bench, desks, UNANSWERED)
    one = await call(bench, link)
    message = await one.hears("OML")
    await rests(link)
    assert await desks.notes() == []
    link.orders.push()
    assert steps(await one.hears("OML")) == steps(message)


async def test_a_push_that_is_accepted_and_never_spoken_of_was_sent_and_is_told(bench, desks):
    """It may be done: sent again, it may be done twice."""
    desks.put(order(1))
    dialect = replace(ONCE, reply_timeout=0.2)
    link = await serve(bench, desks, dialect)
    one = await call(bench, link)
    with capture_logs() as logs:
        one.takes(await one.hears("OML"), "CA")
        await rests(link)
    (told,) = [line for line in logs if line["event"] == "orders_unanswered"]
    assert (told["alert"], told["instrument"]) == (True, "42")
    assert await desks.notes() == [(1, "sent", "")]
    link.orders.push()
    assert not link.orders.is_busy


async def test_a_push_on_a_line_that_is_lost_goes_out_on_the_next_under_the_same_ids(bench, desks):
    desks.put(order(1), order(2))
    link = await serve(bench, desks)
    one = await call(bench, link)
    message = await one.hears("OML")
    await one.hangs_up()
    await until(lambda: not link.connections)
    assert await desks.notes() == []
    one = await call(bench, link)
    again = await one.hears("OML")
    assert steps(again) == steps(message)
    one.takes(again)
    assert sample_of(await one.hears("OML")) == "S2"


async def test_one_push_is_under_way_at_a_time_and_an_answer_goes_before_the_next(bench, desks):
    desks.put(order(1), order(2), order(3))
    desks.stores.open.append(order(9))
    link = await serve(bench, desks)
    one = await call(bench, link)
    first = await one.hears("OML")
    one.asks("S9")
    assert status_of(await one.hears("RSP")) == ("AA", "OK")
    heard = [first]
    one.takes(first)
    for _ in range(3):
        heard.append(await one.hears("OML"))
        one.takes(heard[-1])
    assert [sample_of(message) for message in heard] == ["S1", "S9", "S2", "S3"]


async def test_a_fault_in_a_push_is_told_and_stops_nobody(bench, desks, monkeypatch):
    link = await serve(bench, desks)
    one = await call(bench, link)
    await until(lambda: link.orders)
    desks.put(order(1))

    def fails(orders):
        monkeypatch.undo()
        raise ZeroDivisionError

    monkeypatch.setattr(link.orders, "_compose_push", fails)
    with capture_logs() as logs:
        link.orders.push()
    (told,) = [line for line in logs if line["event"] == "push_failed"]
    assert (told["alert"], told["instrument"]) == (True, "42")
    assert told["error"] == "ZeroDivisionError"
    assert not link.orders.is_busy
    desks.copy.change([order(2)], [], whole=False)
    link.orders._not_before = 0.0
    link.orders.push()
    assert sample_of(await one.hears("OML")) == "S2"


# Questions.


async def test_a_question_that_comes_once_more_has_the_same_answer_with_the_same_ids(bench, desks):
    desks.put(order(1))
    link = await serve(bench, desks, orders="answer")
    heard = []
    for _ in range(2):
        one = await call(bench, link)
        one.asks("S1")
        assert status_of(await one.hears("RSP")) == ("AA", "OK")
        heard.append(await one.hears("OML"))
        one.takes(heard[-1])
        await rests(link)
        await one.hangs_up()
        await until(lambda: not link.connections)
        desks.put()
    first, again = heard
    assert steps(again) == steps(first)
    assert desks.stores.asked == []


@pytest.mark.parametrize(
    ("control_ids", "at"),
    [(("1", "2"), "20260520100000"), (("1", "1"), "")],
    ids=["another control id", "no time: it may be another question, equal in every byte"],
)
async def test_another_question_has_an_answer_of_its_own(bench, desks, control_ids, at):
    desks.put(order(1))
    link = await serve(bench, desks, orders="answer")
    one = await call(bench, link)
    heard = []
    for control_id in control_ids:
        one.asks("S1", control_id, at)
        assert status_of(await one.hears("RSP")) == ("AA", "OK")
        heard.append(await one.hears("OML"))
        one.takes(heard[-1])
    first, second = heard
    assert not {*steps(first)} & {*steps(second)}


async def test_a_fault_while_answering_is_answered_with_an_error(bench, desks, monkeypatch):
    desks.put(order(1))
    link = await serve(bench, desks, orders="answer")
    one = await call(bench, link)

    def fails(*args, **kwargs):
        monkeypatch.undo()
        raise ZeroDivisionError

    monkeypatch.setattr("rerund.link_hl7_orders.compose_answer", fails)
    with capture_logs() as logs:
        one.asks("S1")
        assert (await one.hears("ACK")).first("MSA").value(1) == "AE"
        await until(lambda: any(line["event"] == "answer_failed" for line in logs))
    assert await desks.notes() == []
    one.asks("S1", "2")
    assert status_of(await one.hears("RSP")) == ("AA", "OK")


async def test_a_question_that_is_taken_back_has_a_reply_all_the_same(bench, desks):
    desks.stores.answering.clear()
    link = await serve(bench, desks, orders="answer")
    one = await call(bench, link)
    one.asks("S1")
    await until(lambda: desks.stores.asked)
    link.orders.cancel()
    assert (await one.hears("ACK")).first("MSA").value(1) == "AA"
    await rests(link)
    desks.stores.answering.set()
    one.asks("S1", "2")
    assert status_of(await one.hears("RSP"))[0] == "AA"


async def test_who_takes_orders_on_a_line_that_is_down_hears_that_it_is_not_now(bench, desks):
    desks.put(order(1))
    link = await serve(bench, desks, orders="answer")
    url = parse_url("connect://127.0.0.1:1")
    link.order_line = Link("42/orders", url, ONCE, bench.journal, desk=link.desk, device_id="42")
    one = await call(bench, link)
    with capture_logs() as logs:
        one.asks("S1")
        assert status_of(await one.hears("RSP")) == ("AE", "AE")
    assert "query_not_answerable" in [line["event"] for line in logs]
    assert await desks.notes() == []


# What is taken back.


async def accepted(bench, desks, *rows):
    """Have rows pushed and accepted; returns link, console and the step ids of each message."""
    desks.put(*rows)
    link = await serve(bench, desks)
    one = await call(bench, link)
    pushed = []
    for _ in {row.sample_id for row in rows}:
        message = await one.hears("OML")
        one.takes(message)
        pushed.append(steps(message))
    await rests(link)
    return link, one, pushed


async def test_a_cancelled_row_is_taken_back_once_under_all_its_ids(bench, desks):
    link, one, [first] = await accepted(bench, desks, order(1, 1, codes={"42": ["GLU"]}))
    desks.put(order(1, 1, version=2, codes={"42": ["GLU", "ISE"]}))
    link.orders.push()
    message = await one.hears("OML")
    one.takes(message)
    await rests(link)
    desks.cancel((1, "", 1))
    link.orders.push()
    cancelled = await one.hears("OML")
    assert controls(cancelled) == ["CA", "CA"]
    assert steps(cancelled) == [*first, *steps(message)]
    with capture_logs() as logs:
        said = (of(step, "CR") for step in steps(cancelled))
        one.takes(cancelled, "AA", *(segment for pair in said for segment in pair))
        await rests(link)
    assert [line for line in logs if line.get("alert")] == []
    link.orders.push()
    assert not link.orders.is_busy
    assert {status for _, status, _ in await desks.notes()} == {"accepted"}


async def test_what_cannot_be_taken_back_is_told_to_a_person(bench, desks):
    link, one, _ = await accepted(bench, desks, order(1, 1, codes={"42": ["GLU"]}))
    desks.cancel((1, "", 1))
    link.orders.push()
    cancelled = await one.hears("OML")
    (step,) = steps(cancelled)
    with capture_logs() as logs:
        one.takes(cancelled, "AA", *of(step, "UC"))
        await rests(link)
    (told,) = [line for line in logs if line.get("alert")]
    assert (told["event"], told["order"]) == ("order_not_cancelled", step.partition(".")[0])


@pytest.mark.parametrize("code", [None, "AE"], ids=["line lost", "error"])
async def test_what_takes_orders_back_goes_out_until_the_instrument_has_it(bench, desks, code):
    link, one, pushed = await accepted(bench, desks, order(1, 1), order(2, 1))
    desks.cancel((1, "", 1), (2, "", 1))
    link.orders.push()
    first = await one.hears("OML")
    if code is None:
        await one.hangs_up()
        await until(lambda: not link.connections)
        one = await call(bench, link)
    else:
        one.takes(first, code)
        await rests(link)
        link.orders._not_before = 0.0
        link.orders.push()
    again = await one.hears("OML")
    one.takes(again)
    second = await one.hears("OML")
    one.takes(second)
    await rests(link)
    assert [steps(first), steps(again), steps(second)] == [pushed[0], *pushed]
    link.orders.push()
    assert not link.orders.is_busy


async def test_an_order_that_is_cancelled_on_its_way_is_taken_back_after_it(bench, desks):
    desks.put(order(1, 1))
    link = await serve(bench, desks)
    one = await call(bench, link)
    pushed = await one.hears("OML")
    desks.cancel((1, "", 1))
    link.orders.push()
    one.takes(pushed)
    cancelled = await one.hears("OML")
    assert controls(cancelled) == ["CA", "CA"]
    assert steps(cancelled) == steps(pushed)
