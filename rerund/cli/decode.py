"""`rerund decode`: what rerund makes of a capture, as JSON lines."""

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from drivers.profile import ProfileError, load
from drivers.result import Note
from rerund.cli.exits import REFUSED, USAGE, fail, fail_with
from rerund.decode import decode_input
from rerund.interpreter import Outcome
from rerund.payload_codec import to_json


class InputForm(Enum):
    """What a file holds."""

    AUTO = "auto"
    FRAMES = "frames"
    RECORDS = "records"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: rerund decode --driver sysmex-xn capture.astm")(decode)


def decode(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A capture, or - for stdin.")],
    driver: Annotated[
        str, typer.Option("--driver", metavar="NAME", help="A profile's name, or a path to one.")
    ],
    input_form: Annotated[
        InputForm,
        typer.Option("--input", help="ASTM frames or MLLP blocks, or bare records or messages."),
    ] = InputForm.AUTO,
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="Of clock times without a zone.")
    ] = "UTC",
    folder: Annotated[
        Path | None, typer.Option("--drivers-dir", metavar="DIR", help="Profiles of your own.")
    ] = None,
) -> None:
    """Print the payloads of FILE as JSON lines on stdout, and notes on stderr.

    Repeatable: an entry is the ordinal of its message in FILE, there is no time of arrival and
    no lab, and history is what stands before a message in the same FILE. Exits 1 when a message
    could not be read.
    """
    try:
        profile = load(driver, [folder] if folder else [])
    except ProfileError as error:
        fail_with(error.problems)
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        fail(f"unknown time zone {timezone!r}", USAGE)
    failed = False
    for item in decode_input(_read(file), profile, input_form=input_form.value, timezone=zone):
        if isinstance(item, Note):
            _note(f"frame {item.record}: {item.code}", item.detail)
            failed = True
        else:
            failed |= not _print(item)
    if failed:
        raise typer.Exit(REFUSED)


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}", USAGE)


def _print(outcome: Outcome) -> bool:
    """Print one entry; False when its message could not be read."""
    for payload, _ in outcome.payloads:
        sys.stdout.buffer.write(to_json(payload) + b"\n")
    sys.stdout.buffer.flush()
    where = f"entry {outcome.entry_id}"
    for note in outcome.notes:
        _note(f"{where}, message {note.message}, record {note.record}: {note.code}", note.detail)
    for attachment in outcome.attachments:
        _note(
            f"{where}, message {attachment.message}, record {attachment.record}: attachment",
            f"{attachment.name}, {attachment.form or 'data'}, {attachment.size} characters",
        )
    for result_id in outcome.conflicts:
        _note(f"{where}: conflict", f"mark and history contradict each other for {result_id}")
    if outcome.retransmitted:
        count = len(outcome.retransmitted)
        _note(f"{where}: retransmission", f"{count} results are known already")
    if outcome.state != "interpreted":
        _note(
            f"{where}: {outcome.state}", ": ".join(filter(None, (outcome.reason, outcome.detail)))
        )
    return outcome.state != "held"


def _note(what: str, detail: str) -> None:
    typer.echo(f"{what}{f': {detail}' if detail else ''}", err=True)
