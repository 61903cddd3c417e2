"""`rerund drivers new`: the draft of a profile, guessed from what an instrument sent."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from rerund.cli.exits import USAGE, fail

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("new", epilog="Example: rerund drivers new acme-one capture.astm")(new)


def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What to call it: acme-one, in lower case.")
    ],
    capture: Annotated[
        str,
        typer.Argument(
            metavar="CAPTURE",
            help="What the instrument sent, or - for stdin: frames, blocks, records, segments.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Default: NAME.toml. Never overwritten."),
    ] = None,
) -> None:
    """Write the draft of a profile, with every doubt as a comment beside its key.

    The comments hold positions and counts, and nothing of a patient. Exits 1 when no message is
    found in CAPTURE.
    """
    # Imported when it is called: nothing else needs what guesses.
    from rerund.draft.capture import CaptureError
    from rerund.draft.profile import draft_profile

    output = output or Path(f"{name}.toml")
    if not _NAME.fullmatch(name):
        fail(f"{name!r} is no name of a driver: lower case, digits and hyphens only", USAGE)
    if output.name != f"{name}.toml":
        fail(f"{output}: a profile is called like its file, {name}.toml", USAGE)
    data = _read(capture)
    shown = "from stdin" if capture == "-" else Path(capture).name
    shown = "".join(c if c.isprintable() else "?" for c in shown)
    try:
        text = draft_profile(name, data, shown)
    except CaptureError as error:
        fail(f"{capture}: {error}")
    _write(output, text)
    typer.echo(
        f"{output} written: a draft. Read it, then: rerund decode --driver {output} {capture}"
    )


def _read(capture: str) -> bytes:
    if capture == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(capture).read_bytes()
    except OSError as error:
        fail(f"{capture}: {error.strerror}", USAGE)


def _write(output: Path, text: str) -> None:
    """Write a new file; one that is there stays as it is."""
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        fail(f"{output}: {error.strerror}", USAGE)
