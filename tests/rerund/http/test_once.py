"""`Idempotency-Key`: sent again, a request is answered as the first time and done once."""

import asyncio
import json
import threading

import pytest

from rerund.http import once as once_module
from rerund.stores.ports import StoreUnavailable
from tests.rerund.conftest import LAB
from tests.rerund.http.office import ENDPOINTS, NEW, OTHER_LAB, REQUEST, error

CANCEL = {"version": 2, "reason": "lost"}
KEY = "2f1c0a9e-one"


def prepared(office):
    """A report of which every action can be asked with the bodies below."""
    office.site.send(at="10:10", rerun=-1, WBC="9.9")


ACTIONS = {
    "/1/new": ("device", {**NEW, "device_data": [{"index": 3, "value": "13.8"}]}),
    "/1/request": ("technician", REQUEST),
    "/1/confirm": ("technician", {"version": 2, "values": [{"index": 1, "rerun_number": 1}]}),
    "/1/cancel": ("technician", CANCEL),
    "/1/auto-check": ("technician", {"dry_run": False}),
}


@pytest.mark.parametrize("path", ACTIONS)
async def test_sent_again_it_is_answered_as_the_first_time(office, path):
    prepared(office)
    who, body = ACTIONS[path]
    first = await office.call(who, "POST", path, body, {"Idempotency-Key": KEY})
    assert first.is_success
    after = office.site.everything()
    office.site.request(2, 4) if path == "/1/auto-check" else None
    for _ in range(2):
        again = await office.call(who, "POST", path, body, {"Idempotency-Key": KEY})
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.headers["idempotency-replayed"] == "true"
    if path != "/1/auto-check":
        assert office.site.everything() == after


@pytest.mark.parametrize("path", ["/1/request", "/1/cancel"])
async def test_a_refusal_is_an_answer_too(office, path):
    body = {**ACTIONS[path][1]}
    if path == "/1/request":
        office.site.request(1)
    first = await office.post(path, body, KEY)
    assert first.status_code == 409
    if path == "/1/request":
        office.site.cancel(version=2)
    again = await office.post(path, body, KEY)
    assert (again.status_code, again.json()) == (409, first.json())
    assert (await office.post("/1/request", REQUEST, "another-key")).status_code == 201


KEPT = {
    "a report that is not there": ("/9/request", REQUEST, 404),
    "a state that does not allow it": ("/1/confirm", {"version": 1, "values": []}, 409),
    "another version": ("/1/cancel", {**CANCEL, "version": 7}, 409),
    "an index that can not be repeated": (
        "/1/request",
        {**REQUEST, "requested_parameters": [5]},
        422,
    ),
    "another sample": ("/1/new", {**NEW, "sample_id": "S2"}, 422),
}
NOT_KEPT = {
    "a body of another form": ("/1/request", {**REQUEST, "colour": 1}, 400),
    "no number": ("/1/request", {**REQUEST, "rerun_number": "one"}, 422),
    "a number of no rerun": ("/1/new", {**NEW, "rerun_number": 0}, 422),
    "another report": ("/1/new", {**NEW, "lab_report_id": 2}, 422),
    "another lab": ("/1/new", {**NEW, "lab_id": OTHER_LAB}, 404),
}


@pytest.mark.parametrize(
    ("path", "body", "status", "kept"),
    [(*case, True) for case in KEPT.values()] + [(*case, False) for case in NOT_KEPT.values()],
    ids=[*KEPT, *NOT_KEPT],
)
async def test_what_is_kept_of_refusals_is_what_the_report_is_the_reason_of(
    office, path, body, status, kept
):
    who, key = ("device" if path.endswith("new") else "technician"), {"Idempotency-Key": KEY}
    first = await office.call(who, "POST", path, body, key)
    again = await office.call(who, "POST", path, body, key)
    assert (first.status_code, again.status_code) == (status, status)
    assert again.headers.get("idempotency-replayed") == ("true" if kept else None)


async def test_a_key_is_free_for_what_is_mended(office):
    mistaken = await office.post("/1/request", {**REQUEST, "rerun_number": "one"}, KEY)
    assert mistaken.status_code == 422
    assert (await office.post("/1/request", REQUEST, KEY)).status_code == 201


async def test_another_body_under_the_key_is_impossible(office):
    await office.post("/1/request", REQUEST, KEY)
    response = await office.post("/1/request", {**REQUEST, "requested_parameters": [2]}, KEY)
    told = error(response)
    assert (response.status_code, told["code"]) == (422, "idempotency_key_reused")
    assert told["field"] == "Idempotency-Key"


async def test_the_same_json_written_otherwise_is_the_same_body(office):
    kind = {"Content-Type": "application/json", "Idempotency-Key": KEY}
    texts = [json.dumps(REQUEST), json.dumps(dict(reversed(REQUEST.items())), indent=4)]
    answers = [
        await office.call("technician", "POST", "/1/request", None, kind, content=text)
        for text in texts
    ]
    assert texts[0] != texts[1]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


