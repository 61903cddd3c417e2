"""Questions and orders on real lines: taken back, cut off, refused, and never sent."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from protocols.astm.control import ACK, ENQ, EOT, NAK
from protocols.astm.dialect import STANDARD
from protocols.astm.frame import encode
from protocols.hl7.dialect import Dialect
from tests.rerund.analyzer import AstmAnalyzer, Hl7Analyzer
from tests.rerund.desks import DeskBench
from tests.rerund.lines import Bench, SlowDisk, until
from tests.rerund.ordered import order

QUICK = replace(STANDARD, busy_timeout=0.01, message_tries=1)


@pytest.fixture
async def bench(tmp_path):
    async with Bench(tmp_path) as bench:
        yield bench


@pytest.fixture
def desks(tmp_path, bench):
    return DeskBench(tmp_path, bench)


async def serve(bench, desks, driver="generic-astm", dialect=QUICK, more="", **how):
    desk = desks.make(driver, more=more, **how)
    # Nobody decides the entries of these links: what was sent before is no matter here.
    desks.arrivals.decided("42", 1 << 40, [])
    return await bench.serve(desk=desk, dialect=dialect)


def question(sample, code="O"):
    return "H|\\^&", f"Q|1|^{sample}||ALL||||||||{code}", "L|1|N"


def open_questions(link):
    return [task for one in link.connections for task in one.orders._tasks]


@pytest.mark.conformance(108, 109)
async def test_a_question_is_answered_in_a_session_after_its_own(bench, desks):
    desks.put(order(1))
    link = await serve(bench, desks)
    line = await bench.call(link)
    text = b"H|\\^&\rQ|1|^S9||ALL||||||||O\rL|1|N\r"
    await line.sends(encode(text, 1))
    await bench.flush()
    assert open_questions(link) == []  # the line is still the instrument's
    line.say(EOT)
    await line.hears(ENQ)
    line.say(ACK)
    assert b"L|1|I" in await line.hears_until(b"\n")
    line.say(ACK)
    await line.hears(EOT)


def framed(sample):
    """A question in one frame."""
    return encode("\r".join([*question(sample), ""]).encode(), 1)


async def answered(line, sample):
    """Take the next message, which must be an answer for this sample, and ask once more."""
    frames = await taken(line)
    assert (f"|{sample}|".encode() in frames, frames.count(b"O|")) == (True, 1)


@pytest.mark.conformance(108)
async def test_a_question_whose_eot_is_not_held_back_for_the_ack_is_answered_once(bench, desks):
    desks.put(order(1), order(2))
    link = await serve(bench, desks)
    line = await bench.call(link)
    for sample in ("S1", "S2"):
        line.say(ENQ + framed(sample) + EOT)
        await line.hears(ACK + ACK)
        await answered(line, sample)
        await until(lambda: not link.orders.is_busy)
    assert [report for report, _, _ in await desks.notes()] == [1, 2]


@pytest.mark.conformance(108)
@pytest.mark.parametrize("commit_timeout", [3600.0, 0.01], ids=["in time", "late"])
async def test_a_question_whose_eot_comes_during_its_commit_is_answered_once(
    bench, desks, commit_timeout
):
    """Late, nobody waits for the ACK any more, and the transfer has ended before it is stored."""
    desks.put(order(1), order(2))
    link = await serve(bench, desks, dialect=replace(QUICK, commit_timeout=commit_timeout))
    line = await bench.call(link)
    line.say(ENQ)
    await line.hears(ACK)
    (connection,) = link.connections
    disk = SlowDisk(bench.path)
    disk.stall()
    line.say(framed("S1") + EOT)
    await until(lambda: link.counters.frames)
    if commit_timeout < 1.0:
        await until(lambda: connection._session.is_neutral)
    assert not link.orders.is_busy
    disk.go_on()
    await answered(line, "S1")
    await until(lambda: not link.orders.is_busy)
    line.say(ENQ + framed("S2") + EOT)
    await line.hears(ACK + ACK)
    await answered(line, "S2")
    await until(lambda: not link.orders.is_busy)
    assert [report for report, _, _ in await desks.notes()] == [1, 2]


@pytest.mark.conformance(110)
async def test_a_question_that_is_taken_back_is_not_answered(bench, desks):
    link = await serve(bench, desks)
    desks.stores.answering.clear()
    desks.stores.open = [order(1), order(2)]
    async with await AstmAnalyzer().connect(bench.port(link)) as one:
        await one.send(*question("S1"))
        await until(lambda: desks.stores.asked == [["S1"]])
        await one.send(*question("S1", "A"))
        await until(lambda: not open_questions(link))
        desks.stores.answering.set()
        await one.send(*question("S2"))
        assert await one.takes_orders() == [("S2", ["GLU", "ISE"])]
    assert await desks.notes() == [(2, "sent", "")]


@pytest.mark.conformance(110)
async def test_taking_back_what_was_not_asked_or_is_answered_does_nothing(bench, desks):
    desks.put(order(1))
    link = await serve(bench, desks)
    async with await AstmAnalyzer().connect(bench.port(link)) as one:
        await one.send(*question("S1", "A"))
        await one.send(*question("S1"))
        assert await one.takes_orders() == [("S1", ["GLU", "ISE"])]
        await one.send(*question("S1", "A"))
        await one.send(*question("S1"))
        assert await one.takes_orders() == [("S1", ["GLU", "ISE"])]


@pytest.mark.conformance(114)
async def test_nothing_is_said_when_nobody_knows(bench, desks):
    link = await serve(bench, desks)
    desks.stores.away = True
    async with await AstmAnalyzer().connect(bench.port(link)) as one:
        with capture_logs() as logs:
            await one.send(*question("S1"))
            await until(lambda: any(line["event"] == "query_not_answerable" for line in logs))
        desks.stores.away = False
        await one.send(*question("S1"))
        assert [fields[1] for fields in await one.takes()] == ["H", "L"]


@pytest.mark.parametrize("driver", ["generic-astm", "generic-hl7"])
async def test_a_line_lost_while_a_question_is_open_leaves_nothing(bench, desks, driver):
    dialect = QUICK if driver == "generic-astm" else Dialect()
    link = await serve(bench, desks, driver, dialect)
    desks.stores.answering.clear()
    one = await (AstmAnalyzer() if driver == "generic-astm" else Hl7Analyzer()).connect(
        bench.port(link)
    )
    with capture_logs() as logs:
        if driver == "generic-astm":
            await one.send(*question("S1"))
        else:
            asking = asyncio.create_task(one.asks(LAW_QUERY))
        await until(lambda: desks.stores.asked)
        (connection,) = link.connections
        assert not connection.is_idle
        await one.close()
        await until(lambda: not link.connections)
        await until(lambda: not connection.orders._tasks)
        assert not connection.orders.is_busy
        desks.stores.answering.set()
        if driver == "generic-hl7":
            asking.cancel()
    assert [line for line in logs if line["log_level"] in ("error", "warning")] == []
    assert link.counters.failures == 0


LAW_QUERY = "\r".join(
    [
        r"MSH|^~\&|Analyzer|Lab|||20260520100000||QBP^Q11^QBP_Q11|1|P|2.5.1|||NE|AL",
        "QPD|WOS^Work Order Step^IHE_LABTF|1|S1",
        "RCP|I||R",
        "",
    ]
)


async def test_the_answer_of_a_question_on_a_line_that_is_lost_goes_to_no_other(bench, desks):
    link = await serve(bench, desks)
    desks.stores.answering.clear()
    desks.stores.open = [order(1), order(2)]
    first = await AstmAnalyzer().connect(bench.port(link))
    await first.send(*question("S1"))
    await until(lambda: desks.stores.asked)
    await first.close()
    await until(lambda: not link.connections)
    desks.stores.answering.set()
    async with await AstmAnalyzer().connect(bench.port(link)) as second:
        await second.send(*question("S2"))
        assert await second.takes_orders() == [("S2", ["GLU", "ISE"])]


async def refuse_for_ever(line):
    """Answer every frame with NAK; returns how many there were."""
    await line.hears(ENQ)
    line.say(ACK)
    count = 0
    while await line._reader.readexactly(1) != EOT:
        await line.hears_until(b"\n")
        line.say(NAK)
        count += 1
    return count


async def test_a_push_that_is_answered_nak_for_ever_is_tried_later_and_no_refusal(
    bench, desks, monkeypatch
):
    """A line that garbles frames refuses no order."""
    desks.put(order(1))
    link = await serve(bench, desks, "abbott-celldyn-ruby")
    sent = watched(desks.desk)
    line = await bench.call(link)
    assert await refuse_for_ever(line) == 6
    await until(lambda: not link.orders.is_busy)
    assert await desks.notes() == []
    link.orders.push()
    assert not link.orders.is_busy  # not at once
    link.orders._not_before = 0.0
    link.orders.push()
    assert b"S1" in await taken(line)
    await until(lambda: not link.orders.is_busy)
    assert await desks.notes() == [(1, "sent", "")]
    assert sent[0] == sent[1]
    assert len(sent) == 2


def watched(desk):
    """Return a list to which the ids of each message that goes out will be added."""
    sent = []
    sending = desk.sending

    def watch(order_ids):
        sent.append(tuple(order_ids))
        sending(order_ids)

    desk.sending = watch
    return sent


async def test_a_push_that_is_not_answered_is_sent_again_later_and_noted_as_nothing(
    bench, desks, monkeypatch
):
    monkeypatch.setattr("rerund.link_orders.RETRY", 0.0)
    desks.put(order(1))
    dialect = replace(QUICK, enq_reply_timeout=0.01)
    link = await serve(bench, desks, "abbott-celldyn-ruby", dialect)
    sent = watched(desks.desk)
    line = await bench.call(link)
    await line.hears(ENQ)
    await until(lambda: not link.orders.is_busy)
    assert await desks.notes() == []
    link.orders.push()
    assert b"S1" in await taken(line)
    await until(lambda: not link.orders.is_busy)
    assert [status for _, status, _ in await desks.notes()] == ["sent"]
    assert sent == [sent[0], sent[0]]


async def taken(line):
    """Take the next message on a line, past what was given up before; returns its frames."""
    while await line._reader.readexactly(1) != ENQ:
        pass
    line.say(ACK)
    frames = b""
    while (byte := await line._reader.readexactly(1)) != EOT:
        frames += byte + await line.hears_until(b"\n")
        line.say(ACK)
    return frames


async def test_a_push_that_was_not_taken_is_not_sent_again_at_once(bench, desks):
    desks.put(order(1))
    dialect = replace(QUICK, enq_reply_timeout=0.01)
    link = await serve(bench, desks, "abbott-celldyn-ruby", dialect)
    line = await bench.call(link)
    await line.hears(ENQ)
    await until(lambda: not link.orders.is_busy)
    link.orders.push()
    assert not link.orders.is_busy


async def test_a_push_on_a_line_that_is_lost_goes_out_on_the_next(bench, desks):
    desks.put(order(1))
    link = await serve(bench, desks, "abbott-celldyn-ruby")
    sent = watched(desks.desk)
    line = await bench.call(link)
    await line.hears(ENQ)
    await line.hangs_up()
    await until(lambda: not link.connections)
    assert await desks.notes() == []
    async with await AstmAnalyzer().connect(bench.port(link)) as one:
        assert [sample for sample, _ in await one.takes_orders()] == ["S1"]
        await until(lambda: not link.orders.is_busy)
    assert await desks.notes() == [(1, "sent", "")]
    assert sent == [sent[0], sent[0]]


async def test_a_line_that_is_being_closed_gets_no_new_orders(bench, desks):
    link = await serve(bench, desks, "abbott-celldyn-ruby")
    async with await AstmAnalyzer().connect(bench.port(link)):
        await until(lambda: link.connections)
        link.draining = True
        desks.put(order(1))
        link.orders.push()
        assert not link.orders.is_busy
        link.draining = False
        link.orders.push()
        assert link.orders.is_busy


@pytest.mark.parametrize(
    ("driver", "how"),
    [
        ("generic-astm", {"more": '[instrument.dialect]\ndirection = "receive_only"\n'}),
        ("generic-astm", {"orders": "off"}),
        ("abbott-celldyn-ruby", {"more": '[instrument.dialect]\ndirection = "receive_only"\n'}),
        ("abbott-celldyn-ruby", {"orders": "off"}),
        ("sysmex-xp", {}),
    ],
    ids=["listens only", "off", "listens only, pushed to", "off, pushed to", "no orders at all"],
)
async def test_who_is_to_get_no_orders_gets_none_and_its_question_is_kept(
    bench, desks, driver, how
):
    desks.put(order(1))
    link = await serve(bench, desks, driver, **how)
    desk = link.desk
    assert (desk.answers, desk.pushes, desk.cancels) == (False, False, False)
    async with await AstmAnalyzer().connect(bench.port(link)) as one:
        await one.send(*question("S1"))
        await until(lambda: bench.received)
        link.orders.push()
        assert link.orders.is_busy is False
        assert desks.stores.asked == []
        # It still has the line: what it sends next is taken at once.
        await one.send(*question("S1"))
        await until(lambda: len(bench.received) == 2)
        assert one.messages.empty()
    assert await desks.notes() == []


async def test_a_fault_in_an_answer_is_told_and_the_next_question_is_answered(bench, desks):
    link = await serve(bench, desks)
    desks.put(order(1))
    look_up = desks.desk._look_up

    async def fails(sample_ids):
        desks.desk._look_up = look_up
        raise ZeroDivisionError

    desks.desk._look_up = fails
    async with await AstmAnalyzer().connect(bench.port(link)) as one:
        with capture_logs() as logs:
            await one.send(*question("S9"))
            await until(lambda: any(line["event"] == "answer_failed" for line in logs))
        await one.send(*question("S1"))
        assert await one.takes_orders() == [("S1", ["GLU", "ISE"])]


async def test_a_fault_in_an_answer_leaves_no_hl7_instrument_without_a_reply(bench, desks):
    link = await serve(bench, desks, "generic-hl7", Dialect())

    async def fails(sample_ids):
        raise ZeroDivisionError

    desks.desk._look_up = fails
    async with await Hl7Analyzer().connect(bench.port(link)) as one:
        reply = await one.asks(LAW_QUERY)
    assert reply.first("MSA").value(1) == "AE"


def code_of(message, code):
    """A general acknowledgment of a message."""
    return "\r".join(
        [
            r"MSH|^~\&|Analyzer|Lab|||20260520100001||ORL^O34^ORL_O42|R1|P|2.5.1",
            f"MSA|{code}|{message.header.value(10)}",
            "",
        ]
    ).encode()


@pytest.mark.conformance(161)
async def test_an_hl7_order_that_is_rejected_is_noted_and_not_sent_again(bench, desks):
    desks.put(order(1, codes={"42": ["GLU"]}))
    link = await serve(bench, desks, "generic-hl7", Dialect(message_tries=1), orders="push")
    async with await Hl7Analyzer().connect(bench.port(link)) as one:
        one.answer = lambda message: code_of(message, "AR")
        await one.takes()
        await until(lambda: link.orders is not None and not link.orders.is_busy)
        ((report, status, _),) = await desks.notes()
        assert (report, status) == (1, "refused")
        link.orders.push()
        assert not link.orders.is_busy


async def test_what_takes_an_hl7_question_back_is_acknowledged_and_looks_nothing_up(bench, desks):
    """It comes when the question is answered: one message after the other has its reply."""
    link = await serve(bench, desks, "generic-hl7", Dialect())
    desks.put(order(1))
    async with await Hl7Analyzer().connect(bench.port(link)) as one:
        reply = await one.asks(LAW_CANCEL)
        assert (reply.first("MSA").value(1), reply.first("QAK")) == ("AA", None)
        assert not link.orders.is_busy
        assert await desks.notes() == []


LAW_CANCEL = "\r".join(
    [
        r"MSH|^~\&|Analyzer|Lab|||20260520100001||QCN^J01^QCN_J01|2|P|2.5.1|||NE|AL",
        "QID|1|WOS^Work Order Step^IHE_LABTF",
        "",
    ]
)
