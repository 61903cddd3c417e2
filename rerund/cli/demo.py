"""`rerund demo`: the product in a minute."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: rerund demo --keep")(demo)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay when it is over, and tell how to send to it.")
    ] = False,
) -> None:
    """Start a real daemon, let simulated instruments send, and show what became of it."""
    from rerund.demo.story import tell

    raise typer.Exit(tell(keep=keep))
