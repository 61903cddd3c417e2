"""What the report store is asked, each statement built once."""

from typing import Any, get_args

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Label,
    Select,
    Table,
    and_,
    bindparam,
    false,
    func,
    or_,
    select,
    type_coerce,
)

from rerund.rerun.records import (
    OPEN_WAITING,
    ActivityRow,
    EventRow,
    LedgerRow,
    OrderRow,
    ReportRow,
    ReportValue,
    WaitingRow,
    WaitingStatus,
)
from rerund.stores.rows import Query, field_columns
from rerund.stores.schema import (
    activity_log,
    device_format_mapping,
    device_payload,
    device_results,
    lab_report_relation,
    report_values,
    rerun_event,
    waiting_list,
)
from rerund.stores.types import Instant, Readable

_LAB: BindParameter[Any] = bindparam("lab_id")
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_LIMIT: BindParameter[Any] = bindparam("limit")
_SINCE = bindparam("since", type_=Instant())


def _of_lab(table: Table, columns: list[Any], *conditions: ColumnElement[bool]) -> Select[Any]:
    return select(*columns).where(table.c.lab_id == _LAB, *conditions)


_r = lab_report_relation.c
_reports = field_columns(lab_report_relation, ReportRow)

REPORTS = Query(
    ReportRow,
    _of_lab(lab_report_relation, _reports, _r.lab_report_id.in_(_KEYS)).order_by(_r.lab_report_id),
)
# Unordered: to save the sorting of a few rows SQLite would read every report of the lab.
REPORTS_OF_SAMPLES = Query(
    ReportRow, _of_lab(lab_report_relation, _reports, _r.sample_id.in_(_KEYS))
)
# Both words for it: the partial index of SQLite knows one, a server's index the other.
UNCHECKED = and_(_r.results_checked.is_(False), _r.results_checked == false())
UNCHECKED_REPORTS = Query(
    ReportRow,
    _of_lab(lab_report_relation, _reports, UNCHECKED)
    .order_by(_r.registered_at, _r.lab_report_id)
    .limit(_LIMIT),
)

_v = report_values.c
REPORT_VALUES = Query(
    ReportValue,
    _of_lab(
        report_values, field_columns(report_values, ReportValue), _v.lab_report_id.in_(_KEYS)
    ).order_by(_v.lab_report_id, _v.index),
)

_w = waiting_list.c
CLOSED_WAITING = [status for status in get_args(WaitingStatus) if status not in OPEN_WAITING]
OF_THE_REPORT = ("sample_id", "report_format_id")
"""Fields of a waiting row that are columns of its report."""

_waiting = (
    select(
        *field_columns(waiting_list, WaitingRow, OF_THE_REPORT),
        *(_r[name].label(name) for name in OF_THE_REPORT),
    )
    .join_from(
        waiting_list,
        lab_report_relation,
        and_(_w.lab_id == _r.lab_id, _w.lab_report_id == _r.lab_report_id),
    )
    .where(_w.lab_id == _LAB)
)
WAITING_ROWS = Query(WaitingRow, _waiting.where(_w.lab_report_id.in_(_KEYS)))
# Two questions, each a range of the index; in one, SQLite would read all that ever was.
WAITING_OPEN = Query(WaitingRow, _waiting.where(_w.rerun_number > 0, _w.status.in_(OPEN_WAITING)))
WAITING_CLOSED_SINCE = Query(
    WaitingRow,
    _waiting.where(_w.rerun_number > 0, _w.status.in_(CLOSED_WAITING), _w.updated_at >= _SINCE),
)

