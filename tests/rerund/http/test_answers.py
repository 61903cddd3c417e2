"""What the endpoints answer when they do what is asked, and what then lies in the stores."""

import pytest

from tests.rerund.http.office import NEW, REQUEST


def value(index, text, **more):
    return {"index": index, "value": text, "run_at": "2026-05-20T10:30:00Z", **more}


async def test_fetch_shows_originals_reruns_and_the_open_rerun(office):
    office.site.request(1, 3)
    office.site.send(at="10:30", rerun=1, WBC="5.1")
    answer = (await office.call("viewer", "GET", "/1")).json()
    assert (answer["lab_report_id"], answer["sampleRedrawFlag"]) == (1, 3)
    assert answer["next_rerun_number"] == 2
    assert answer["active"]["_id"] == "1:1:1"
    assert answer["active"]["fulfilled_parameters"] == [1]
    assert [(v["index"], v["value"], v["source"]) for v in answer["originals"]] == [
        (1, "5.0", "original"),
        (2, "4.5", "original"),
        (3, "14.1", "original"),
        (4, "250", "original"),
    ]
    assert [(v["_id"], v["value"]) for v in answer["reruns"]] == [("1:1:1:1:0", "5.1")]


@pytest.mark.parametrize("number", [None, 1, "1"], ids=repr)
async def test_request_opens_a_rerun(office, number):
    asked = {**REQUEST, "reason": "clot", "dilution": "1:5"}
    if number is not None:
        asked["rerun_number"] = number
    response = await office.post("/1/request", asked)
    answer = response.json()
    assert response.status_code == 201
    assert (answer["rerun_number"], answer["type"], answer["is_active"]) == (1, "Manual", True)
    assert (answer["reason"], answer["dilution"], answer["also_in"]) == ("clot", "1:5", [])
    assert office.site.flag() == 3


async def test_request_takes_every_member_of_the_specification(office):
    asked = {
        "type": "manual_rerun",
        "rerun_number": "1",
        "requested_parameters": [1, 3],
        "parameter_names": ["WBC", "HGB"],
        "is_active": True,
        "reason": "clot",
        "dilution": "1:2",
        "device_id": "43",
        "confirm": True,
    }
    assert (await office.post("/1/request", asked)).status_code == 201
    [row] = office.site.stores.reports.waiting_rows(1, [1])
    assert (row.device_id, row.requested) == ("43", [1, 3])


async def test_request_tells_which_other_reports_share_a_test(office):
    office.site.report(2, form=2)
    answer = (await office.post("/1/request", REQUEST)).json()
    assert answer["also_in"] == [{"lab_report_id": 2, "indexes": [1]}]


@pytest.mark.parametrize("number", [1, "1"], ids=repr)
async def test_confirm_shows_what_was_chosen_and_keeps_the_rest(office, number):
    office.site.send(at="10:10", rerun=-1, WBC="9.9", HGB="13.8")
    chosen = {"version": 2, "values": [{"index": 1, "rerun_number": number}]}
    response = await office.post("/1/confirm", chosen)
    answer = response.json()
    assert (response.status_code, answer["sampleRedrawFlag"]) == (200, 0)
    assert [(v["index"], v["old"], v["value"]) for v in answer["confirmed"]] == [(1, "5.0", "9.9")]
    assert (answer["kept"], answer["settled"], answer["amended"]) == ([3], [1], False)
    assert office.site.slots() == {1: "9.9", 2: "4.5", 3: "14.1", 4: "250"}


async def test_confirm_closes_an_open_rerun_when_told_to(office):
    office.site.send(at="10:10", rerun=-1, WBC="9.9")
    office.site.request(3)
    chosen = {"version": 3, "values": [], "close_open": True}
    assert (await office.post("/1/confirm", chosen)).json()["settled"] == [1, 2]
    assert office.site.flag() == 0


async def test_cancel_gives_the_open_rerun_up(office):
    office.site.request(1)
    response = await office.post("/1/cancel", {"version": 2, "reason": "lost"})
    assert (response.status_code, response.json()["cancelled"]) == (200, [1])
    assert office.site.flag() == 0


async def test_auto_check_tells_why_nothing_was_made(office):
    response = await office.call("device", "POST", "/1/auto-check", {"dry_run": False})
    assert response.status_code == 200
    assert response.json() == {
        "qualified": [],
        "created": False,
        "reason": "none_qualified",
        "rerun_number": None,
    }


async def test_a_run_of_the_instrument_gets_the_next_number(office):
    response = await office.call("device", "POST", "/1/new", NEW)
    assert response.status_code == 200
    assert response.json() == {
        "rerun_number": 1,
        "accepted": [1],
        "ignored": [],
        "refused": [],
        "fulfilled": [1],
        "sampleRedrawFlag": 4,
    }
    assert office.site.reruns() == [(1, 1, "9.9", False)]


async def test_the_first_value_of_an_index_becomes_its_original(office):
    sent = {**NEW, "device_data": [value(5, "89.1")]}
    answer = (await office.call("device", "POST", "/1/new", sent)).json()
    assert (answer["rerun_number"], answer["accepted"], answer["sampleRedrawFlag"]) == (
        None,
        [5],
        0,
    )
    assert office.site.slots()[5] == "89.1"


@pytest.mark.parametrize("number", [1, "1"], ids=repr)
async def test_values_of_a_requested_rerun_fulfil_it(office, number):
    office.site.request(1, 3)
    sent = {
        **NEW,
        "rerun_type": "manual_rerun",
        "rerun_number": number,
        "device_data": [value(1, "5.1"), value(3, "----"), value(2, "4.4")],
    }
    answer = (await office.call("device", "POST", "/1/new", sent)).json()
    assert (answer["rerun_number"], answer["fulfilled"], answer["sampleRedrawFlag"]) == (1, [1], 4)
    [rerun] = office.site.stores.reruns.reruns(1, [1])
    assert rerun.failed_parameters == [3]


async def test_without_a_key_the_same_run_is_registered_once(office):
    first = await office.call("device", "POST", "/1/new", NEW)
    again = await office.call("device", "POST", "/1/new", NEW)
    assert (first.json()["accepted"], again.json()["accepted"]) == ([1], [])
    assert again.json()["ignored"] == [1]
    assert len(office.site.reruns()) == 1


async def test_values_of_a_closed_rerun_are_kept_and_refused(office):
    office.site.request(1)
    office.site.cancel(version=2)
    sent = {**NEW, "rerun_type": "manual_rerun", "rerun_number": 1}
    answer = (await office.call("device", "POST", "/1/new", sent)).json()
    assert answer["refused"] == [{"index": 1, "reason": "rerun_closed"}]
    assert [row.outcome for row in office.site.ledger() if row.value == "9.9"] == ["refused"]
