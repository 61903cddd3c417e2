"""Instruments that ask, and instruments that are sent orders unasked: at a running daemon."""

import asyncio
import signal
from datetime import UTC, datetime

import pytest

from rerund.journal.reader import JournalReader
from rerund.order_copy import unpack_order
from tests.rerund.analyzer import AstmAnalyzer
from tests.rerund.site import Site, rerund, until

LAB = """
[[format]]
id = 1
name = "Chemistry"
parameter = [
  { index = 1, name = "GLU", units = "mg/dL" },
  { index = 2, name = "K", units = "mmol/L" },
  { index = 3, name = "NA", units = "mmol/L" },
]
[[device]]
id = "42"
name = "Analyzer"
mapping = [
  { test_code = "GLU", format = 1, index = 1 },
  { test_code = "K", format = 1, index = 2, order_code = "ISE" },
  { test_code = "NA", format = 1, index = 3, order_code = "ISE" },
]
"""


@pytest.fixture
async def lab(tmp_path):
    """A running daemon with a chemistry analyzer that asks for its orders."""
    site = Site(tmp_path, driver="generic-astm")
    async with site:
        (tmp_path / "lab.toml").write_text(LAB)
        site.ok("lab", "load", tmp_path / "lab.toml")
        yield site


def register(site, report=1001, sample="S001", *more):
    site.ok("order", "add", sample, "--format", 1, "--report", report, *more)


async def stop_registrar_and_register(site, report, sample):
    """Register what the daemon can not know; not when it was stopped while it held the store."""
    add = ("order", "add", sample, "--format", 1, "--report", report, "-c", site.config)
    site.daemon.signal_registrar(signal.SIGSTOP)
    while rerund(*add).exit_code:
        site.daemon.signal_registrar(signal.SIGCONT)
        await asyncio.sleep(0.2)
        site.daemon.signal_registrar(signal.SIGSTOP)


async def analyzer(site):
    return await AstmAnalyzer().connect(site.daemon.ports["42"])


async def ask(one, sample="S001"):
    await one.send("H|\\^&", f"Q|1|^{sample}||ALL||||||||O", "L|1|N")


async def send(one, sample="S001", **values):
    at = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
    results = [
        f"R|{number}|^^^{code}|{value}|||N||F||||{at}"
        for number, (code, value) in enumerate(values.items(), 1)
    ]
    await one.send("H|\\^&", "P|1", f"O|1|{sample}||^^^ALL", *results, "L|1|N")


def copied(site):
    """Return report and number of each order in the local copy."""
    with JournalReader(site.state_dir / "journal.db") as reader:
        orders = [unpack_order(body) for body in reader.orders()]
    return {(order.lab_report_id, order.rerun_number) for order in orders}


def statuses(site, report=1001):
    rows = site.says("order", "waiting", "--report", report)
    return {row["rerun_number"]: (row["remaining"], row["status"]) for row in rows}


@pytest.mark.conformance(108)
async def test_a_query_is_answered_with_the_order_codes_of_the_instrument(lab):
    register(lab)
    async with await analyzer(lab) as one:
        await ask(one)
        assert await one.takes_orders() == [("S001", ["GLU", "ISE"])]
        await until(lambda: statuses(lab) == {0: ([1, 2, 3], "sent")})


async def test_a_rerun_is_ordered_by_exactly_the_codes_that_cover_it(lab):
    register(lab)
    async with await analyzer(lab) as one:
        await ask(one)
        await one.takes()
        await send(one, GLU="100", K="4.1", NA="140")
        await until(lambda: statuses(lab) == {0: ([], "resulted")})
        lab.ok("rerun", "request", 1001, "--index", 2)
        await until(lambda: copied(lab) == {(1001, 1)})
        await ask(one)
        assert await one.takes_orders() == [("S001", ["ISE"])]
        await send(one, K="4.4", NA="141")
        await until(lambda: lab.says("rerun", "show", 1001)["sampleRedrawFlag"] == 4)
        values = lab.says("rerun", "show", 1001)["reruns"]
        assert [(v["index"], v["value"], v["rerun_number"], v["requested"]) for v in values] == [
            (2, "4.4", 1, True),
            (3, "141", 1, False),
        ]
        assert statuses(lab) == {0: ([], "resulted"), 1: ([], "resulted")}


@pytest.mark.conformance(109)
async def test_a_sample_that_is_not_registered_has_no_order(lab):
    async with await analyzer(lab) as one:
        await ask(one, "UNKNOWN")
        records = await one.takes()
        assert [fields[1] for fields in records] == ["H", "L"]
        assert records[-1][3] == "I"


