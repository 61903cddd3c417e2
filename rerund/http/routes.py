"""The six endpoints. Each turns a body into the words of the service and answers what it says."""

from fastapi import APIRouter, Depends, Response

from rerund.http import answers
from rerund.http.access import GuardedRoute
from rerund.http.bodies import (
    AutoCheckBody,
    CancelBody,
    ConfirmBody,
    ReceiveBody,
    RequestBody,
    whole,
)
from rerund.http.calls import CallOf, ChangeOf, ReportId
from rerund.http.documented import BEARER, responses
from rerund.rerun.confirm import Choice, Confirmation
from rerund.rerun.records import ANY_DEVICE
from rerund.rerun.refusals import Impossible, NotFound
from rerund.rerun.requests import RerunRequest

router = APIRouter(prefix="/sample-rerun", route_class=GuardedRoute, dependencies=[Depends(BEARER)])


@router.get(
    "/{lab_report_id}",
    name="show",
    summary="Fetch a report with its reruns",
    responses=responses(200, answers.ReportAnswer, post=False),
)
def show(lab_report_id: ReportId, call: CallOf) -> Response:
    """What the report shows, the open rerun, and the rerun values beside the originals."""
    return call.show(lab_report_id)


@router.post(
    "/{lab_report_id}/request",
    name="request",
    status_code=201,
    summary="Request a rerun",
    responses=responses(201, answers.RequestAnswer, post=True),
)
def request(lab_report_id: ReportId, body: RequestBody, change: ChangeOf) -> Response:
    """Opens a manual rerun of parameters that may be repeated. One is open at a time."""
    number, names = body.rerun_number, body.parameter_names
    asked = RerunRequest(
        requested_parameters=tuple(body.requested_parameters),
        parameter_names=None if names is None else tuple(names),
        rerun_number=None if number is None else whole(number, "rerun_number"),
        reason=body.reason,
        dilution=body.dilution,
        device_id=body.device_id or ANY_DEVICE,
        confirm=body.confirm,
    )
    return change.answer(
        201,
        lab_report_id,
        lambda service, event_id: service.request(
            change.lab_id, lab_report_id, asked, user=change.token.user_id, event_id=event_id
        ),
    )


@router.post(
    "/{lab_report_id}/confirm",
    name="confirm",
    summary="Choose the values that the report shall show",
    responses=responses(200, answers.ConfirmAnswer, post=True),
)
def confirm(lab_report_id: ReportId, body: ConfirmBody, change: ChangeOf) -> Response:
    """Ends the review: chosen values become the report's, all runs are settled."""
    decided = Confirmation(
        version=body.version,
        values=tuple(
            Choice(
                index=one.index,
                rerun_number=whole(one.rerun_number, f"values[{position}].rerun_number"),
            )
            for position, one in enumerate(body.values)
        ),
        close_open=body.close_open,
        confirm=body.confirm,
    )
    return change.answer(
        200,
        lab_report_id,
        lambda service, event_id: service.confirm(
            change.lab_id, lab_report_id, decided, user=change.token.user_id, event_id=event_id
        ),
    )


@router.post(
    "/{lab_report_id}/cancel",
    name="cancel",
    summary="Give reruns up",
    responses=responses(200, answers.CancelAnswer, post=True),
)
def cancel(lab_report_id: ReportId, body: CancelBody, change: ChangeOf) -> Response:
    """Discards the open rerun, or without one all runs that wait for review. Originals stay."""
    return change.answer(
        200,
        lab_report_id,
        lambda service, event_id: service.cancel(
            change.lab_id,
            lab_report_id,
            user=change.token.user_id,
            version=body.version,
            reason=body.reason,
            event_id=event_id,
        ),
    )


@router.post(
    "/{lab_report_id}/auto-check",
    name="auto_check",
    summary="Check the originals by their rules",
    responses=responses(200, answers.AutoCheckAnswer, post=True),
)
def auto_check(lab_report_id: ReportId, body: AutoCheckBody, change: ChangeOf) -> Response:
    """Requests a rerun of what meets its rule. It counts as made by rerund, not by the caller."""
    return change.answer(
        200,
        lab_report_id,
        lambda service, event_id: service.auto_check(
            change.lab_id, lab_report_id, dry_run=body.dry_run, event_id=event_id
        ),
    )


@router.post(
    "/{lab_report_id}/new",
    name="receive",
    summary="Hand over rerun values",
    responses=responses(200, answers.ReceiveAnswer, post=True),
)
def receive(lab_report_id: ReportId, body: ReceiveBody, change: ChangeOf) -> Response:
    """Registers values of a run: of a requested rerun, or of one by the instrument itself."""
    if body.lab_id != change.lab_id:
        raise NotFound("not_found", "the token is not of this lab", "lab_id")
    if body.lab_report_id != lab_report_id:
        raise Impossible("other_report", "path and body name two reports", "lab_report_id")
    submitted = body.submitted()
    return change.answer(
        200,
        lab_report_id,
        lambda service, event_id: service.receive(
            change.lab_id, lab_report_id, submitted, user=change.token.user_id, event_id=event_id
        ),
    )
