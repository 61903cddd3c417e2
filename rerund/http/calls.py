"""One call of an endpoint: who calls, what for, and how it is answered."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import Depends, Header, Path, Request, Response
from starlette.types import Scope

from rerund.http.backend import Backend
from rerund.http.errors import note_code, refusal_answer
from rerund.http.once import HEADER, KeyedRequest, Once, Outcome
from rerund.http.tokens import Token
from rerund.rerun.refusals import Refusal
from rerund.rerun.service import RerunService

ReportId = Annotated[
    int, Path(ge=1, lt=2**63, description="`lab_report_id` of a report of the token's lab")
]
Key = Annotated[
    str | None,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description=(
            "Any text that is new with each new action. The same request with the same key is"
            " answered as it was the first time, for 7 days, and done once"
        ),
    ),
]

Action = Callable[[RerunService, str | None], dict[str, object]]
"""Does what is asked; given the service and the id that its event shall have."""


@dataclass(frozen=True)
class Call:
    """What every endpoint knows of a request."""

    backend: Backend
    token: Token
    action: str
    scope: Scope

    @property
    def lab_id(self) -> int:
        """The lab whose reports the caller may see."""
        return self.token.lab_id

    def show(self, lab_report_id: int) -> Response:
        """Answer with a report as it is."""
        service, _ = self.backend.parts()
        return answered(200, service.show(self.lab_id, lab_report_id))


@dataclass(frozen=True)
class Change(Call):
    """A call that may change a report."""

    once: Once
    key: str | None
    body: bytes

    def answer(self, status: int, lab_report_id: int, act: Action) -> Response:
        """Do it, once for one key, and answer."""
        service, reports = self.backend.parts()
        if self.key is None:
            return answered(status, act(service, None))

        def outcome(event_id: str) -> Outcome:
            try:
                return status, act(service, event_id)
            except Refusal as refusal:
                return refusal_answer(refusal)

        path = f"{lab_report_id}/{self.action}"
        request = KeyedRequest.of(self.lab_id, self.token.name, path, self.key, self.body)
        (status, answer), replayed = self.once.answer(reports, request, outcome)
        note_code(self.scope, answer)
        return answered(status, answer, replayed)


def answered(status: int, answer: dict[str, object], replayed: bool = False) -> Response:
    """Return an answer as JSON."""
    headers = {"Idempotency-Replayed": "true"} if replayed else None
    return Response(msgspec.json.encode(answer), status, headers, "application/json")


def canonical(body: bytes) -> bytes:
    """Return a body as equal bytes whenever it is equal JSON, whatever its spaces and order."""
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body  # which is refused before it could be acted on


async def call_of(request: Request) -> Call:
    """The call that a request is."""
    return Call(
        request.app.state.backend, request.state.token, request.scope["route"].name, request.scope
    )


async def change_of(request: Request, key: Key = None) -> Change:
    """The change that a request asks for."""
    call = await call_of(request)
    body = canonical(await request.body())
    return Change(
        call.backend, call.token, call.action, call.scope, request.app.state.once, key, body
    )


CallOf = Annotated[Call, Depends(call_of)]
ChangeOf = Annotated[Change, Depends(change_of)]
