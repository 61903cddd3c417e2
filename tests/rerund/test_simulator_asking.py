"""`rerund simulate --ask`: the question of every driver, and the answer as it is understood."""

import asyncio
import re
import shlex
import signal
import sys
from asyncio.subprocess import PIPE
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers import compose as astm
from drivers.hl7 import compose as hl7
from drivers.orders import Order
from drivers.profile import AstmProfile, Hl7Profile, available, load
from protocols.astm.message import parse
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.message import parse as parse_hl7
from rerund.cli.exits import REFUSED, UNAVAILABLE, USAGE
from rerund.simulator_answer import Ordered, read_astm, read_hl7
from rerund.simulator_question import UnknownQuestion, compose_question
from tests.rerund.site import Site, rerund, until
from tests.rerund.test_daemon_orders import LAB, copied, register, send, statuses
from tests.rerund.test_daemon_orders import analyzer as result_analyzer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
FIRST = Order(order_id="A-1", sample_id="S 1", codes=("GLU", "K"))
RERUN = Order(order_id="A-2", sample_id="S 1", codes=("K",), rerun_number=1, parent_id="A-1")
MARKING = ("generic-astm", "meril-autoquant", "ortho-vision")
"""In ASTM: those whose orders say that they repeat something. In HL7 it is the form `law`."""


def asking():
    loaded = map(load, available())
    return [each for each in loaded if each.order and "query" in each.order.use]


def said(profile, *, orders=(), missing=(), unable=False):
    """What the driver answers its own question, as an instrument understands it."""
    question = compose_question(profile, "S 1", NOW, "7")
    if isinstance(profile, AstmProfile):
        (asked,) = parse(question, profile.dialect)
        sent = (
            astm.compose_unable(profile, now=NOW, asked=asked)
            if unable
            else astm.compose(profile, orders, now=NOW, missing=missing, asked=asked)
        )
        texts = [b"".join(outgoing.texts) for outgoing in sent]
        return [read_astm(message, profile) for t in texts for message in parse(t, profile.dialect)]
    assert isinstance(profile, Hl7Profile)
    asked = parse_hl7(question, profile.dialect)

    def stamp():
        return Stamp("R1", "20260520120000")

    answer = (
        hl7.compose_unable(profile, asked, stamp=stamp)
        if unable
        else hl7.compose_answer(profile, asked, orders, missing=missing, stamp=stamp)
    )
    texts = [answer.reply] if answer.reply else []
    texts += [text for outgoing in answer.messages for text in outgoing.texts]
    return [read_hl7(parse_hl7(text, profile.dialect), profile) for text in texts]


def last(heard):
    return heard[-1].verdict if heard else "nothing"


@pytest.mark.parametrize("profile", asking(), ids=lambda profile: profile.name)
def test_every_driver_that_is_answered_has_a_question_and_its_answer_is_understood(profile):
    marks = profile.name in MARKING or "law" in getattr(profile.order, "form", {}).values()
    assert said(profile, orders=[FIRST])[-1].orders == (Ordered("S 1", ("GLU", "K")),)
    assert said(profile, orders=[RERUN])[-1].orders == (Ordered("S 1", ("K",), marks),)
    silent = profile.name in ("siemens-immulite2000", "snibe-maglumi", "snibe-maglumi-hl7")
    assert last(said(profile, missing=["S 1"])) == ("nothing" if silent else "none")
    hears_it = isinstance(profile, Hl7Profile)
    assert last(said(profile, unable=True)) == ("unable" if hears_it else "nothing")


def test_an_order_taken_back_and_a_second_question_are_understood():
    profile = load("generic-astm")
    (sent,) = astm.compose_cancel(profile, [FIRST], now=NOW)
    (message,) = parse(b"".join(sent.texts))
    assert read_astm(message, profile).orders == (Ordered("S 1", ("GLU", "K"), False, True),)
    (asked,) = parse(compose_question(profile, "S1", NOW, "7"))
    (sent,) = astm.compose_busy(profile, now=NOW, asked=asked)
    (message,) = parse(b"".join(sent.texts))
    assert read_astm(message, profile).verdict == "busy"
    law = load("generic-hl7")
    (sent,) = hl7.compose_cancel(law, [FIRST], stamp=lambda: Stamp("R1", "20260520120000"))
    assert read_hl7(parse_hl7(sent.texts[0]), law).orders[0].is_cancelled


