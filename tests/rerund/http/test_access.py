"""Access: who is refused is told so, is logged without a secret, and has changed nothing."""

import pytest
from structlog.testing import capture_logs

from rerund.http.access import ROLES as MAY
from tests.rerund.conftest import LAB, LAB_DATA
from tests.rerund.http.office import ENDPOINTS, OTHER_LAB, PAST, ROLES, error

SPECIFIED = {
    "viewer": {"show"},
    "device": {"receive", "auto_check"},
    "technician": {"show", "request", "confirm", "cancel", "auto_check"},
}


def test_the_roles_are_those_of_the_specification():
    assert {role: {name for name, may in MAY.items() if role in may} for role in ROLES} == SPECIFIED


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_role_may_do_what_is_its_own_and_nothing_else(office, role, endpoint):
    before = office.site.everything()
    with capture_logs() as logs:
        response = await office.call(role, *ENDPOINTS[endpoint])
    if endpoint in SPECIFIED[role]:
        assert response.status_code not in (401, 403)
        assert not [line for line in logs if line["event"] == "http_refused"]
        return
    assert (response.status_code, error(response)["code"]) == (403, "wrong_role")
    assert office.site.everything() == before
    [line] = [line for line in logs if line["event"] == "http_refused"]
    assert (line["token"], line["route"], line["status"]) == (role, endpoint, 403)


STRANGERS = {
    "nobody": (None, "no_token"),
    "another scheme": ("Basic dXNlcjpwYXNz", "no_token"),
    "no secret": ("Bearer ", "no_token"),
    "an unknown token": ("Bearer not-a-token-0123456789abcdef", "unknown_token"),
    "a hash": ("Bearer {hash}", "unknown_token"),
    "an expired token": ("Bearer {expired}", "expired_token"),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(("header", "code"), STRANGERS.values(), ids=STRANGERS)
async def test_refused_is(office, endpoint, header, code):
    holders = office.holders
    holders.add("expired", "technician", expires=PAST)
    known = holders.path.read_text().split('sha256 = "')[1][:64]
    before = office.site.everything()
    value = header and header.format(expired=holders.secrets["expired"], hash=known)
    with capture_logs() as logs:
        headers = {"Authorization": value} if value else {}
        response = await office.call(None, *ENDPOINTS[endpoint], headers)
    assert (response.status_code, error(response)["code"]) == (401, code)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert office.site.everything() == before
    [line] = [line for line in logs if line["event"] == "http_refused"]
    assert (line["code"], line["route"], line["status"]) == (code, endpoint, 401)
    assert line.get("token") == ("expired" if code == "expired_token" else None)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_the_report_of_another_lab_is_not_there(office, endpoint):
    role = next(role for role in ROLES if endpoint in SPECIFIED[role])
    office.holders.add("other", role, lab_id=OTHER_LAB)
    before = office.site.everything()
    method, path, body = ENDPOINTS[endpoint]
    if endpoint == "receive":
        body = {**body, "lab_id": OTHER_LAB}
    with capture_logs() as logs:
        response = await office.call("other", method, path, body)
    assert (response.status_code, error(response)["code"]) == (404, "not_found")
    assert office.site.everything() == before
    [line] = [line for line in logs if line["event"] == "http_request"]
    assert (line["token"], line["route"], line["status"]) == ("other", endpoint, 404)


async def test_a_body_can_not_name_another_lab_than_the_token(office):
    method, path, body = ENDPOINTS["receive"]
    response = await office.call("device", method, path, {**body, "lab_id": OTHER_LAB})
    assert (response.status_code, error(response)["field"]) == (404, "lab_id")


async def test_no_log_line_has_a_secret_a_path_or_a_patient(office):
    office.site.report(2, "S-4711", patient_name="Rossi")
    with capture_logs() as logs:
        for who in (None, *ROLES):
            for method, path, body in ENDPOINTS.values():
                await office.call(who, method, path.replace("/1", "/2"), body)
    # How long an answer took may be any number, also that of a value.
    said = repr([{name: said for name, said in line.items() if name != "ms"} for line in logs])
    assert len(logs) >= len(ENDPOINTS) * 4
    for secret in (*office.holders.secrets.values(), "S-4711", "Rossi", "/2", "9.9"):
        assert secret not in said


async def test_the_holder_of_a_token_is_who_did_it(office):
    answer = (await office.post("/1/request", ENDPOINTS["request"][2])).json()
    assert answer["created_by"] == 7
    [line] = office.site.stores.reports.activity(LAB, 1)
    assert line.user_id == 7


async def test_a_token_is_good_from_the_moment_it_is_added_until_it_is_revoked(office):
    from rerund.http.token_edit import revoke

    office.site.lab(LAB_DATA)
    office.holders.add("late", "viewer")
    assert (await office.call("late", "GET", "/1")).status_code == 200
    assert revoke(office.holders.path, "late")
    assert (await office.call("late", "GET", "/1")).status_code == 401


async def test_a_broken_token_file_changes_nothing_and_is_told(office):
    good = office.holders.path.read_text()
    with capture_logs() as logs:
        office.holders.path.write_text(good + "[[token]]\nname = 3\n")
        assert (await office.call("viewer", "GET", "/1")).status_code == 200
        assert (await office.call("viewer", "GET", "/1")).status_code == 200
        office.holders.path.unlink()
        assert (await office.call("viewer", "GET", "/1")).status_code == 200
    told = [line for line in logs if line["event"] == "tokens_unusable"]
    assert [line["alert"] for line in told] == [True, True], "once for each state of the file"
