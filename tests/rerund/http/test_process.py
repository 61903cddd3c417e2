"""The HTTP process of a real daemon: its start, its end, and that no ACK ever waits for it."""

import os
import signal
import socket
import ssl
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from rerund.demo import messages
from tests.rerund.http.http_site import HttpSite, is_running, processes_of
from tests.rerund.http.office import error
from tests.rerund.http.tls import certificate
from tests.rerund.site import Site, until

MODULE = "rerund.http.process"


def now():
    return datetime.now(UTC).replace(microsecond=0)


EARLIER = now() - timedelta(minutes=20)


@pytest.fixture
async def site(tmp_path):
    async with HttpSite(tmp_path) as site:
        site.load()
        await site.listening()
        yield site


async def test_a_rerun_from_request_to_confirm(site):
    await site.sends(messages.original("S001", EARLIER))
    await site.settled()
    async with site.client("technician") as technician:
        asked = {"type": "manual_rerun", "requested_parameters": [1, 6], "reason": "clot?"}
        requested = await technician.post("/1001/request", json=asked)
        assert (requested.status_code, requested.json()["rerun_number"]) == (201, 1)
        values = [
            {"index": index, "value": value, "run_at": f"{now():%FT%TZ}"}
            for index, value in ((1, "24.87"), (6, "33"))
        ]
        sent = {
            "lab_id": 1,
            "sample_id": "S001",
            "device_id": "42",
            "device_name": "Sysmex XN-1000",
            "rerun_type": "manual_rerun",
            "rerun_number": 1,
            "lab_report_id": 1001,
            "device_data": values,
        }
        received = await site.call("device", "POST", "/1001/new", sent)
        assert received.json()["sampleRedrawFlag"] == 4
        report = (await technician.get("/1001")).json()
        chosen = {"version": report["version"], "values": [{"index": 1, "rerun_number": 1}]}
        confirmed = await technician.post("/1001/confirm", json=chosen)
        assert confirmed.json()["sampleRedrawFlag"] == 0
        report = (await technician.get("/1001")).json()
    shown = {value["index"]: (value["value"], value["source"]) for value in report["originals"]}
    assert (shown[1], shown[2]) == (("24.87", "rerun"), ("4.51", "original"))
    assert report["reruns"] == []


async def test_killed_it_is_started_again_and_no_ack_waits(site):
    [pid] = processes_of(site.daemon, MODULE)
    os.kill(pid, signal.SIGKILL)
    sent = await site.sends(*[messages.original("S001", EARLIER)] * 3)
    assert sent.accepted
    await site.listening(2)
    [died] = site.told("http_died")
    assert (died["exit_code"], died["alert"]) == (-signal.SIGKILL, True)
    await site.settled()
    answer = await site.call("viewer", "GET", "/1001")
    assert answer.status_code == 200
    assert "4.51" in [value["value"] for value in answer.json()["originals"]]


async def test_it_ends_with_the_daemon(site):
    [pid] = processes_of(site.daemon, MODULE)
    async with site.client("viewer") as client:
        assert (await client.get("/1001")).status_code == 200
        assert await site.daemon.terminate() == 0
    await until(lambda: not is_running(pid))
    assert not site.told("http_died")


async def test_it_ends_when_the_daemon_is_killed(site):
    [pid] = processes_of(site.daemon, MODULE)
    await site.daemon.kill()
    await until(lambda: not is_running(pid))


async def test_signals_to_the_whole_group_do_not_end_it(site):
    [pid] = processes_of(site.daemon, MODULE)
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(pid, number)
    assert (await site.call("viewer", "GET", "/1001")).status_code == 200
    assert not site.told("http_died")


async def test_without_the_table_there_is_no_such_process(tmp_path):
    async with Site(tmp_path) as site:
        await until(lambda: processes_of(site.daemon, "rerund.registrar_process"))
        assert not processes_of(site.daemon, MODULE)


