"""A whole draft: what a capture shows of an instrument, as the text of a profile."""

from rerund.draft.astm import astm_tables
from rerund.draft.capture import Capture, read_capture
from rerund.draft.hl7 import hl7_tables
from rerund.draft.toml import Line, Table, document

_ORDERS = Table(
    "", (), ("No [order] yet: see in the manual how it asks for orders (query), takes them (push)",)
)


def draft_profile(name: str, data: bytes, capture_name: str) -> str:
    """Return the text of a profile for the instrument that sent `data`. Raises CaptureError."""
    capture = read_capture(data)
    tables = (astm_tables if capture.protocol == "astm" else hl7_tables)(capture)
    return document(_head(name, capture), [*_first_tables(capture, capture_name), *tables, _ORDERS])


def _head(name: str, capture: Capture) -> list[Line]:
    return [
        Line.note(
            "A draft, guessed from one capture. Above each key stands what was seen, in positions "
            "and counts. Check each with the manual, mend it, and remove what is settled."
        ),
        Line.note("docs/drivers.md leads through it, docs/profile-format.md explains every key."),
        Line("name", name),
        Line("version", "0.1", ("goes into each payload: change it with the meaning",)),
        Line("vendor", "unknown", ("as on the instrument's plate",)),
        Line("models", ["unknown"]),
        Line("protocol", capture.protocol, (f"read from {capture.form}",)),
        Line("about", "A draft that nobody has checked."),
        Line("verified", []),
        Line("unverified", ["everything: guessed from one capture"]),
    ]


def _first_tables(capture: Capture, capture_name: str) -> list[Table]:
    source = (
        Line("document", f"capture {capture_name}"),
        Line("kind", "capture", ('add one for the manual: kind = "manual", revision, pages',)),
        Line("backs", ["specimen", "result"]),
    )
    return [
        Table("source", source, several=True),
        Table("dialect", tuple(capture.lines)),
    ]
