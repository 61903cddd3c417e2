"""`rerund journal`: what arrived, what became of it, and what waits for a person."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from rerund.cli import journal_export
from rerund.cli.exits import UNAVAILABLE, fail
from rerund.cli.options import (
    CONFIG_DEFAULT,
    ConfigOption,
    JsonOption,
    load_config,
    opened_journal,
)
from rerund.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from rerund.journal.reader import JournalReader
    from rerund.journal.rows import EntryState, StoredEntry, StoredPayload

app = typer.Typer(
    help="The journal: list, show and export entries; hold, release, replay and prune them.",
    no_args_is_help=True,
)

_HL7 = re.compile(rb"\x0b?(?:MSH|FHS|BHS)[^A-Za-z0-9]")
_BETWEEN_SEGMENTS = re.compile(r"(?<=\r)(?!\x1c|\Z)")

EntryArgument = Annotated[int, typer.Argument(metavar="ENTRY", help="The entry's id.")]


@app.command("list", epilog="Example: rerund journal list --state held --json")
def list_entries(
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only this state; may be repeated.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="ID", help="Only this instrument.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", help="How many, newest first; 0 for all.", min=0)
    ] = 100,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """List entries, newest first, each with its state and why."""
    with opened_journal(config) as reader:
        entries = list(
            reader.entries(
                states=cast("Sequence[EntryState]", state or ()),
                device_id=device,
                limit=limit or None,
            )
        )
        rows = [_summary(entry, reader.payloads(entry.entry_id)) for entry in entries]
    if as_json:
        print_json(rows)
        return
    _print_entries(rows)


def _print_entries(rows: Sequence[dict[str, Any]]) -> None:
    columns = ["entry_id", "received_at", "device_id", "state", "reason", "frames", "size"]
    table = [
        [
            *(row[column] for column in columns),
            ", ".join(_payload_word(payload) for payload in row["payloads"]),
        ]
        for row in rows
    ]
    print_table([*(column.replace("_", " ") for column in columns), "payloads"], table)


def _payload_word(payload: dict[str, Any]) -> str:
    number = payload["rerun_number"]
    run = "original" if not payload["is_rerun"] else f"rerun {number if number > 0 else ''}".strip()
    return f"{payload['sample_id']} {run} {payload['state']}"


def _summary(entry: "StoredEntry", payloads: Sequence["StoredPayload"]) -> dict[str, Any]:
    return {
        "entry_id": entry.entry_id,
        "device_id": entry.device_id,
        "link": entry.link,
        "received_at": entry.received_at,
        "state": entry.state,
        "reason": entry.reason,
        "detail": entry.detail,
        "frames": entry.frames,
        "size": entry.size,
        "continues": entry.continues,
        "successor": entry.successor,
        "payloads": [
            {
                "payload_id": payload.payload_id,
                "sample_id": payload.sample_id,
                "kind": payload.kind,
                "is_rerun": payload.is_rerun,
                "rerun_number": payload.rerun_number,
                "state": payload.state,
                "reason": payload.reason,
            }
            for payload in payloads
        ],
    }


@app.command(epilog="Example: rerund journal show 17")
def show(
    entry_id: EntryArgument,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Show an entry: its bytes, frame by frame, and the payloads made of it."""
    from rerund.payload_codec import to_json, unpack

    with opened_journal(config) as reader:
        entry = _entry(reader, entry_id)
        frames = reader.frames(entry_id)
        stored = reader.payloads(entry_id)
    summary = _summary(entry, stored)
    bodies = [to_json(unpack(payload.body)[0]).decode() for payload in stored]
    if as_json:
        import json

        summary["frames_raw"] = [frame.decode("latin-1") for frame in frames]
        summary["payload_bodies"] = [json.loads(body) for body in bodies]
        print_json(summary)
        return
    for key in ("entry_id", "device_id", "link", "received_at", "state", "reason", "detail"):
        if summary[key] != "":
            typer.echo(f"{key:<12} {summary[key]}")
    for key in ("continues", "successor"):
        if summary[key] is not None:
            typer.echo(f"{key:<12} {summary[key]}")
    for frame in frames:
        typer.echo(f"frame        {_readable(frame)}")
    for payload, body in zip(stored, bodies, strict=True):
        typer.echo(f"payload      {payload.state} {payload.reason}".rstrip())
        typer.echo(body)


def _readable(frame: bytes) -> str:
    """Show control characters as ⟨03⟩, so that a terminal survives what a line sent.

    The segments of an HL7 message stand one below the other.
    """
    if not _HL7.match(frame):
        return _visible(frame.decode("latin-1"))
    try:
        text = frame.decode("utf-8")
    except UnicodeDecodeError:
        text = frame.decode("latin-1")
    return f"\n{' ' * 13}".join(map(_visible, _BETWEEN_SEGMENTS.split(text)))