@pytest.mark.parametrize(
    ("profile", "sample", "words"),
    [
        ("abbott-celldyn-ruby", "S1", "its questions are not answered"),
        ("biorad-d10", "S1", "its questions are not answered"),
        ("generic-astm", "S漢", "S漢"),
        ("generic-astm", "ALL", "can not ask for 'ALL'"),
        ("generic-astm", " ", "can not ask for ' '"),
    ],
)
def test_a_question_that_is_not_known_is_not_made_up(profile, sample, words):
    with pytest.raises(UnknownQuestion, match=words):
        compose_question(load(profile), sample, NOW, "7")


def test_a_form_that_no_page_has_is_not_made_up():
    profile = load("mindray-bs")
    query = profile.query.model_copy(update={"messages": ("QRY^R02",)})
    with pytest.raises(UnknownQuestion, match=r"form of its questions is not known \(QRY\^R02\)"):
        compose_question(profile.model_copy(update={"query": query}), "S1", NOW, "7")


async def simulate(site, *arguments):
    """Run `rerund simulate` at the instrument's address; returns exit code and lines."""
    address = f"127.0.0.1:{site.daemon.ports['42']}"
    done = await asyncio.to_thread(rerund, "simulate", "--to", address, *arguments)
    return done.exit_code, done.output.splitlines()


async def open_lab(site):
    (site.folder / "lab.toml").write_text(LAB)
    site.ok("lab", "load", site.folder / "lab.toml")
    register(site)
    await until(lambda: copied(site) == {(1001, 0)})


DRIVERS = ("generic-astm", "mindray-bs", "mindray-bc", "generic-hl7", "cepheid-genexpert-hl7")


@pytest.mark.parametrize("driver", [*DRIVERS, "roche-cobas-8000", "sysmex-xn"])
async def test_a_running_daemon_answers_the_question_of(driver, tmp_path):
    async with Site(tmp_path, driver=driver) as site:
        await open_lab(site)
        ask = ("--driver", driver, "--ask")
        assert await simulate(site, *ask, "S001") == (0, ["S001: GLU ISE"])
        # A display message is acknowledged, a work step is taken; others say nothing.
        taken = "accepted" if driver in ("mindray-bs", "generic-hl7") else "sent"
        await until(lambda: statuses(site) == {0: ([1, 2, 3], taken)})
        assert await simulate(site, *ask, "UNKNOWN") == (0, ["UNKNOWN: no order"])


async def test_a_rerun_says_so_and_one_that_is_cancelled_is_taken_back(tmp_path):
    async with Site(tmp_path, driver="generic-astm") as site:
        await open_lab(site)
        async with await result_analyzer(site) as one:
            await send(one, GLU="100", K="4.1", NA="140")
            await until(lambda: statuses(site) == {0: ([], "resulted")})
        site.ok("rerun", "request", 1001, "--index", 2)
        await until(lambda: copied(site) == {(1001, 1)})
        ask = ("--driver", "generic-astm", "--ask", "S001")
        assert await simulate(site, *ask) == (0, ["S001: ISE (rerun)"])


async def test_what_cannot_be_answered_now_is_no_answer(tmp_path):
    site = Site(tmp_path, driver="mindray-bs", look_up_timeout=0.2)
    async with site:
        site.daemon.signal_registrar(signal.SIGSTOP)
        heard = await simulate(site, "--driver", "mindray-bs", "--ask", "S001")
        assert heard == (REFUSED, ["S001: can not be answered now"])
        silence = ("--driver", "generic-astm", "--ask", "S001", "--reply-timeout", "0.5")
        code, [line] = await simulate(site, *silence)  # the wrong protocol is not heard either
        assert code == REFUSED
        assert line.startswith("S001: no answer within 0.5 s; rerund's log says why")
        site.daemon.signal_registrar(signal.SIGCONT)


