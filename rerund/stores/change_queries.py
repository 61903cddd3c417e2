"""What has changed on a server, which has no counter of commits.

The rows that somebody has yet to look at are few, so they are summed up. A sum of what is
there misses no commit, however late it comes; a highest number or time would.
"""

from collections.abc import Hashable
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, func, select, text

from rerund.rerun.records import OPEN_WAITING
from rerund.stores.report_queries import CLOSED_WAITING, UNCHECKED
from rerund.stores.schema import lab_report_relation, rerun_event, waiting_list
from rerund.stores.types import now

_LAB: BindParameter[Any] = bindparam("lab_id")
_COUNT = 2**32
"""More than any checksum, so that a sum tells how many rows it is of as well."""

_w, _e, _r = waiting_list.c, rerun_event.c, lab_report_relation.c


def _sum(key: tuple[Any, ...], *conditions: ColumnElement[bool]) -> ColumnElement[int]:
    checksum = func.crc32(func.concat_ws("/", *key))
    of_lab = key[0].table.c.lab_id == _LAB
    return select(func.sum(checksum + _COUNT)).where(of_lab, *conditions).scalar_subquery()


_WAITING = (_w.lab_report_id, _w.device_id, _w.rerun_number, _w.version, _w.status, _w.updated_at)
_SINCE = func.timestampadd(text("SECOND"), -bindparam("closed_within"), now)

_CHANGES = select(
    _sum(_WAITING, _w.rerun_number > 0, _w.status.in_(OPEN_WAITING)),
    _sum(_WAITING, _w.rerun_number > 0, _w.status.in_(CLOSED_WAITING), _w.updated_at >= _SINCE),
    _sum((_e.lab_report_id, _e.version), _e.applied_at.is_(None)),
    _sum((_r.lab_report_id, _r.registered_at), UNCHECKED),
)


_ORDERS = select(_sum(_WAITING, _w.status.in_(OPEN_WAITING)))


def read_order_changes(connection: Connection, lab_id: int) -> Hashable:
    """The sum over the open rows of a lab's waiting list."""
    return tuple(connection.execute(_ORDERS, {"lab_id": lab_id}).one())


def read_changes(connection: Connection, lab_id: int, closed_within: float) -> Hashable:
    """Sums over the rows of a lab that are to be looked at."""
    parameters = {"lab_id": lab_id, "closed_within": int(closed_within)}
    return tuple(connection.execute(_CHANGES, parameters).one())