def _visible(text: str) -> str:
    return "".join(c if " " <= c < "\x7f" or c > "\x9f" else f"⟨{ord(c):02X}⟩" for c in text)


def _entry(reader: "JournalReader", entry_id: int) -> "StoredEntry":
    entry = reader.entry(entry_id)
    if entry is None:
        fail(f"there is no entry {entry_id}")
    return entry


@app.command(epilog="Example: rerund journal hold; rerund journal hold 17 --reason 'wrong sample'")
def hold(
    entry_id: Annotated[
        int | None, typer.Argument(metavar="[ENTRY]", help="Put this entry on hold.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why it waits.")] = "held by a person",
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """List what is on hold, or put an entry on hold before it is delivered."""
    if entry_id is not None:
        _change(
            config,
            entry_id,
            "put on hold",
            lambda path: _maintenance().hold(path, entry_id, reason),
        )
        return
    with opened_journal(config) as reader:
        entries = list(reader.entries(states=("held",)))
        waiting = {p.entry_id for p in reader.undelivered("held", 10_000)}
        entries += [_entry(reader, held) for held in sorted(waiting, reverse=True)]
        rows = [_summary(entry, reader.payloads(entry.entry_id)) for entry in entries]
    if as_json:
        print_json(rows)
    else:
        _print_entries(rows)


@app.command(epilog="Example: rerund journal release 17; rerund journal release 18 --discard")
def release(
    entry_id: EntryArgument,
    discard: Annotated[
        bool, typer.Option("--discard", help="Give it up instead; its bytes stay.")
    ] = False,
    config: ConfigOption = CONFIG_DEFAULT,
) -> None:
    """Send what is on hold of an entry round again, or give it up."""
    if discard:
        _change(config, entry_id, "given up", lambda path: _maintenance().discard(path, entry_id))
    else:
        _change(config, entry_id, "released", lambda path: _maintenance().release(path, entry_id))


@app.command(epilog="Example: rerund journal replay 17; rerund journal replay 17 --apply")
def replay(
    entry_id: EntryArgument,
    apply: Annotated[
        bool, typer.Option("--apply", help="Decide it again, or correct what went out.")
    ] = False,
    config: ConfigOption = CONFIG_DEFAULT,
) -> None:
    """Show what an entry reads as now, and how that differs from what was kept.

    Exits 1 when it differs. With --apply an entry of which nothing was delivered is decided
    again by the daemon; of one that was, values that read otherwise go out as corrections.
    """
    from rerund.replay import corrections, differences

    loaded = load_config(config)
    with opened_journal(config) as reader:
        entry = _entry(reader, entry_id)
        found = differences(loaded, reader, entry)
        rows = corrections(loaded, reader, entry)
    for line in found:
        typer.echo(line)
    if apply and rows:
        _change(
            config,
            entry_id,
            "corrected",
            lambda path: _maintenance().add_payloads(path, entry_id, rows),
        )
    elif apply:
        _change(
            config,
            entry_id,
            "decided again",
            lambda path: _maintenance().decide_again(path, entry_id),
        )
    elif found:
        raise typer.Exit(1)
    else:
        typer.echo(f"entry {entry_id} reads as it did")


@app.command(epilog="Example: rerund journal prune --keep-days 30")
def prune(
    keep_days: Annotated[
        float | None,
        typer.Option(
            "--keep-days",
            min=0,
            help="Default: as configured. The history window (72 h) is kept in any case.",
        ),
    ] = None,
    config: ConfigOption = CONFIG_DEFAULT,
) -> None:
    """Remove old entries now; never undelivered ones or those on hold."""
    from rerund.journal import maintenance
    from rerund.journal.errors import JournalError
    from rerund.journal.prune import Limits

    loaded = load_config(config)
    settings = loaded.file.journal
    limits = Limits(
        keep=(settings.keep_days if keep_days is None else keep_days) * 86400.0,
        max_bytes=settings.max_megabytes * 1_000_000,
        history_window=loaded.file.rerun.history_window,
        order_window=loaded.file.rerun.sample_id_window,
    )
    try:
        removed = maintenance.prune(loaded.journal_path, limits)
    except JournalError as error:
        fail(str(error), UNAVAILABLE)
    typer.echo(f"{removed} entries removed")


def _maintenance() -> ModuleType:
    """Return the functions that change a journal, imported when they are needed."""
    from rerund.journal import maintenance

    return maintenance


def _change(config: Path, entry_id: int, what: str, change: Callable[[Path], bool]) -> None:
    """Change an entry beside the daemon, and say so, or why not."""
    from rerund.journal.errors import JournalError

    with opened_journal(config) as reader:
        entry = _entry(reader, entry_id)
    try:
        done = change(load_config(config).journal_path)
    except JournalError as error:
        fail(str(error), UNAVAILABLE)
    if not done:
        fail(f"entry {entry_id} is {entry.state}: nothing of it can be {what}")
    typer.echo(f"entry {entry_id} {what}")


journal_export.register(app)
