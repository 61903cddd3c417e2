"""The lab's formats, instruments and mappings as the rules see them."""

from collections import defaultdict
from collections.abc import Hashable
from typing import Any

import structlog
from sqlalchemy import BindParameter, Connection, bindparam, func, select

from rerund.rerun.records import Device, LabData, Mapping, Parameter, ParameterMeta, ReportFormat
from rerund.stores.parameters import decode_meta, decode_ranges
from rerund.stores.rows import Query, field_columns
from rerund.stores.schema import (
    device,
    device_format_mapping,
    report_format,
    report_format_parameter,
)

log = structlog.get_logger(__name__)

_LAB: BindParameter[Any] = bindparam("lab_id")
_TABLES = (report_format, report_format_parameter, device, device_format_mapping)

_VERSION = select(
    *(
        select(what).where(table.c.lab_id == _LAB).scalar_subquery()
        for table in _TABLES
        for what in (func.count(), func.max(table.c.updated_at))
    )
)
_FORMATS = (
    select(report_format.c.report_format_id, report_format.c.name)
    .where(report_format.c.lab_id == _LAB)
    .order_by(report_format.c.report_format_id)
)
_PARAMETERS = (
    select(report_format_parameter)
    .where(report_format_parameter.c.lab_id == _LAB)
    .order_by(report_format_parameter.c.order, report_format_parameter.c.index)
)
_DEVICES = Query(
    Device,
    select(*field_columns(device, Device))
    .where(device.c.lab_id == _LAB)
    .order_by(device.c.device_id),
)
_m = device_format_mapping.c
_MAPPINGS = Query(
    Mapping,
    select(
        *field_columns(device_format_mapping, Mapping, ["order_code"]),
        func.coalesce(_m.order_code, _m.test_code).label("order_code"),
    )
    .where(_m.lab_id == _LAB)
    .order_by(_m.device_id, _m.report_format_id, _m.index, _m.test_code),
)


def read_lab_version(connection: Connection, lab_id: int) -> Hashable:
    """How many rows there are and when one changed last, of each table."""
    return tuple(connection.execute(_VERSION, {"lab_id": lab_id}).one())


def read_lab_data(connection: Connection, lab_id: int) -> LabData:
    """The formats, instruments and mappings of a lab; empty for an unknown one."""
    parameters: dict[int, list[Parameter]] = defaultdict(list)
    for row in connection.execute(_PARAMETERS, {"lab_id": lab_id}).mappings():
        parameters[row["report_format_id"]].append(_parameter(lab_id, row))
    formats = [
        ReportFormat(number, lab_id, name, tuple(parameters[number]))
        for number, name in connection.execute(_FORMATS, {"lab_id": lab_id})
    ]
    return LabData(
        lab_id,
        tuple(formats),
        tuple(_DEVICES.all(connection, lab_id=lab_id)),
        tuple(_MAPPINGS.all(connection, lab_id=lab_id)),
    )


def _parameter(lab_id: int, row: Any) -> Parameter:
    try:
        ranges, meta = decode_ranges(row["ranges"]), decode_meta(row["meta"])
    except (ValueError, TypeError, AttributeError):
        # One line of a format that somebody wrote wrongly must not stop every result of the lab.
        place = (row["report_format_id"], row["index"])
        log.warning("parameter unreadable", alert=True, lab_id=lab_id, format_and_index=place)
        ranges, meta = (), ParameterMeta()
    return Parameter(row["index"], row["order"], row["parameter_name"], row["units"], ranges, meta)
