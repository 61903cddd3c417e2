"""An instrument that speaks the other protocol than its driver, on real sockets."""

import pytest
from structlog.testing import capture_logs

from protocols.astm.control import ENQ, EOT
from protocols.astm.dialect import STANDARD as ASTM
from protocols.astm.frame import encode as frame
from protocols.hl7.dialect import STANDARD as HL7
from protocols.hl7.mllp import encode as block
from rerund.link_stranger import Stranger
from tests.rerund.lines import Bench, until
from tests.rerund.wire import in_reads_of

MESSAGE = block(b"MSH|^~\\&|A1|Lab|||20260520110000||ORU^R01|7|P|2.5.1\r")
HEADER = frame(b"H|\\^&|||A1\r", 1)

FOREIGN = {
    "HL7 on a link for ASTM": (ASTM, "HL7", [MESSAGE, MESSAGE]),
    "HL7 byte by byte": (ASTM, "HL7", in_reads_of(1, MESSAGE)),
    "HL7 after noise": (ASTM, "HL7", [b"\x00\xff", MESSAGE]),
    "an enquiry of ASTM on a link for HL7": (HL7, "ASTM", [ENQ, EOT, ENQ]),
    "ASTM that waits for no answer": (HL7, "ASTM", [ENQ + HEADER + EOT]),
    "ASTM byte by byte": (HL7, "ASTM", in_reads_of(1, ENQ + HEADER + EOT)),
}


async def warnings(bench: Bench, dialect, writes) -> list[dict[str, object]]:
    link = await bench.serve(dialect=dialect)
    line = await bench.call(link)
    sent = 0
    with capture_logs() as logs:
        for data in writes:
            sent += len(data)
            line.say(data)
            await until(lambda: link.counters.bytes_in == sent)  # noqa: B023
    return logs


@pytest.mark.parametrize(("dialect", "protocol", "writes"), FOREIGN.values(), ids=FOREIGN)
async def test_a_connection_in_the_other_protocol_is_told_once(tmp_path, dialect, protocol, writes):
    async with Bench(tmp_path) as bench:
        [warning] = await warnings(bench, dialect, writes)
    assert (warning["event"], warning["log_level"]) == ("other_protocol", "warning")
    assert warning["link"] == "42"
    assert f"a driver whose protocol is {protocol.lower()}" in warning["hint"]


OWN = {
    "ASTM": (ASTM, [b"noise", b"\x0b", ENQ, HEADER, EOT]),
    "HL7": (HL7, [b"noise", b"\x00\x05\x02", MESSAGE, b"\r\n"]),
}


@pytest.mark.parametrize(("dialect", "writes"), OWN.values(), ids=OWN)
async def test_noise_is_no_other_protocol(tmp_path, dialect, writes):
    async with Bench(tmp_path) as bench:
        assert await warnings(bench, dialect, writes) == []


def test_a_mark_is_found_wherever_it_is_cut():
    for cut in range(1, 4):
        with capture_logs() as logs:
            stranger = Stranger("42", expected="ASTM", protocol="HL7")
            stranger.look_at(b"x" * 9 + MESSAGE[:cut])
            stranger.look_at(MESSAGE[cut:])
        assert [line["event"] for line in logs] == ["other_protocol"]
