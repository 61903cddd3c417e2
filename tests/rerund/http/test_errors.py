"""Every answer that says no: its status, its code, the member at fault, and nothing changed."""

import sqlite3
from contextlib import closing
from typing import Any, NamedTuple

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.rerund.http.office import NEW, REQUEST, Office, error


def normal(office: Office) -> None:
    """Report 1 with four originals."""


def open_rerun(office: Office) -> None:
    """Report 1 with rerun 1 open for WBC and HGB."""
    office.site.request(1, 3)


def review(office: Office) -> None:
    """Report 1 with a run of WBC that the instrument made by itself, under review."""
    office.site.send(at="10:10", rerun=-1, WBC="9.9")


def failed(office: Office) -> None:
    """The same, without a usable value."""
    office.site.send(at="10:10", rerun=-1, WBC="----")


def open_and_review(office: Office) -> None:
    """Report 1 with a run under review and another rerun open."""
    review(office)
    office.site.request(3)


def redrawn(office: Office) -> None:
    """Report 1 in an older workflow."""
    office.site.report(flag=1)


def open_and_redrawn(office: Office) -> None:
    """Report 1 with a run under review and another rerun open, put into an older workflow."""
    open_and_review(office)
    office.site.lims(report=msgspec.structs.replace(office.site.row(), flag=1))


def signed(office: Office) -> None:
    """Report 1 signed, a run under review."""
    review(office)
    office.site.report(is_signed=True, flag=4, rerun_version=office.site.row().rerun_version)
    row = office.site.row()
    office.site.report(
        is_signed=True, flag=row.flag, rerun_version=row.rerun_version, last_rerun_number=1
    )


class No(NamedTuple):
    state: Any
    path: str
    body: Any
    status: int
    code: str
    field: str | None = None
    details: Any = None


def new(**changes: Any) -> Any:
    """A body for /new; `value` changes its value, None takes a member out."""
    value = changes.pop("value", {})
    body = {**NEW, "device_data": [without_none({**NEW["device_data"][0], **value})], **changes}
    return without_none(body)


