"""One story for each kind of instrument: ordered, measured, to be repeated, measured again.

Each is asked for in its own form, or gets its orders unasked, and its values arrive as rerun 1.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import pytest

from protocols.hl7.dialect import Dialect
from tests.rerund.analyzer import Analyzer, AstmAnalyzer, Hl7Analyzer
from tests.rerund.site import Site, until

LAB = """
[[format]]
id = 1
name = "Panel"
parameter = [{ index = 1, name = "One" }, { index = 2, name = "Two" }]
[[device]]
id = "42"
name = "Analyzer"
mapping = [
  { test_code = "FIRST", format = 1, index = 1, order_code = "101" },
  { test_code = "SECOND", format = 1, index = 2, order_code = "102" },
]
"""
SAMPLE = "S260302017"
_numbers = count(1)


class Kind(NamedTuple):
    """An instrument: what it calls its results, its question, its results, its reading."""

    driver: str
    codes: tuple[str, str]
    ask: Callable[[], Any] | None
    results: Callable[[dict[str, str]], Any]
    read: Callable[[Any], list[str]]


def now() -> str:
    return f"{datetime.now(UTC):%Y%m%d%H%M%S}"


# ASTM: what is sent is records, what is read is fields.


def universal_tests(records: list[list[str]]) -> list[str]:
    """Return component 4 or 5 of each test in O.5."""
    orders = [fields[5] for fields in records if fields[1] == "O"]
    tests = [test.strip("^").split("^")[0] for order in orders for test in order.split("\\")]
    return [test for test in tests if test]


def xn_ask() -> list[str]:
    return [
        r"H|\^&|||    XN-1000^00-24^11001^^^^AP000001||||||||E1394-97",
        f"Q|1|2^1^{SAMPLE:>22}^B||||{now()}||||||N",
        "L|1|N",
    ]


def xn_results(values: dict[str, str]) -> list[str]:
    return [
        r"H|\^&|||    XN-1000^00-24^11001^^^^AP000001||||||||E1394-97",
        "P|1",
        f"O|1||2^1^{SAMPLE:>22}^B|^^^^ALL|||||||N||||||||||||||F",
        *(f"R|{n}|^^^^{c}^1|{v}|10*3/uL||N||F||||{now()}" for n, (c, v) in rows(values)),
        "L|1|N",
    ]


def cobas_ask() -> list[str]:
    return [
        r"H|\^&|||H7600^1|||||host|TSREQ^REAL|P|1",
        f"Q|1|^^{SAMPLE:>22}^0^5069^5^^S1^SC^R1||ALL||||||||O",
        "L|1|N",
    ]


def cobas_results(values: dict[str, str]) -> list[str]:
    return [
        r"H|\^&|||H7600^1|||||host|RSUPL^REAL|P|1",
        "P|1|||||||U||||||^",
        f"O|1|{SAMPLE:>22}|0^5069^5^^S1^SC|^^^1^|R||{now()}||||N||||1|||||||{now()}|||F",
        *(f"R|{n}|^^^{c}/|{v}|mmol/l||N||F||ADM   |||P1" for n, (c, v) in rows(values)),
        "L|1|N",
    ]


def ruby_results(values: dict[str, str]) -> list[str]:
    return [
        r"H|\^&|||10000001A^CDRuby^R5-4H^1.0|||||||P|LIS2-A",
        "P|1",
        f"O|1|{SAMPLE}||^^^CBC",
        *(f"R|{n}|^^^CBC^^^{c}|{v}|||||F|||{now()}||1" for n, (c, v) in rows(values)),
        "L|1|N",
    ]


# HL7: what is sent is a message, what is read is segments.


def hl7(*segments: str) -> str:
    return "\r".join([*segments, ""])


def texts(message: Any, segment: str, position: int) -> list[str]:
    return [s.value(position, 1) for s in message.segments if s.type == segment]


def bs_ask() -> str:
    number = next(_numbers)
    return hl7(
        rf"MSH|^~\&|Mindray|BS-200E|||{now()}||QRY^Q02|{number}|P|2.3.1||||||ASCII|||",
        f"QRD|{now()}|R|D|{number}|||RD|{SAMPLE}|OTH|||T|",
        "QRF|BS-200E||||RCT|COR|ALL||",
    )


def bs_results(values: dict[str, str]) -> str:
    return hl7(
        rf"MSH|^~\&|Mindray|BS-200E|||{now()}||ORU^R01|{next(_numbers)}|P|2.3.1||||0||ASCII|||",
        "PID|1|1001",
        f"OBR|1|{SAMPLE}|17|Mindray^BS-200E|N|{now()}|{now()}||||||||serum",
        *(f"OBX|{n}|NM|{c}|X|{v}|mmol/L||N|||F||{v}|{now()}" for n, (c, v) in rows(values)),
    )


def bs_tests(message: Any) -> list[str]:
    return [text.partition("^")[0] for text in texts(message, "DSP", 3)[28:] if text]


def bc_ask() -> str:
    return hl7(
        rf"MSH|^~\&|BC-5150|Mindray|||{now()}||ORM^O01|{next(_numbers)}|P|2.3.1||||||UNICODE",
        f"ORC|RF||{SAMPLE}||IP",
    )


def bc_results(values: dict[str, str]) -> str:
    return hl7(
        rf"MSH|^~\&|BC-5380|Mindray|||{now()}||ORU^R01|{next(_numbers)}|P|2.3.1||||||UNICODE",
        "PID|1",
        f"OBR|1||{SAMPLE}|00001^Automated Count^99MRC||{now()}|{now()}",
        *(f"OBX|{n}|NM|{c}^X^LN||{v}|10*9/L||N|||F" for n, (c, v) in rows(values)),
    )


def bc_tests(reply: Any) -> list[str]:
    return [mode for text in texts(reply, "OBX", 5) for mode in text.split("+")]


def xpert_ask() -> str:
    number = next(_numbers)
    return hl7(
        rf"MSH|^~\&|Lab2^GeneXpert^6.5||LIS||{now()}||QBP^Z03^QBP_Z03|q{number}|P|2.5",
        f"QPD|Z03^HOST QUERY|q{number}||{SAMPLE}",
        "RCP|I",
    )


def xpert_results(values: dict[str, str]) -> str:
    return hl7(
        rf"MSH|^~\&|Lab2^GeneXpert^6.5||LIS||{now()}||ORU^R32^ORU_R30|U{next(_numbers)}|P|2.5",
        "PID|1",
        f"ORC|RE|1|||||||{now()}",
        "OBR|1|||PANEL|||||||||||||||||||||F",
        f"TQ1|||||||{now()}|{now()}|R",
        *(f"OBX|{n}|ST|{c}&T&Assay&4|A|{v}^||||||F" for n, (c, v) in rows(values)),
        f"SPM|1|{SAMPLE}^||ORH|||||||P",
    )


def pro_ask() -> str:
    number = next(_numbers)
    return hl7(
        rf"MSH|^~\&|cobas pro||host||{now()}+0000||QBP^Q11^QBP_Q11|{number}|P|2.5.1" + PRO,
        f"QPD|INIBAR^^99ROC|{number}|{SAMPLE}|50012|3|||||SERPLAS^^99ROC|SC^^99ROC|R",
        "RCP|I|1|R^^HL70394",
    )


PRO = "|||NE|AL||UNICODE UTF-8|||LAB-27R^ROCHE"


def pro_results(values: dict[str, str]) -> str:
    at = f"{now()}+0000"
    return hl7(
        rf"MSH|^~\&|cobas pro||host||{at}||OUL^R22^OUL_R22|{next(_numbers)}|P|2.5.1" + PRO,
        "PID|||P1",
        f"SPM|1|{SAMPLE}&BARCODE||SERPLAS^^99ROC|||||||P^^HL70369",
        f"SAC|||{SAMPLE}^BARCODE|||||||50012|3",
        *(
            line
            for n, (c, v) in rows(values)
            for line in (
                f'OBR|{n}|""||{c}^^99ROC',
                "ORC|SC||||CM",
                f"OBX|1|NM|{c}^{c}^99ROC^^^IHELAW|1|{v}|mg/dL^^99ROC||||||F||||||||{at}" + RSLT,
            )
        ),
    )


RSLT = "||8||||||||RSLT"


def c8000_ask() -> str:
    number = next(_numbers)
    return hl7(
        rf"MSH|^~\&|cobas 8000||host||{now()}||TSREQ|{number}||2.5||||ER||UNICODE UTF-8|",
        f"QPD|TSREQ|{number}|{SAMPLE}||50042|2||||S1|SC|R1|R|",
        "RCP|I|1|R|",
    )


def c8000_results(values: dict[str, str]) -> str:
    return hl7(
        rf"MSH|^~\&|cobas 8000||host||{now()}||OUL^R22|{next(_numbers)}||2.5||||NE||UNICODE UTF-8|",
        "PID|1",
        f"SPM||{SAMPLE}||S1||not|||||P|||^^^^|||{now()}||||||||||SC|",
        "SAC||||||||||50022|1|",
        *(
            line
            for n, (c, v) in rows(values)
            for line in (
                f"OBR|{n}|||{c}|",
                "TQ1|1||||||||R|",
                f"OBX|1||{c}||{v}|U/mL||N|||F|||{now()}|op1||0|e602|{now()}|",
                f"TCD|{c}|1|",
            )
        ),
    )


def steps(message: Any) -> list[str]:
    return texts(message, "OBR", 4)


def rows(values: dict[str, str]) -> Any:
    return enumerate(values.items(), 1)


KINDS = (
    Kind("sysmex-xn", ("WBC", "PLT"), xn_ask, xn_results, universal_tests),
    Kind("roche-cobas-6000", ("717", "690"), cobas_ask, cobas_results, universal_tests),
    Kind("abbott-celldyn-ruby", ("WBC", "PLT"), None, ruby_results, universal_tests),
    Kind("mindray-bs", ("5", "6"), bs_ask, bs_results, bs_tests),
    Kind("mindray-bc", ("6690-2", "777-3"), bc_ask, bc_results, bc_tests),
    Kind("cepheid-genexpert-hl7", ("P&ONE", "P&TWO"), xpert_ask, xpert_results, steps),
    Kind("roche-cobas-pro", ("20490", "20500"), pro_ask, pro_results, steps),
    Kind("roche-cobas-8000", ("53", "8717"), c8000_ask, c8000_results, steps),
)
NO_REPLY = "roche-cobas-8000"
"""The one that takes orders in place of a reply, and wants none to its results (MSH-16 NE)."""

IN_REPLY = ("mindray-bc", "cepheid-genexpert-hl7")
"""Those whose orders stand in the reply to their question."""


async def open_line(kind: Kind, site: Site) -> Analyzer:
    encoding = "utf-8" if kind.driver.startswith("roche") else "latin-1"
    is_hl7 = not isinstance(kind.results({}), list)
    analyzer = Hl7Analyzer(Dialect(encoding=encoding)) if is_hl7 else AstmAnalyzer()
    return await analyzer.connect(site.daemon.ports["42"])


async def orders(kind: Kind, one: Any) -> list[str]:
    """Let the instrument ask, if it is one that asks; returns the codes that it is told."""
    if isinstance(one, AstmAnalyzer):
        if kind.ask is not None:
            await one.send(*kind.ask())
        return kind.read(await one.takes())
    assert kind.ask is not None
    if kind.driver == NO_REPLY:
        one.says(kind.ask())
        return kind.read(await one.takes())
    reply = await one.asks(kind.ask())
    return kind.read(reply if kind.driver in IN_REPLY else await one.takes())


async def send(kind: Kind, one: Any, values: dict[str, str]) -> None:
    if isinstance(one, AstmAnalyzer):
        await one.send(*kind.results(values))
    elif kind.driver == NO_REPLY:
        one.says(kind.results(values))
    else:
        assert (await one.asks(kind.results(values))).first("MSA").value(1) == "AA"


@pytest.mark.parametrize("kind", KINDS, ids=[kind.driver for kind in KINDS])
async def test_an_instrument_is_asked_to_repeat_just_what_a_technician_requests(tmp_path, kind):
    first, second = kind.codes
    names = {"FIRST": first, "SECOND": second}
    if kind.driver.startswith("cepheid"):
        names = {name: f"{code}^A".replace("&", "^") for name, code in names.items()}
    async with Site(tmp_path, driver=kind.driver) as site:
        lab = LAB
        for name, code in names.items():
            lab = lab.replace(name, code)
        (tmp_path / "lab.toml").write_text(lab)
        site.ok("lab", "load", tmp_path / "lab.toml")
        site.ok("order", "add", SAMPLE, "--format", 1, "--report", 1001)
        async with await open_line(kind, site) as one:
            assert await orders(kind, one) == ["101", "102"]
            await send(kind, one, {first: "5.1", second: "210"})
            await until(lambda: len(site.says("rerun", "show", 1001)["originals"]) == 2)
            site.ok("rerun", "request", 1001, "--index", 2)
            assert await orders(kind, one) == ["102"]
            await send(kind, one, {second: "190"})
            await until(lambda: site.says("rerun", "show", 1001)["sampleRedrawFlag"] == 4)
        (value,) = site.says("rerun", "show", 1001)["reruns"]
        said = (value["index"], value["value"], value["rerun_number"], value["requested"])
        assert said == (2, "190", 1, True)
        assert value["rerun_type"] == "manual_rerun"
