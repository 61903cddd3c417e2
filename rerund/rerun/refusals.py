"""What a caller of the rerun service is told when an action cannot be done."""


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """Base of the answers that change nothing: a code, a sentence, the field at fault."""

    def __init__(self, code: str, message: str, field: str | None = None, **details: object):
        super().__init__(code, message, field, details)
        self.code = code
        self.message = message
        self.field = field
        self.details = details

    def __str__(self) -> str:
        return self.message


class NotFound(Refusal):
    """There is no such report in this lab."""


class Conflict(Refusal):
    """The state of the report does not allow it: `rerun_open`, `number_taken`, `changed`, …"""


class Impossible(Refusal):
    """The report could never take it: an unknown index, one without `manual_rerun`, …"""


def check_version(current: int, seen: int | None) -> None:
    """Raise Conflict `changed` when a report is not at the version that the caller saw."""
    if seen is not None and seen != current:
        raise Conflict("changed", "the report has changed", "version", version=current)