_OF_THE_PATIENT = (
    "sample_id",
    "report_format_id",
    "patient_id",
    "patient_name",
    "sex",
    "birth_date",
)
# A LIMS writes it too: a text of another form must not keep the orders of the lab from being read.
_remaining: Label[Any] = type_coerce(_w.remaining, Readable(list[int], empty="[]")).label(
    "remaining"
)
_orders = (
    select(
        *field_columns(waiting_list, OrderRow, (*_OF_THE_PATIENT, "remaining")),
        _remaining,
        *(_r[name].label(name) for name in _OF_THE_PATIENT),
    )
    .join_from(
        waiting_list,
        lab_report_relation,
        and_(_w.lab_id == _r.lab_id, _w.lab_report_id == _r.lab_report_id),
    )
    .where(
        _w.lab_id == _LAB,
        _r.registered_at >= _SINCE,
        # What a LIMS has completed is measured again on request only.
        or_(_w.rerun_number > 0, and_(_r.is_completed == false(), _r.is_signed == false())),
    )
)
ORDERS = Query(OrderRow, _orders.where(_w.status.in_(OPEN_WAITING)))
_of_samples = select(_r.lab_report_id).where(_r.lab_id == _LAB, _r.sample_id.in_(_KEYS))
# Not the plain column: by its index SQLite would read every open row for those of one sample.
ORDERS_OF_SAMPLES = Query(
    OrderRow,
    _orders.where(
        _w.lab_report_id.in_(_of_samples), func.coalesce(_w.status, "").in_(OPEN_WAITING)
    ),
)

_e = rerun_event.c
_events = field_columns(rerun_event, EventRow)
EVENT = Query(EventRow, _of_lab(rerun_event, _events, _e.event_id == bindparam("event_id")))
EVENTS = Query(
    EventRow,
    _of_lab(rerun_event, _events, _e.lab_report_id == bindparam("lab_report_id")).order_by(
        _e.version
    ),
)
UNAPPLIED_EVENTS = Query(
    EventRow,
    _of_lab(rerun_event, _events, _e.applied_at.is_(None), _e.lab_report_id.in_(_KEYS)).order_by(
        _e.lab_report_id, _e.version
    ),
)
UNAPPLIED_REPORTS = (
    _of_lab(
        rerun_event,
        [_e.lab_report_id],
        _e.applied_at.is_(None),
        _e.lab_report_id > bindparam("after"),
    )
    .distinct()
    .order_by(_e.lab_report_id)
    .limit(_LIMIT)
)

_d = device_results.c
_p = device_payload.c
_ledger = select(
    *field_columns(device_results, LedgerRow, ["origin"]), _p.origin.label("origin")
).join_from(
    device_results,
    device_payload,
    and_(_p.lab_id == _d.lab_id, _p.payload_id == _d.payload_id),
)


def _ledger_by(*conditions: ColumnElement[bool]) -> Query[LedgerRow]:
    return Query(LedgerRow, _ledger.where(_d.lab_id == _LAB, *conditions).order_by(_d.row_id))


LEDGER_BY_RESULT = _ledger_by(_d.result_id.in_(_KEYS))
LEDGER_OF_SAMPLES = _ledger_by(_d.sample_id.in_(_KEYS))
LEDGER_OF_SAMPLES_SINCE = _ledger_by(_d.sample_id.in_(_KEYS), _d.received_at >= _SINCE)
LEDGER_OF_DEVICE = _ledger_by(
    _d.device_id == bindparam("device_id"),
    _d.received_at >= _SINCE,
    _d.received_at < bindparam("before", type_=Instant()),
)
LEDGER_OF_REPORTS = _ledger_by(_d.lab_report_id.in_(_KEYS))

_m = device_format_mapping.c
_a_report_could_take_it = (
    select(1)
    .select_from(lab_report_relation)
    .join(
        device_format_mapping,
        and_(_m.lab_id == _r.lab_id, _m.report_format_id == _r.report_format_id),
    )
    .where(
        _r.lab_id == _d.lab_id,
        _r.sample_id == _d.sample_id,
        _m.device_id == _d.device_id,
        _m.test_code == _d.test_code,
    )
    .correlate(device_results)
    .exists()
)
MATCHABLE_SAMPLES = (
    _of_lab(
        device_results,
        [_d.sample_id],
        _d.outcome == "unmatched",
        _d.sample_id > bindparam("after"),
        _d.received_at >= _SINCE,
        _a_report_could_take_it,
    )
    .distinct()
    .order_by(_d.sample_id)
    .limit(_LIMIT)
)

_a = activity_log.c
ACTIVITY = Query(
    ActivityRow,
    _of_lab(
        activity_log,
        field_columns(activity_log, ActivityRow),
        _a.lab_report_id == bindparam("lab_report_id"),
    ).order_by(_a.row_id),
)