async def test_pushed_orders_are_taken(tmp_path):
    async with Site(tmp_path, driver="abbott-celldyn-ruby") as site:
        await open_lab(site)
        heard = await simulate(site, "--driver", "abbott-celldyn-ruby", "--take", "1.5")
        assert heard == (0, ["S001: GLU ISE"])
        await until(lambda: statuses(site) == {0: ([1, 2, 3], "sent")})


async def test_orders_come_on_a_line_of_their_own(tmp_path):
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    site = Site(tmp_path, driver="abbott-alinity-ci")
    with site.config.open("a") as file:
        file.write(f'orders_link = "connect://127.0.0.1:{port}"\n')
    async with site:
        await open_lab(site)
        driver = ("--driver", "abbott-alinity-ci")
        here = f"listen://127.0.0.1:{port}"
        command = (sys.executable, "-m", "rerund", "simulate", "--to", here, *driver)
        taking = await asyncio.create_subprocess_exec(*command, "--take", "6", stdout=PIPE)
        ask = (*driver, "--ask", "S001", "--reply-timeout", "1")

        async def asked():
            code, _ = await simulate(site, *ask)
            assert code == REFUSED  # the reply came here, and no order
            return statuses(site) == {0: ([1, 2, 3], "accepted")}

        while not await asked():
            await asyncio.sleep(0.1)
        output, _ = await taking.communicate()
        assert taking.returncode == 0
        assert set(output.decode().splitlines()) == {"S001: GLU ISE"}


def test_nobody_there_is_no_connection():
    ask = ("--driver", "generic-astm", "--ask", "S001")
    assert rerund("simulate", "--to", "127.0.0.1:1", *ask).exit_code == UNAVAILABLE


@pytest.mark.parametrize(
    "arguments",
    [
        ("--ask", "S001"),
        ("--take", "1"),
        ("--ask", "S001", "--driver", "generic-astm", "file.astm"),
        ("--ask", "S001", "--driver", "biorad-d10"),
        ("--take", "1", "--driver", "biorad-d10"),
    ],
)
def test_what_is_missing_or_too_much_is_told(arguments):
    done = rerund("simulate", "--to", "127.0.0.1:1", *arguments)
    assert done.exit_code == USAGE
    assert done.stderr


HEMATOLOGY = """
[[format]]
id = 1
name = "Blood count"
parameter = [
  { index = 1, name = "WBC", units = "10*3/uL" },
  { index = 2, name = "RBC", units = "10*6/uL" },
  { index = 3, name = "PLT", units = "10*3/uL" },
]
[[device]]
id = "42"
name = "Sysmex XN-1000"
mapping = [
  { test_code = "WBC", format = 1, index = 1 },
  { test_code = "RBC", format = 1, index = 2 },
  { test_code = "PLT", format = 1, index = 3 },
]
[[report]]
id = 1000
sample = "S000"
format = 1
"""


async def test_the_commands_of_the_page_say_what_the_page_says(tmp_path):
    (commands, expected) = re.findall(
        r"```(?:sh)?\n(rerund order.*?|report 1001.*?)```", PAGE, re.S
    )
    add, ask, waiting = commands.splitlines()
    async with Site(tmp_path, driver="sysmex-xn") as site:
        (tmp_path / "lab.toml").write_text(HEMATOLOGY)
        site.ok("lab", "load", tmp_path / "lab.toml")
        output = site.ok(*shlex.split(add)[1:]).stdout
        port = site.daemon.ports["42"]
        words = shlex.split(ask.replace(":5001", f":{port}"))[1:]
        output += (await asyncio.to_thread(rerund, *words)).stdout
        assert output == expected
        await until(lambda: "sent" in site.ok(*shlex.split(waiting)[1:]).stdout)