async def test_a_key_belongs_to_its_path_and_to_its_holder(office):
    office.holders.add("colleague", "technician")
    office.site.report(2, "S2")
    first = await office.post("/1/request", REQUEST, KEY)
    other_report = await office.post("/2/request", REQUEST, KEY)
    other_action = await office.post("/1/cancel", CANCEL, KEY)
    assert [r.status_code for r in (first, other_report, other_action)] == [201, 201, 200]
    other_holder = await office.call(
        "colleague", "POST", "/1/request", REQUEST, {"Idempotency-Key": KEY}
    )
    assert other_holder.json()["rerun_number"] == 2


async def test_a_key_of_another_lab_is_another_key(office):
    office.holders.add("other", "technician", lab_id=OTHER_LAB)
    assert (await office.post("/1/request", REQUEST, KEY)).status_code == 201
    other = await office.call("other", "POST", "/1/request", REQUEST, {"Idempotency-Key": KEY})
    assert other.status_code == 404


async def test_while_it_is_worked_on_the_same_request_is_told_so(office, monkeypatch):
    entered, go_on = threading.Event(), threading.Event()
    service = office.backend.parts()[0]
    request = service.request

    def slow(*arguments, **named):
        entered.set()
        assert go_on.wait(60)
        return request(*arguments, **named)

    monkeypatch.setattr(service, "request", slow)
    first = asyncio.create_task(office.post("/1/request", REQUEST, KEY))
    await asyncio.to_thread(entered.wait, 60)
    meanwhile = await office.post("/1/request", REQUEST, KEY)
    go_on.set()
    assert (meanwhile.status_code, error(meanwhile)["code"]) == (409, "in_progress")
    assert (await first).status_code == 201
    assert (await office.post("/1/request", REQUEST, KEY)).status_code == 201


class Away(Exception):  # noqa: N818 - says what is the case
    """The process is gone at this point."""


def fails_after(monkeypatch, owner, name, error):
    """Let a method do its work and then fail, once."""
    method = getattr(owner, name)

    def failing(*arguments, **named):
        monkeypatch.setattr(owner, name, method)
        method(*arguments, **named)
        raise error

    monkeypatch.setattr(owner, name, failing)


def fails_before(monkeypatch, owner, name, error):
    """Let a method fail, once."""
    method = getattr(owner, name)

    def failing(*arguments, **named):
        del arguments, named
        monkeypatch.setattr(owner, name, method)
        raise error

    monkeypatch.setattr(owner, name, failing)


STEPS = [
    (when, step)
    for step in ("begin_request", "commit", "end_request")
    for when in (fails_before, fails_after)
]


@pytest.mark.parametrize(("when", "step"), STEPS, ids=lambda part: getattr(part, "__name__", part))
async def test_when_the_store_went_away_at(office, monkeypatch, when, step):
    reports = office.backend.parts()[1]
    when(monkeypatch, reports, step, StoreUnavailable("report store"))
    first = await office.post("/1/request", REQUEST, KEY)
    decided = (when, step) == (fails_after, "commit") or step == "end_request"
    assert first.status_code == (201 if decided else 503)
    if not decided:
        assert error(first)["code"] == "unavailable"
        assert int(first.headers["retry-after"]) > 0
        assert office.site.flag() == 0
    again = await office.post("/1/request", REQUEST, KEY)
    assert again.status_code == 201, again.text
    assert not decided or again.json() == first.json()
    office.site.service.sweep(LAB)
    assert [rerun.rerun_number for rerun in office.site.stores.reruns.reruns(LAB, [1])] == [1]


@pytest.mark.parametrize(("when", "step"), STEPS, ids=lambda part: getattr(part, "__name__", part))
async def test_when_the_process_died_at(office, monkeypatch, when, step):
    """The next process takes the request over, with what was decided, once it is stale."""
    reports = office.backend.parts()[1]
    when(monkeypatch, reports, step, Away())
    monkeypatch.setattr(once_module.Once, "_leave", lambda *gone: None)
    assert (await office.post("/1/request", REQUEST, KEY)).status_code == 500
    office.restart()
    decided = office.site.flag() == 3
    if (when, step) not in ((fails_before, "begin_request"), (fails_after, "end_request")):
        meanwhile = await office.post("/1/request", REQUEST, KEY)
        assert (meanwhile.status_code, error(meanwhile)["code"]) == (409, "in_progress")
        monkeypatch.setattr("rerund.http.once.STALE_AFTER", -1.0)
    again = await office.post("/1/request", REQUEST, KEY)
    assert again.status_code == 201
    assert decided == (step == "end_request" or (when, step) == (fails_after, "commit"))
    office.site.service.sweep(LAB)
    assert [rerun.rerun_number for rerun in office.site.stores.reruns.reruns(LAB, [1])] == [1]


async def test_with_the_stores_away_nothing_is_decided_and_everybody_is_told(office, monkeypatch):
    reports = office.backend.parts()[1]

    def away(*arguments):
        raise StoreUnavailable("report store")

    for name in ("reports", "begin_request"):
        monkeypatch.setattr(reports, name, away)
    for role, endpoint in (("viewer", "show"), ("technician", "request"), ("device", "receive")):
        response = await office.call(role, *ENDPOINTS[endpoint])
        assert (response.status_code, error(response)["code"]) == (503, "unavailable")
        assert int(response.headers["retry-after"]) > 0
