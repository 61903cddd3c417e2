"""`rerund simulate`: play files as an instrument would, or ask for orders."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from rerund.cli.exits import REFUSED, UNAVAILABLE, USAGE, fail
from rerund.cli.profiles import FolderOption, load_profile
from rerund.cli.simulate_asking import ask_and_take
from rerund.simulator import Playing, Reply
from rerund.simulator_line import simulate as play
from rerund.simulator_player import Played
from rerund.transports.connection import TransportError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: rerund simulate --to 127.0.0.1:5001 capture.astm")(simulate)


def simulate(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="URL",
            help="host:port, connect://host:port, listen://host:port or serial:///dev/...",
        ),
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Frames, records or HL7 messages."),
    ] = None,
    from_file: Annotated[
        list[Path] | None,
        typer.Option("--from-file", metavar="FILE", help="The same as FILE; may be repeated."),
    ] = None,
    packed: Annotated[
        bool, typer.Option(help="Bare records: several to a frame, not a frame each.")
    ] = False,
    max_text: Annotated[int, typer.Option(help="Bytes of text in one frame.", min=1)] = 240,
    raw: Annotated[
        bool, typer.Option(help="Send the bytes as they are, and nothing twice.")
    ] = False,
    split: Annotated[int, typer.Option(help="Bytes of one write; 0 for whole ones.", min=0)] = 0,
    delay: Annotated[float, typer.Option(help="Seconds between two writes.", min=0)] = 0.0,
    merge: Annotated[int, typer.Option(help="Frames or messages put into one write.", min=1)] = 1,
    repeat: Annotated[
        float, typer.Option(help="Chance that one is sent twice.", min=0, max=1)
    ] = 0.0,
    corrupt: Annotated[
        float, typer.Option(help="Chance that one comes damaged first.", min=0, max=1)
    ] = 0.0,
    times: Annotated[int, typer.Option(help="Play the files this often.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of the chances, so that a run repeats.")] = 0,
    reply_timeout: Annotated[
        float, typer.Option(help="Seconds to wait for a reply (LIS01-A2 6.5.2.3).")
    ] = 15.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the summary only.")] = False,
    sample: Annotated[
        str | None,
        typer.Option("--ask", metavar="SAMPLE", help="Ask for the orders of a sample instead."),
    ] = None,
    take: Annotated[
        float,
        typer.Option("--take", metavar="SECONDS", help="Stay, and take orders that come.", min=0),
    ] = 0.0,
    driver: Annotated[
        str | None,
        typer.Option("--driver", metavar="NAME", help="Whose question it is (--ask, --take)."),
    ] = None,
    folder: FolderOption = None,
) -> None:
    """Play FILEs to a host as an instrument would, and print each reply and its latency.

    FILE holds frames as captured, or bare records that are framed here; or HL7 messages, in MLLP
    blocks or bare. With --ask it asks for the orders of a sample, and prints what it is told.
    Exits 1 when something was refused, or there was no answer in time; 69 when the line can not
    be opened or is lost.
    """
    if sample is not None or take:
        if driver is None or files or from_file:
            fail("--ask and --take want --driver and no FILE", USAGE)
        ask_and_take(to, load_profile(driver, folder), sample, take, reply_timeout)
        return
    playing = Playing(
        packed=packed,
        max_text=max_text,
        raw=raw,
        read_size=split,
        delay=delay,
        merge=merge,
        repeat=repeat,
        corrupt=corrupt,
        seed=seed,
        reply_timeout=reply_timeout,
    )
    contents = [_read(path) for path in [*(from_file or []), *(files or [])]] * times
    if not contents:
        fail("no FILE to play", USAGE)
    played = _play(to, contents, playing, quiet)
    typer.echo(f"{played.frames} {played.what} sent, {len(played.refused)} refused")
    if not played.accepted:
        raise typer.Exit(REFUSED)


def _play(to: str, contents: list[bytes], playing: Playing, quiet: bool) -> Played:
    try:
        return asyncio.run(play(to, contents, playing, _silent if quiet else _print))
    except ValueError as error:
        fail(str(error), USAGE)
    except (OSError, TransportError) as error:
        fail(f"{to}: {error}", UNAVAILABLE)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fail(f"{path}: {error.strerror}", USAGE)


def _print(reply: Reply) -> None:
    typer.echo(f"{reply.step.label:<16} {reply.word:<5} {reply.latency * 1000:8.1f} ms")


def _silent(reply: Reply) -> None:
    del reply