@pytest.mark.conformance(111)
async def test_several_samples_in_one_query_get_one_answer(lab):
    register(lab, 1001, "S001")
    register(lab, 1002, "S002", "--index", 1)
    async with await analyzer(lab) as one:
        await one.send("H|\\^&", "Q|1|^S002\\^S001||ALL||||||||O", "L|1|N")
        assert sorted(await one.takes_orders()) == [("S001", ["GLU", "ISE"]), ("S002", ["GLU"])]


@pytest.mark.conformance(111)
async def test_a_query_for_all_gets_everything_that_waits(lab):
    register(lab, 1001, "S001")
    register(lab, 1002, "S002", "--index", 1)
    await until(lambda: copied(lab) == {(1001, 0), (1002, 0)})
    async with await analyzer(lab) as one:
        await one.send("H|\\^&", "Q|1|ALL||ALL||||||||O", "L|1|N")
        assert await one.takes_orders() == [("S001", ["GLU", "ISE"]), ("S002", ["GLU"])]


async def test_an_order_goes_to_the_instrument_that_it_is_pinned_to_alone(lab):
    register(lab)
    async with await analyzer(lab) as one:
        await send(one, GLU="100", K="4.1", NA="140")
        await until(lambda: statuses(lab) == {0: ([], "resulted")})
        other = LAB.partition("[[device]]")[2].replace('"42"', '"43"')
        (lab.folder / "other.toml").write_text(f"[[device]]{other}")
        lab.ok("lab", "load", lab.folder / "other.toml")
        lab.ok("rerun", "request", 1001, "--index", 1, "--device", "43")
        await ask(one)
        assert [fields[1] for fields in await one.takes()] == ["H", "L"]


async def test_what_an_instrument_refuses_comes_back_with_the_reason(lab):
    register(lab)
    async with await analyzer(lab) as one:
        await ask(one)
        await one.takes()
        await until(lambda: statuses(lab) == {0: ([1, 2, 3], "sent")})
        await one.send("H|\\^&", "L|1|E")
        await until(lambda: statuses(lab) == {0: ([1, 2, 3], "refused")})
        (row,) = lab.says("order", "waiting", "--report", 1001)
        assert row["reason"] == "42: L.3=E"
        assert await lab.daemon.logs("order_refused")
        await ask(one)
        assert await one.takes_orders() == [("S001", ["GLU", "ISE"])]


@pytest.mark.conformance(114)
async def test_a_sample_that_nobody_can_look_up_has_no_answer_but_a_known_one_has(tmp_path):
    site = Site(tmp_path, driver="generic-astm", look_up_timeout=0.2)
    async with site:
        (tmp_path / "lab.toml").write_text(LAB)
        site.ok("lab", "load", tmp_path / "lab.toml")
        register(site)
        await until(lambda: copied(site) == {(1001, 0)})
        await stop_registrar_and_register(site, 1002, "S002")
        async with await analyzer(site) as one:
            await ask(one, "S002")
            assert (await site.daemon.logs("query_not_answerable"))["alert"]
            await ask(one, "S001")
            assert await one.takes_orders() == [("S001", ["GLU", "ISE"])]
            site.daemon.signal_registrar(signal.SIGCONT)
            await until(lambda: copied(site) == {(1001, 0), (1002, 0)})
            await ask(one, "S002")
            assert await one.takes_orders() == [("S002", ["GLU", "ISE"])]


async def test_orders_outlive_a_restart_without_stores(tmp_path):
    async with Site(tmp_path, driver="generic-astm") as site:
        (tmp_path / "lab.toml").write_text(LAB)
        site.ok("lab", "load", tmp_path / "lab.toml")
        register(site)
        await until(lambda: copied(site) == {(1001, 0)})
        await site.daemon.kill()
        for file in site.state_dir.glob("store.db*"):
            file.unlink()
        (site.state_dir / "store.db").write_bytes(b"no database")
        await site.start()
        async with await analyzer(site) as one:
            await ask(one)
            assert await one.takes_orders() == [("S001", ["GLU", "ISE"])]


async def test_a_question_just_after_results_is_about_what_they_leave(lab):
    register(lab)
    await until(lambda: copied(lab) == {(1001, 0)})
    async with await analyzer(lab) as one:
        await send(one, GLU="100", K="4.1")
        await ask(one)
        assert await one.takes_orders() == [("S001", ["ISE"])]
        await send(one, NA="140")
        await ask(one)
        assert [fields[1] for fields in await one.takes()] == ["H", "L"]