def without_none(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


def ask(**changes: Any) -> Any:
    return without_none({**REQUEST, **changes})


def choose(*values: Any, **more: Any) -> Any:
    chosen = [{"index": index, "rerun_number": number} for index, number in values]
    return {"version": 1, "values": chosen, **more}


CANCEL = {"version": 1, "reason": "lost"}

CASES = {
    # any endpoint
    "an unknown report": No(normal, "9/request", ask(), 404, "not_found"),
    "a report that is no number": No(normal, "x/request", ask(), 404, "not_found"),
    "report 0": No(normal, "0/request", ask(), 404, "not_found"),
    "a report beyond all numbers": No(normal, f"{2**63}/request", ask(), 404, "not_found"),
    "an unknown action": No(normal, "1/undo", ask(), 404, "not_found"),
    "no object": No(normal, "1/request", [], 400, "malformed"),
    "a member too many": No(normal, "1/request", ask(colour=1), 400, "malformed", "colour"),
    "a member too few": No(normal, "1/request", ask(type=None), 400, "malformed", "type"),
    # request
    "another type": No(normal, "1/request", ask(type="auto_rerun"), 400, "malformed", "type"),
    "an index as text": No(
        normal,
        "1/request",
        ask(requested_parameters=["1"]),
        400,
        "malformed",
        "requested_parameters[0]",
    ),
    "an inactive request": No(
        normal, "1/request", ask(is_active=False), 400, "malformed", "is_active"
    ),
    "no parameter": No(
        normal,
        "1/request",
        ask(requested_parameters=[]),
        422,
        "no_parameters",
        "requested_parameters",
    ),
    "an unknown index": No(
        normal,
        "1/request",
        ask(requested_parameters=[1, 9]),
        422,
        "unknown_parameter",
        "requested_parameters",
    ),
    "names of other parameters": No(
        normal, "1/request", ask(parameter_names=["HGB"]), 422, "other_names", "parameter_names"
    ),
    "more names than parameters": No(
        normal,
        "1/request",
        ask(parameter_names=["WBC", "HGB"]),
        422,
        "other_names",
        "parameter_names",
    ),
    "an index without manual_rerun": No(
        normal,
        "1/request",
        ask(requested_parameters=[5]),
        422,
        "not_repeatable",
        "requested_parameters",
    ),
    "an instrument that measures none of it": No(
        normal, "1/request", ask(device_id="99"), 422, "not_on_device", "device_id"
    ),
    "a number that is not the next": No(
        normal, "1/request", ask(rerun_number=7), 409, "number_taken", "rerun_number", {"next": 1}
    ),
    "a request while one is open": No(open_rerun, "1/request", ask(), 409, "rerun_open"),
    "a request in an older workflow": No(redrawn, "1/request", ask(), 409, "redrawn"),
    "a request for a signed report": No(signed, "1/request", ask(), 409, "completed", "confirm"),
    # confirm
    "a confirm of another version": No(
        review,
        "1/confirm",
        {"version": 7, "values": []},
        409,
        "changed",
        "version",
        {"version": 2},
    ),
    "a confirm without a version": No(
        review, "1/confirm", {"values": []}, 400, "malformed", "version"
    ),
    "a confirm with nothing to review": No(normal, "1/confirm", choose(), 409, "nothing_to_review"),
    "a confirm while a rerun is open": No(
        open_and_review, "1/confirm", choose(version=3), 409, "rerun_open"
    ),
    "a confirm in an older workflow": No(redrawn, "1/confirm", choose(version=0), 409, "redrawn"),
    "a choice of an unknown index": No(
        review, "1/confirm", choose((9, 1), version=2), 422, "unknown_parameter", "values"
    ),
    "a choice of an unknown rerun": No(
        review, "1/confirm", choose((1, 5), version=2), 422, "unknown_rerun", "values"
    ),
    "a choice of a value that never came": No(
        review, "1/confirm", choose((3, 1), version=2), 422, "no_value", "values"
    ),
    "a choice of a failed value": No(
        failed, "1/confirm", choose((1, 1), version=2), 422, "unusable", "values"
    ),
    "two choices for one index": No(
        review, "1/confirm", choose((1, 1), (1, 0), version=2), 422, "same_index", "values"
    ),
    "a choice without an index": No(
        review,
        "1/confirm",
        {"version": 2, "values": [{"rerun_number": 1}]},
        400,
        "malformed",
        "values[0].index",
    ),
    "a choice for a signed report": No(
        signed, "1/confirm", choose((1, 1), version=2), 409, "completed", "confirm"
    ),
    # cancel
    "a cancel of another version": No(
        open_rerun, "1/cancel", {**CANCEL, "version": 7}, 409, "changed", "version", {"version": 2}
    ),
    "a cancel without a reason": No(
        open_rerun, "1/cancel", {"version": 2}, 400, "malformed", "reason"
    ),
    "a cancel of nothing": No(normal, "1/cancel", CANCEL, 409, "nothing_to_cancel"),
    "a cancel in an older workflow": No(
        redrawn, "1/cancel", {**CANCEL, "version": 0}, 409, "redrawn"
    ),
    "a cancel of an open rerun in an older workflow": No(
        open_and_redrawn, "1/cancel", {**CANCEL, "version": 3}, 409, "redrawn"
    ),
    # auto-check
    "an auto-check in an older workflow": No(redrawn, "1/auto-check", {}, 409, "redrawn"),
    "a dry run in words": No(
        normal, "1/auto-check", {"dry_run": "yes"}, 400, "malformed", "dry_run"
    ),
    # new
    "number 0": No(normal, "1/new", new(rerun_number=0), 422, "impossible_number", "rerun_number"),
    "number 0 as text": No(
        normal, "1/new", new(rerun_number="0"), 422, "impossible_number", "rerun_number"
    ),
    "number -2": No(
        normal, "1/new", new(rerun_number=-2), 422, "impossible_number", "rerun_number"
    ),
    "a number that nobody requested": No(
        normal, "1/new", new(rerun_number=1), 422, "unknown_rerun", "rerun_number"
    ),
    "an unknown rerun type": No(
        normal, "1/new", new(rerun_type="rerun"), 400, "malformed", "rerun_type"
    ),
    "no values": No(normal, "1/new", new(device_data=[]), 400, "malformed", "device_data"),
    "a value that is a number": No(
        normal, "1/new", new(value={"value": 9.9}), 400, "malformed", "device_data[0].value"
    ),
    "a run time without a zone": No(
        normal,
        "1/new",
        new(value={"run_at": "2026-05-20T10:30:00"}),
        400,
        "malformed",
        "device_data[0].run_at",
    ),
    "a run time that is none": No(
        normal,
        "1/new",
        new(value={"run_at": "yesterday"}),
        400,
        "malformed",
        "device_data[0].run_at",
    ),
    "a run time after all years": No(
        normal,
        "1/new",
        new(value={"run_at": "9999-12-31T23:59:59-14:00"}),
        422,
        "bad_run_at",
        "device_data",
    ),
    "a value of an unknown index": No(
        normal, "1/new", new(value={"index": 9}), 422, "unknown_parameter", "device_data"
    ),
    "another sample": No(normal, "1/new", new(sample_id="S2"), 422, "other_sample", "sample_id"),
    "another report in the body": No(
        normal, "1/new", new(lab_report_id=2), 422, "other_report", "lab_report_id"
    ),
}


NO_NUMBERS = {
    "words": "one",
    "nothing": "",
    "a sign": "-",
    "a space": " 1",
    "other digits": "\u0661",
    "a long text": "0000000000001",
    "a text too long to be read": "1" * 5000,
    "a fraction": 1.5,
    "a whole number with a point": 1.0,
    "beyond all": 1e300,
    "too large": 2**31,
    "too large, as text": str(2**31),
    "too small": -(2**31) - 1,
    "too large for any register": 2**80,
}
WITH_NUMBER = {
    "request": (normal, "1/request", lambda it: ask(rerun_number=it), "rerun_number"),
    "new": (normal, "1/new", lambda it: new(rerun_number=it), "rerun_number"),
    "confirm": (
        review,
        "1/confirm",
        lambda it: choose((3, 0), (1, it), version=2),
        "values[1].rerun_number",
    ),
}
CASES |= {
    f"{endpoint} with a number that is {what}": No(
        state, path, body(it), 422, "impossible_number", field
    )
    for endpoint, (state, path, body, field) in WITH_NUMBER.items()
    for what, it in NO_NUMBERS.items()
}
CASES |= {
    f"{endpoint} with a number that is {it}": No(state, path, body(it), 400, "malformed", field)
    for endpoint, (state, path, body, field) in WITH_NUMBER.items()
    for it in (True, [1])
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_refused_is(office, case):
    case.state(office)
    before = office.site.everything()
    role = "device" if case.path.endswith("new") else "technician"
    response = await office.call(role, "POST", f"/{case.path}", case.body)
    told = error(response)
    assert (response.status_code, told["code"]) == (case.status, case.code), told
    if case.field is not None:
        assert told["field"] == case.field
    assert (case.details or {}).items() <= told.items()
    assert office.site.everything() == before


BROKEN = {
    "nothing": b"",
    "half an object": b'{"type": "manual_rerun"',
    "text": b"please rerun",
    "bytes": b"\xff\xfe{}",
    "a tower of lists": b"[" * 100_000,
    "a tower with a roof": b"[" * 900 + b"]" * 900,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
async def test_a_body_that_is_no_json_is_malformed(office, content):
    headers = {"Content-Type": "application/json"}
    response = await office.call("technician", "POST", "/1/request", None, headers, content=content)
    assert (response.status_code, error(response)["code"]) == (400, "malformed")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_of_another_kind_is_not_read(office, kind):
    headers = {"Content-Type": kind} if kind else {}
    response = await office.call("technician", "POST", "/1/request", None, headers, content=b"{}")
    assert (response.status_code, error(response)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
async def test_another_method_is_told_which_there_are(office, method):
    response = await office.call("technician", method, "/1")
    assert (response.status_code, error(response)["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["", "/", "/1/", "/1/request/now"])
async def test_a_path_of_nothing_is_not_found(office, path):
    response = await office.call("technician", "GET", path)
    assert (response.status_code, error(response)["code"]) == (404, "not_found")


KEYS = {"an empty key": "", "a long key": "k" * 201, "a key with a space": "a b"}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
async def test_malformed_is(office, key):
    response = await office.post("/1/request", REQUEST, key)
    told = error(response)
    assert (response.status_code, told["code"]) == (400, "malformed")
    assert told["field"] == "Idempotency-Key"


async def test_no_message_repeats_what_was_sent(office):
    sent = new(rerun_type="Rossi", device_id=4711, value={"run_at": "Mario", "value": 9.87})
    response = await office.call("device", "POST", "/1/new", sent)
    assert response.status_code == 400
    assert not [word for word in ("Rossi", "4711", "Mario", "9.87") if word in response.text]


async def test_a_report_that_a_store_can_not_read_is_nobodys_mistake(office, tmp_path):
    office.site.request(1)
    [path] = tmp_path.glob("*/rerun.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("UPDATE sample_rerun SET body = '{}'")
    with capture_logs() as logs:
        response = await office.call("viewer", "GET", "/1")
    assert (response.status_code, error(response)["code"]) == (503, "unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert [line["alert"] for line in logs if line["event"] == "store_rejected"] == [True]


async def test_a_fault_of_ours_is_an_answer_and_an_alert_without_its_text(office, monkeypatch):
    def fails(lab_id, report):
        raise ValueError("Rossi 9.87")

    monkeypatch.setattr(office.backend.parts()[0], "show", fails)
    with capture_logs() as logs:
        response = await office.call("viewer", "GET", "/1")
    assert (response.status_code, error(response)["code"]) == (500, "internal")
    [line] = [line for line in logs if line["event"] == "http_failed"]
    assert (line["alert"], line["error"]) == (True, "ValueError")
    assert "Rossi" not in repr(logs) + response.text
