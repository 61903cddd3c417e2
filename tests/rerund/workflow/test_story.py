"""The rerun workflow from the wire to the log, every store on a server."""

import pytest

from tests.rerund.site import until
from tests.rerund.stores_at import settings_of
from tests.rerund.workflow.hospital import Hospital

CONFIRMED, RECEIVED, REQUESTED, FAILED, CANCELLED = 980, 979, 981, 984, 985
NORMAL = {"WBC": "7.1", "RBC": "4.50", "HGB": "13.4", "PLT": "210"}
CRITICAL = {"WBC": "35.1", "RBC": "4.50", "HGB": "13.4", "PLT": "12"}


@pytest.fixture
async def lab(tmp_path, servers):
    """Report 1001 is ordered for sample S001; nothing has been measured."""
    with settings_of(servers, tmp_path, "mysql", "mongodb", "redis") as settings:
        async with Hospital(tmp_path, settings) as lab:
            lab.open_lab()
            lab.register(1001, ago=60)
            await lab.listening()
            yield lab


def shown(report):
    """Return (value, run it is from) by index."""
    return {v["index"]: (v["value"], v.get("rerun_number")) for v in report["originals"]}


def reviewed(report):
    """Return (index, rerun number, value) of what waits for review."""
    return [(v["index"], v["rerun_number"], v["value"]) for v in report["reruns"]]


async def test_two_parameters_are_repeated_by_their_rule_and_reviewed(lab):
    await lab.measures(CRITICAL, ago=20)
    await lab.knows(1001, 1)
    report = await lab.shows()
    assert (report["sampleRedrawFlag"], report["active"]["type"]) == (3, "Auto")
    assert report["active"]["requested_parameters"] == [1, 4]
    (order,) = lab.waiting()
    assert (order.rerun_number, order.rerun_type) == (1, "auto_rerun")
    assert (order.remaining, order.status) == ([1, 4], "pending")

    await lab.measures({"WBC": "34.8"}, mark="A")
    assert await lab.flag() == 3
    assert lab.waiting()[0].remaining == [4]
    await lab.measures({"PLT": "14"}, mark="A")
    report = await lab.shows()
    assert report["sampleRedrawFlag"] == 4
    assert reviewed(report) == [(1, 1, "34.8"), (4, 1, "14")]
    assert lab.waiting()[0].status == "resulted"

    chosen = {"version": report["version"], "values": [{"index": 1, "rerun_number": 1}]}
    assert (await lab.asks("confirm", chosen))["sampleRedrawFlag"] == 0
    report = await lab.shows()
    assert shown(report) == {
        1: ("34.8", 1),
        2: ("4.50", 0),
        3: ("13.4", 0),
        4: ("12", 0),
    }
    assert lab.records() == (0, 0)
    assert lab.codes() == [REQUESTED, RECEIVED, RECEIVED, CONFIRMED]
    confirmed = lab.log()[-1]
    assert confirmed.old["values"] == {"1": "35.1", "4": "12"}
    assert confirmed.new["values"] == {"1": "34.8", "4": "12"}
    assert len(lab.ledger()) == 6


async def test_a_requested_rerun_is_known_when_it_arrives(lab):
    await lab.measures(NORMAL, ago=20)
    asked = await lab.requests(1, 2, reason="clot?")
    assert (asked["rerun_number"], asked["type"]) == (1, "Manual")
    assert await lab.refuses("request", {"type": "manual_rerun", "requested_parameters": [3]}) == (
        409,
        "rerun_open",
    )
    await lab.measures({"WBC": "7.0", "RBC": "4.48"}, mark="A")
    report = await lab.shows()
    assert report["sampleRedrawFlag"] == 4
    assert {value["requested"] for value in report["reruns"]} == {True}
    payload = lab.payloads("S001")[-1]
    assert (payload["is_rerun"], payload["rerun_number"]) == (True, 1)
    assert payload["rerun_type"] == "manual_rerun"


async def test_a_cancelled_rerun_leaves_no_record_and_its_late_values_are_refused(lab):
    await lab.measures(NORMAL, ago=20)
    asked = await lab.requests(1, device_id="42")
    gone = {"version": asked["version"], "reason": "sample lost"}
    assert (await lab.asks("cancel", gone))["sampleRedrawFlag"] == 0
    assert lab.records() == (0, 0)
    await lab.measures({"WBC": "7.3"}, mark="A")
    report = await lab.shows()
    assert (report["sampleRedrawFlag"], reviewed(report)) == (0, [])
    (beside,) = report["originals"][0]["others"]
    assert (beside["value"], beside["outcome"]) == ("7.3", "refused")
    assert lab.codes() == [REQUESTED, CANCELLED, FAILED]


async def test_a_rerun_by_the_instrument_waits_for_review_beside_an_open_one(lab):
    await lab.measures(NORMAL, ago=20)
    await lab.measures({"PLT": "205"}, ago=10, mark="A")
    assert await lab.flag() == 4
    await lab.requests(1)
    await lab.measures({"HGB": "13.3", "PLT": "206"}, ago=9, mark="A")
    report = await lab.shows()
    assert report["sampleRedrawFlag"] == 3
    assert reviewed(report) == [(3, 3, "13.3"), (4, 1, "205"), (4, 3, "206")]
    await lab.measures({"WBC": "7.0"}, mark="A")
    report = await lab.shows()
    assert report["sampleRedrawFlag"] == 4
    assert (1, 2, "7.0") in reviewed(report)