async def test_an_address_in_use_is_tried_for_ever(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        async with HttpSite(tmp_path, listen=f"127.0.0.1:{port}") as site:
            line = await site.daemon.logs("http_not_listening")
            assert (line["alert"], line["port"]) == (True, port)
            assert (await site.sends(messages.original("S001", EARLIER))).accepted
            taken.close()
            await site.listening()
            assert site.port == port
            site.load()
            assert (await site.call("viewer", "GET", "/1001")).status_code == 200
            assert len(site.told("http_not_listening")) == 1


async def test_stores_that_are_away_are_told_until_they_are_there(tmp_path):
    site = HttpSite(tmp_path)
    folder = tmp_path / "elsewhere"
    store = f'[store]\npath = "{folder / "store.db"}"\n'
    site.config.write_text(site.config.read_text() + store)
    async with site:
        await site.listening()
        async with site.client("viewer") as client:
            away = await client.get("/1001")
            assert (away.status_code, error(away)["code"]) == (503, "unavailable")
            assert int(away.headers["retry-after"]) > 0
            folder.mkdir()
            found = away
            while found.status_code == 503:
                found = await client.get("/1001")
        assert (found.status_code, error(found)["code"]) == (404, "not_found")
        assert [line["alert"] for line in site.told("store_unusable")].count(True) >= 1


async def test_over_tls(tmp_path):
    cert, key = certificate(tmp_path)
    async with HttpSite(tmp_path, tls_cert=cert, tls_key=key) as site:
        site.load()
        await site.listening()
        plain = httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.port}")
        async with plain:
            with pytest.raises(httpx.TransportError):
                await plain.get("/sample-rerun/1001")
        site.verify = ssl.create_default_context(cafile=cert)
        assert (await site.call("viewer", "GET", "/1001")).status_code == 200


async def test_a_renewed_certificate_is_used_from_the_next_caller_on(tmp_path):
    cert, key = certificate(tmp_path)
    async with HttpSite(tmp_path, tls_cert=cert, tls_key=key) as site:
        site.load()
        await site.listening()
        site.verify = ssl.create_default_context(cafile=cert)
        key.write_text("half of a key")
        assert (await site.call("viewer", "GET", "/1001")).status_code == 200
        certificate(tmp_path)
        with pytest.raises(httpx.ConnectError):
            await site.call("viewer", "GET", "/1001")
        site.verify = ssl.create_default_context(cafile=cert)
        assert (await site.call("viewer", "GET", "/1001")).status_code == 200
        await until(lambda: site.told("certificate_read"))
        [unusable] = site.told("certificate_unusable")
        assert (unusable["alert"], unusable["path"]) == (True, str(cert))


async def test_a_prefix_is_before_every_path(tmp_path):
    async with HttpSite(tmp_path, prefix="/api-v3") as site:
        site.load()
        await site.listening()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.port}") as client:
            bearer = {"Authorization": f"Bearer {site.holders.secrets['viewer']}"}
            paths = ("/api-v3/sample-rerun/1001", "/api-v3/docs", "/api-v3/openapi.json")
            for path in paths:
                assert (await client.get(path, headers=bearer)).status_code == 200
                bare = path.removeprefix("/api-v3")
                assert (await client.get(bare, headers=bearer)).status_code == 404


async def test_a_client_that_lost_its_answer_gets_it_with_its_key(site):
    head = (
        "POST /sample-rerun/1001/request HTTP/1.1\r\nHost: rerund\r\n"
        f"Authorization: Bearer {site.holders.secrets['technician']}\r\n"
        "Content-Type: application/json\r\nIdempotency-Key: lost-1\r\n"
    )
    body = '{"type": "manual_rerun", "requested_parameters": [1]}'
    request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    _, writer = await site.raw(request)
    writer.transport.abort()
    await until(lambda: site.says("rerun", "show", 1001)["sampleRedrawFlag"] == 3)
    async with site.client("technician") as client:
        answer = None
        while answer is None or answer.status_code == 409:
            key = {"Idempotency-Key": "lost-1", "Content-Type": "application/json"}
            answer = await client.post("/1001/request", content=body, headers=key)
    assert (answer.status_code, answer.json()["rerun_number"]) == (201, 1)


async def test_no_log_line_has_a_secret_or_a_patient(site):
    await site.sends(messages.original("S001", EARLIER))
    await site.settled()
    for who in (None, "viewer", "device", "technician"):
        for path in ("/1001", "/1002"):
            await site.call(who, "GET", path)
            await site.call(who, "POST", f"{path}/cancel", {"version": 1, "reason": "Rossi"})
    assert await site.daemon.terminate() == 0
    said = str(site.daemon.log)
    assert len(site.told("http_refused")) == 10
    for secret in (*site.holders.secrets.values(), "S001", "1001", "Rossi"):
        assert secret not in said