@pytest.mark.conformance(113)
async def test_a_second_question_is_an_error_while_the_first_is_open(tmp_path):
    site = Site(tmp_path, driver="generic-astm", look_up_timeout=60)
    async with site, await analyzer(site) as one:
        site.daemon.signal_registrar(signal.SIGSTOP)
        await ask(one, "S001")
        await ask(one, "S002")
        assert (await one.takes())[-1][3] == "Q"
        site.daemon.signal_registrar(signal.SIGCONT)
        assert (await one.takes())[-1][3] == "I"


@pytest.mark.conformance(110)
async def test_a_question_that_is_taken_back_is_not_answered(tmp_path):
    async with Site(tmp_path, driver="generic-astm") as site, await analyzer(site) as one:
        site.daemon.signal_registrar(signal.SIGSTOP)
        await ask(one, "S001")
        await one.send("H|\\^&", "Q|1|^S001||ALL||||||||A", "L|1|N")
        site.daemon.signal_registrar(signal.SIGCONT)
        await ask(one, "S002")
        assert (await one.takes())[-1][3] == "I"
        await site.daemon.logs("query_answered")
        answers = [line for line in site.daemon.log if line["event"].startswith("query_")]
        assert [(line["event"], line["entry_id"]) for line in answers] == [("query_answered", 3)]


@pytest.mark.conformance(112)
async def test_who_asks_for_a_re_analysis_gets_the_rerun_alone(tmp_path):
    async with Site(tmp_path, driver="sysmex-xn") as site:
        (tmp_path / "lab.toml").write_text(LAB)
        site.ok("lab", "load", tmp_path / "lab.toml")
        register(site)
        site.ok("rerun", "request", 1001, "--index", 1)
        header = "H|\\^&|||    XN-1000^00-24^11001^^^^AP000001||||||||E1394-97"
        async with await analyzer(site) as one:
            for mode, expected in (("N", ["GLU", "GLU ISE"]), ("C", ["GLU"])):
                await one.send(header, f"Q|1|2^1^S001^B||||||||||{mode}", "L|1|N")
                orders = [fields[5] for fields in await one.takes() if fields[1] == "O"]
                told = [order.replace("^", "").replace("\\", " ") for order in orders]
                assert sorted(told) == expected


async def test_orders_are_pushed_to_an_instrument_that_does_not_ask(tmp_path):
    async with Site(tmp_path, driver="abbott-celldyn-ruby") as site:
        (tmp_path / "lab.toml").write_text(LAB)
        site.ok("lab", "load", tmp_path / "lab.toml")
        register(site, 1001, "S001")
        async with await analyzer(site) as one:
            assert await one.takes_orders() == [("S001", ["GLU^1^0", "ISE^1^0"])]
            await until(lambda: statuses(site) == {0: ([1, 2, 3], "sent")})
            register(site, 1002, "S002")
            assert [sample for sample, _ in await one.takes_orders()] == ["S002"]
            refused = "C|1|I|Order List Add Failed^Specimen ID|G"
            await one.send("H|\\^&", "P|1", "O|1|S002||^^^GLU", refused, "L|1|N")
            await until(lambda: statuses(site, 1002) == {0: ([1, 2, 3], "refused")})
        # Nothing is sent twice, not on another line and not after a restart.
        await site.daemon.kill()
        await site.start()
        async with await analyzer(site) as one:
            register(site, 1003, "S003")
            assert [sample for sample, _ in await one.takes_orders()] == ["S003"]


async def test_a_cancelled_rerun_is_taken_back_from_the_instrument_that_was_sent_it(lab):
    register(lab, 1001, "S001", "--index", 1)
    async with await analyzer(lab) as one:
        await send(one, GLU="100")
        await until(lambda: statuses(lab) == {0: ([], "resulted")})
        lab.ok("rerun", "request", 1001, "--index", 1)
        await ask(one)
        assert await one.takes_orders() == [("S001", ["GLU"])]
        await until(lambda: statuses(lab)[1] == ([1], "sent"))
        lab.ok("rerun", "cancel", 1001, "--reason", "not needed")
        (order,) = [fields for fields in await one.takes() if fields[1] == "O"]
        assert (order[3], order[5], order[12]) == ("S001", "^^^GLU", "C")
