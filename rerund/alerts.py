"""Alerts in the log, where people look for them."""

import structlog

from rerund.rerun.workspace import Alert

log = structlog.get_logger(__name__)


def tell(alert: Alert) -> None:
    """Log an alert of the rerun service: its code and positions, no value and no patient."""
    log.error(
        alert.code,
        alert=True,
        report=alert.lab_report_id,
        instrument=alert.device_id,
        entry_id=alert.entry_id,
    )


def tell_on_hold(entry_id: int, device_id: str, reason: str) -> None:
    """Log that an entry waits for a person, whoever put it on hold."""
    log.error("entry_on_hold", alert=True, reason=reason, entry_id=entry_id, instrument=device_id)
