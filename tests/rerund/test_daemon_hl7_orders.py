"""Instruments that ask in HL7, and what they say of the orders that they get."""

import asyncio
import signal

import pytest

from protocols.hl7.dialect import Dialect
from tests.rerund.analyzer import Hl7Analyzer
from tests.rerund.site import Site, until
from tests.rerund.test_daemon_orders import LAB, copied, register, statuses

TAIL = "|||NE|AL||UNICODE UTF-8|||LAB-27^IHE"


async def open_lab(site):
    (site.folder / "lab.toml").write_text(LAB)
    site.ok("lab", "load", site.folder / "lab.toml")
    register(site)
    await until(lambda: copied(site) == {(1001, 0)})


def query(number, sample):
    """QRY^Q02 of a Mindray BS (host interface manual)."""
    return "\r".join(
        [
            rf"MSH|^~\&|Manufacturer|Model|||20260520100000||QRY^Q02|{number}|P|2.3.1||||||ASCII",
            f"QRD|20260520100000|R|D|{number}|||RD|{sample}|OTH|||T|",
            "QRF||||||RCT|COR|ALL||",
            "",
        ]
    )


def law_query(number, sample):
    """QBP^Q11 of a LAW analyzer (IHE PaLM TF-2b, LAB-27)."""
    return "\r".join(
        [
            rf"MSH|^~\&|Analyzer|Lab|||20260520100000||QBP^Q11^QBP_Q11|{number}|P|2.5.1" + TAIL,
            f"QPD|WOS^Work Order Step^IHE_LABTF|{number}|{sample}",
            "RCP|I||R",
            "",
        ]
    )


def field(message, segment, position):
    found = message.first(segment)
    return None if found is None else found.value(position)


@pytest.mark.conformance(150)
async def test_display_messages_follow_the_reply_to_a_query(tmp_path):
    async with Site(tmp_path, driver="mindray-bs") as site:
        await open_lab(site)
        async with await Hl7Analyzer().connect(site.daemon.ports["42"]) as one:
            reply = await one.asks(query(1, "S001"))
            assert (field(reply, "MSA", 1), field(reply, "QAK", 2)) == ("AA", "OK")
            lines = [s for s in (await one.takes()).segments if s.type == "DSP"]
            texts = [line.value(3) for line in lines]
            assert "S001" in texts
            assert [text.partition("^")[0] for text in texts[28:]] == ["GLU", "ISE"]
            await until(lambda: statuses(site) == {0: ([1, 2, 3], "accepted")})
            reply = await one.asks(query(2, "UNKNOWN"))
            assert (field(reply, "MSA", 1), field(reply, "QAK", 2)) == ("AA", "NF")


@pytest.mark.conformance(114)
async def test_a_query_that_cannot_be_answered_now_is_an_error_and_no_missing_order(tmp_path):
    site = Site(tmp_path, driver="mindray-bs", look_up_timeout=0.2)
    async with site, await Hl7Analyzer().connect(site.daemon.ports["42"]) as one:
        site.daemon.signal_registrar(signal.SIGSTOP)
        reply = await one.asks(query(1, "S001"))
        assert field(reply, "QAK", 2) == "AE"
        site.daemon.signal_registrar(signal.SIGCONT)


def work_steps(message):
    """Return (step id, code) of each work step that an OML^O33 orders."""
    return [(s.value(2), s.value(4, 1)) for s in message.segments if s.type == "OBR"]


def response(message, **controls):
    """ORL^O34 that takes or refuses each work step by its code."""
    steps = [
        f"ORC|{controls.get(code, 'OK')}\rOBR||{step}||{code}" for step, code in work_steps(message)
    ]
    return "\r".join(
        [
            r"MSH|^~\&|Analyzer|Lab|||20260520100001||ORL^O34^ORL_O42|R1|P|2.5.1",
            f"MSA|AA|{message.header.value(10)}",
            "SPM|1|S001||SER|||||||P",
            *steps,
            "",
        ]
    ).encode()