async def test_cancelling_the_second_rerun_keeps_the_first_under_review(lab):
    await lab.measures(NORMAL, ago=20)
    await lab.measures({"PLT": "205"}, ago=10, mark="A")
    asked = await lab.requests(1)
    gone = {"version": asked["version"], "reason": "not needed"}
    assert (await lab.asks("cancel", gone))["sampleRedrawFlag"] == 4
    assert reviewed(await lab.shows()) == [(4, 1, "205")]


async def test_a_parameter_that_cannot_be_delivered_fails_and_hides_nothing(lab):
    await lab.measures(NORMAL, ago=20)
    await lab.requests(1, 4)
    await lab.measures({"WBC": "7.0", "PLT": "----"}, mark="A")
    report = await lab.shows()
    assert report["sampleRedrawFlag"] == 4
    assert shown(report)[4] == ("210", 0)
    assert lab.codes() == [REQUESTED, RECEIVED, FAILED]
    assert lab.log()[-1].new["parameter_names"] == ["PLT"]
    chosen = {"version": report["version"], "values": [{"index": 4, "rerun_number": 1}]}
    assert await lab.refuses("confirm", chosen) == (422, "unusable")


async def test_any_analyzer_may_run_a_rerun(lab):
    await lab.measures(NORMAL, ago=20)
    await lab.requests(1)
    await lab.measures({"WBC": "7.2"}, on="43")
    report = await lab.shows()
    assert report["sampleRedrawFlag"] == 4
    (value,) = report["reruns"]
    assert (value["rerun_number"], value["device_id"], value["requested"]) == (1, "43", True)


async def test_a_first_run_on_another_analyzer_is_parallel(lab):
    await lab.measures(NORMAL, ago=20)
    await lab.measures({"WBC": "7.2"}, on="43", ago=10)
    report = await lab.shows()
    assert report["sampleRedrawFlag"] == 4
    assert report["reruns"][0]["run_kind"] == "parallel"


async def test_a_barcode_that_is_used_again_is_that_of_its_newest_order(lab):
    lab.register(2001, "S900", ago=3 * 1440, patient_id="P1")
    lab.register(2002, "S900", ago=60, patient_id="P2")
    await lab.measures(NORMAL, sample="S900", ago=20)
    assert shown(await lab.shows(2002))[1] == ("7.1", 0)
    assert shown(await lab.shows(2001)) == {}


async def test_a_run_that_two_patients_were_registered_for_afterwards_is_nobodys(lab):
    lab.register(2001, "S900", ago=15, patient_id="P1")
    lab.register(2002, "S900", ago=10, patient_id="P2")
    await lab.measures(NORMAL, sample="S900", ago=20)
    assert {row.reason for row in lab.ledger("S900")} == {"ambiguous_sample"}
    await until(lambda: lab.told("ambiguous_sample"))
    assert [shown(await lab.shows(report)) for report in (2001, 2002)] == [{}, {}]


async def test_a_unit_that_differs_is_kept_and_not_shown(lab):
    await lab.measures({"HGB": "134 g/L", "RBC": "4.50"}, ago=20)
    report = await lab.shows()
    assert {i: value for i, (value, _) in shown(report).items() if value} == {2: "4.50"}
    hgb = next(row for row in lab.ledger() if row.test_code == "HGB")
    assert (hgb.outcome, hgb.reason) == ("ignored", "unit_mismatch")
    await until(lambda: lab.told("unit_mismatch"))


async def test_a_correction_of_a_signed_report_is_for_a_person_to_decide(lab, servers):
    await lab.measures(NORMAL, on="corrector", ago=20)
    database = lab.settings.mysql.database
    servers.mariadb.execute(
        f"UPDATE {database}.lab_report_relation"
        " SET is_completed = 1, is_signed = 1, completed_at = NOW(6) WHERE lab_report_id = 1001"
    )
    await lab.measures({"WBC": "7.9"}, on="corrector", ago=20, status="C")
    report = await lab.shows()
    assert (report["sampleRedrawFlag"], shown(report)[1]) == (4, ("7.1", 0))
    await until(lambda: lab.told("late"))
    chosen = {"version": report["version"], "values": [{"index": 1, "rerun_number": 1}]}
    assert await lab.refuses("confirm", chosen) == (409, "completed")
    assert (await lab.asks("confirm", {**chosen, "confirm": True}))["amended"]
    assert shown(await lab.shows())[1] == ("7.9", 1)
    signed = f"SELECT is_signed FROM {database}.lab_report_relation WHERE lab_report_id = 1001"
    assert servers.mariadb.rows(signed) == [(0,)]
    assert lab.log()[-1].new["amended"] is True


async def test_an_order_that_comes_after_the_run_finds_it(lab):
    await lab.measures(NORMAL, sample="S777", ago=20)
    await lab.measures({"WBC": "7.2"}, sample="S777", ago=10, mark="A")
    lab.register(3001, "S777")
    await lab.until_shown(3001)
    report = await lab.shows(3001)
    assert shown(report)[1] == ("7.1", 0)
    assert (report["sampleRedrawFlag"], reviewed(report)) == (4, [(1, 1, "7.2")])
