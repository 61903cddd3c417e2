"""Alerts of the rerun service in the log, where people look for them."""

import structlog

from rerund.rerun.workspace import Alert

log = structlog.get_logger(__name__)


def tell(alert: Alert) -> None:
    """Log an alert: its code and positions, no value and no patient."""
    log.error(
        alert.code,
        alert=True,
        report=alert.lab_report_id,
        instrument=alert.device_id,
        entry_id=alert.entry_id,
    )