@pytest.mark.conformance(155, 158, 159, 160)
async def test_work_steps_are_taken_or_refused_one_by_one_and_never_named_twice(tmp_path):
    async with Site(tmp_path, driver="abbott-alinity-ci") as site:
        await open_lab(site)
        dialect = Dialect(encoding="utf-8")
        async with await Hl7Analyzer(dialect).connect(site.daemon.ports["42"]) as one:
            one.answer = lambda message: response(message, ISE="UA")
            reply = await one.asks(law_query(1, "S001"))
            assert (field(reply, "MSA", 1), field(reply, "QAK", 2)) == ("AA", "OK")
            first = work_steps(await one.takes())
            assert [code for _, code in first] == ["GLU", "ISE"]
            await until(lambda: statuses(site) == {0: ([1, 2, 3], "refused")})
            (row,) = site.says("order", "waiting", "--report", 1001)
            assert "ISE" in row["reason"]
            await one.asks(law_query(2, "S001"))
            second = work_steps(await one.takes())
            assert not {step for step, _ in first} & {step for step, _ in second}


@pytest.mark.conformance(156)
async def test_a_sample_without_work_gets_a_negative_response(tmp_path):
    async with Site(tmp_path, driver="abbott-alinity-ci") as site:
        dialect = Dialect(encoding="utf-8")
        async with await Hl7Analyzer(dialect).connect(site.daemon.ports["42"]) as one:
            one.answer = response
            reply = await one.asks(law_query(1, "UNKNOWN"))
            assert field(reply, "MSA", 1) == "AA"
            negative = await one.takes()
            assert negative.header.value(9, 1) == "OML"
            assert field(negative, "ORC", 1) == "DC"
            assert work_steps(negative) == []


async def test_orders_go_out_on_the_line_that_the_instrument_takes_them_on(tmp_path):
    served = asyncio.Queue()

    async def serve(reader, writer):
        one = Hl7Analyzer(Dialect(encoding="utf-8"))
        one.answer = response
        one.attach(reader, writer)
        served.put_nowait(one)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    site = Site(tmp_path, driver="abbott-alinity-ci")
    with site.config.open("a") as file:
        file.write(f'orders_link = "connect://127.0.0.1:{port}"\n')
    async with site:
        await open_lab(site)
        orders = await served.get()
        dialect = Dialect(encoding="utf-8")
        async with orders, await Hl7Analyzer(dialect).connect(site.daemon.ports["42"]) as one:
            assert field(await one.asks(law_query(1, "S001")), "MSA", 1) == "AA"
            assert [code for _, code in work_steps(await orders.takes())] == ["GLU", "ISE"]
            await until(lambda: statuses(site) == {0: ([1, 2, 3], "accepted")})
            assert one.messages.empty()
    server.close()
    await server.wait_closed()


@pytest.mark.conformance(158)
async def test_a_cancelled_rerun_is_taken_back_from_the_instrument_that_has_it(tmp_path):
    async with Site(tmp_path, driver="generic-hl7") as site:
        await open_lab(site)
        async with await Hl7Analyzer().connect(site.daemon.ports["42"]) as one:
            one.answer = response
            await one.asks(law_query(1, "S001"))
            await one.takes()
            await until(lambda: statuses(site) == {0: ([1, 2, 3], "accepted")})
            site.ok("rerun", "request", 1001, "--index", 1)
            await until(lambda: (1001, 1) in copied(site))
            await one.asks(law_query(2, "S001"))
            again = work_steps(await one.takes())
            await until(lambda: statuses(site)[1] == ([1], "accepted"))
            site.ok("rerun", "cancel", 1001, "--reason", "not needed")
            cancel = await one.takes()
            assert [s.value(1) for s in cancel.segments if s.type == "ORC"] == ["CA"]
            ((step, code),) = work_steps(cancel)
            assert code == "GLU"
            assert (step, code) in again
