"""The endpoints over the stores of a small lab, and everybody who has a token for them."""

import datetime as dt
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
from fastapi.routing import APIRoute

from rerund.http import token_edit
from rerund.http.app import make_app
from rerund.http.backend import Backend
from rerund.http.routes import router
from rerund.http.start import HttpStart
from rerund.http.tokens import Role, Token, Tokens, hashed
from rerund.stores.settings import StoreSettings
from tests.rerund.conftest import LAB, Site

USER = 7
OTHER_LAB = 2
PAST = dt.date(2020, 1, 1)

ROLES: tuple[Role, ...] = ("viewer", "device", "technician")

NEW = {
    "lab_id": LAB,
    "sample_id": "S1",
    "device_id": "42",
    "device_name": "Sysmex XN-1000",
    "rerun_type": "machine_rerun",
    "rerun_number": -1,
    "lab_report_id": 1,
    "device_data": [{"index": 1, "value": "9.9", "run_at": "2026-05-20T10:30:00Z"}],
}
REQUEST = {"type": "manual_rerun", "requested_parameters": [1]}

ENDPOINTS: dict[str, tuple[str, str, Any]] = {
    "show": ("GET", "/1", None),
    "receive": ("POST", "/1/new", NEW),
    "request": ("POST", "/1/request", REQUEST),
    "confirm": ("POST", "/1/confirm", {"version": 1, "values": []}),
    "cancel": ("POST", "/1/cancel", {"version": 1, "reason": "sample lost"}),
    "auto_check": ("POST", "/1/auto-check", {"dry_run": False}),
}
"""Method, path and a body that is well-formed of each endpoint."""


class Holders:
    """A token file, and the secrets of those in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secrets: dict[str, str] = {}
        for role in ROLES:
            self.add(role, role)

    def add(self, name: str, role: Role, lab_id: int = LAB, expires: dt.date | None = None) -> None:
        """Give somebody a token."""
        secret = self.secrets[name] = token_edit.new_secret()
        token = Token(
            name=name,
            sha256=hashed(secret),
            lab_id=lab_id,
            user_id=USER,
            role=role,
            expires_at=expires,
        )
        assert token_edit.add(self.path, token)


class Office:
    """A lab, its token holders, and the application they call."""

    def __init__(self, site: Site, folder: Path, **settings: Any) -> None:
        self.site = site
        self.holders = Holders(folder / "tokens.toml")
        self.start = HttpStart(
            **{
                "stores": StoreSettings(path=""),
                "rules": site.rules,
                "host": "127.0.0.1",
                "port": 0,
                "tokens_file": str(self.holders.path),
                **settings,
            }
        )
        self.restart()

    def restart(self) -> None:
        """A new process on the same stores, as after a crash."""
        self.backend = Backend(lambda: nullcontext(self.site), self.site.rules)
        self.app = make_app(self.start, self.backend, Tokens(self.holders.path))

    async def call(
        self,
        who: str | None,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **how: Any,
    ) -> httpx.Response:
        """Call an endpoint; `path` follows /sample-rerun, `body` is sent as JSON."""
        given = dict(headers or {})
        if who is not None:
            given["Authorization"] = f"Bearer {self.holders.secrets[who]}"
        if body is not None:
            how["json"] = body
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://rerund") as client:
            address = f"{self.start.prefix}/sample-rerun{path}"
            response = await client.request(method, address, headers=given, **how)
        check_documented(method, path, response)
        return response

    async def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        """Call an endpoint as the technician."""
        headers = None if key is None else {"Idempotency-Key": key}
        return await self.call("technician", "POST", path, body, headers)


def check_documented(method: str, path: str, response: httpx.Response) -> None:
    """Hold an answer of an endpoint against what the documentation says of it."""
    for route in router.routes:
        assert isinstance(route, APIRoute)
        if method in route.methods and route.path_regex.match(f"/sample-rerun{path}"):
            model = route.responses[response.status_code]["model"]
            model.model_validate(response.json())


def error(response: httpx.Response) -> dict[str, Any]:
    """The error of an answer, which must have the one shape that all have."""
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert list(document) == ["error"]
    found: dict[str, Any] = document["error"]
    assert {"code", "message", "field"} <= found.keys()
    return found
