"""HL7 from the wire to what `rerund results` tells, by a daemon."""

import asyncio

import pytest

from rerund.cli.exits import REFUSED
from tests.rerund.site import Site, rerund


def result(number: int, value: str, time: str) -> str:
    """One chemistry result of a specimen, as a message."""
    return "\r".join(
        [
            rf"MSH|^~\&|A1|Lab|||{time}||ORU^R01|{number}|P|2.5.1",
            "PID|1||P1",
            "OBR|1||S001|CHEM",
            f"OBX|1|NM|GLU||{value}|mmol/L||N|||F||||||||{time}",
            "",
        ]
    )


def mindray(number: int, time: str, *values: tuple[str, str, str]) -> str:
    """Results of a Mindray CL as (value, time, OBX-17)."""
    return "\r".join(
        [
            rf"MSH|^~\&|||||{time}||ORU^R01|{number}|P|2.3.1||||0||ASCII",
            "PID|1|1001",
            "OBR|1|S001|17|^|N",
            *(
                f"OBX|{n}|NM|2|TSH|{value}|uIU/mL||N|||F||{value}|{at}||Tech1|{flag}|"
                for n, (value, at, flag) in enumerate(values, 1)
            ),
            "",
        ]
    )


def states(site: Site) -> list[tuple[str, str]]:
    return [(entry["state"], entry["reason"]) for entry in site.entries()]


@pytest.mark.conformance(135, 142)
async def test_a_repeated_test_is_a_rerun_by_history_and_a_resent_message_is_none(tmp_path):
    first, second = result(1, "5.0", "20260520100000"), result(2, "6.1", "20260520110000")
    async with Site(tmp_path, driver="generic-hl7") as site:
        sent = await site.sends(first, first, second)
        assert (sent.accepted, sent.replies) == (True, 3)
        await site.settled()
        original, rerun = site.payloads("S001")
        # After a restart nothing is remembered of what came before but what is in the journal.
        await site.daemon.kill()
        await site.start()
        assert (await site.sends(second)).accepted
        await site.settled()
        assert len(site.payloads("S001")) == 2
        assert states(site) == [
            ("interpreted", ""),
            ("rejected", "retransmitted"),
            ("interpreted", ""),
            ("retransmission", ""),
        ]
    values = [(p["results"][0]["test_code"], p["results"][0]["value"]) for p in (original, rerun)]
    assert values == [("GLU", "5.0"), ("GLU", "6.1")]
    assert [(p["is_rerun"], p["rerun_type"]) for p in (original, rerun)] == [
        (False, None),
        (True, "machine_rerun"),
    ]


@pytest.mark.conformance(131, 148)
async def test_the_mark_of_a_mindray_cl_makes_a_rerun(tmp_path):
    async with Site(tmp_path, driver="mindray-cl") as site:
        assert (
            await site.sends(mindray(1, "20260302104500", ("12.3", "20260302104455", "0")))
        ).accepted
        again = mindray(2, "20260302111500", ("12.1", "20260302111455", "1"))
        assert (await site.sends(again)).accepted
        await site.settled()
        original, rerun = site.payloads("S001")
    assert (original["is_rerun"], rerun["is_rerun"]) == (False, True)
    assert {result["evidence"] for result in rerun["results"]} == {"explicit"}
    assert rerun["results"][0]["value"] == "12.1"


@pytest.mark.conformance(127)
async def test_a_query_is_kept_as_one_and_acknowledged(tmp_path):
    query = "\r".join(
        [
            r"MSH|^~\&|||||20260302100500||QRY^Q02|4|P|2.3.1||||||ASCII|||",
            "QRD|20260302100500|R|D|2|||RD|0426030217|OTH|||T|",
            "QRF|CL-1000i|||||RCT|COR|ALL||",
            "",
        ]
    )
    async with Site(tmp_path, driver="mindray-cl") as site:
        assert (await site.sends(query)).accepted
        await site.settled()
        assert states(site) == [("query", "")]


async def test_the_command_line_plays_shows_and_tells_what_was_refused(tmp_path):
    path = tmp_path / "results.hl7"
    path.write_text(result(1, "5.0", "20260520100000").replace("GLU", "µGLU").replace("\r", "\n"))
    refused = tmp_path / "refused.hl7"
    refused.write_text(path.read_text().replace("|1|P|", "||P|"))
    async with Site(tmp_path, driver="generic-hl7") as site:
        to = f"127.0.0.1:{site.daemon.ports['42']}"
        played = await asyncio.to_thread(rerund, "simulate", "--to", to, path)
        wrong = await asyncio.to_thread(rerund, "simulate", "--to", to, refused)
        await site.settled()
        shown = site.ok("journal", "show", 1).stdout
    assert played.exit_code == 0
    assert [line.split()[:3] for line in played.stdout.splitlines()] == [
        ["message", "1", "AA"],
        ["1", "messages", "sent,"],
    ]
    assert wrong.exit_code == REFUSED
    assert "6 messages sent, 1 refused" in wrong.stdout
    lines = shown.splitlines()
    at = lines.index(next(line for line in lines if "MSH|" in line))
    assert lines[at].startswith("frame        ⟨0B⟩MSH|")
    assert (
        lines[at + 3]
        == f"{' ' * 13}OBX|1|NM|µGLU||5.0|mmol/L||N|||F||||||||20260520100000⟨0D⟩⟨1C⟩⟨0D⟩"
    )


async def test_no_log_line_names_a_sample_and_a_message_under_way_is_told_at_the_stop(tmp_path):
    async with Site(tmp_path, driver="generic-hl7") as site:
        await site.sends(result(1, "5.0", "20260520100000").replace("S001", "S4711"))
        _, writer = await site.line()
        writer.write(b"\x0bMSH|^~\\&|A1|Lab|S4711")
        await writer.drain()
        await site.settled()
        assert await site.daemon.terminate() == 0
        writer.close()
        assert not [line for line in site.daemon.log if "S4711" in str(line)]
