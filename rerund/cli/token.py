"""`rerund token`: who may use the HTTP interface."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from drivers.tomlfile import TomlError
from rerund.cli.exits import UNAVAILABLE, fail, fail_with
from rerund.cli.options import CONFIG_DEFAULT, ConfigOption, JsonOption
from rerund.cli.tables import print_json, print_table
from rerund.hindrance import ownership

if TYPE_CHECKING:
    from rerund.http.tokens import Token

app = typer.Typer(help="Bearer tokens of the HTTP interface.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Who or what holds it.")]


@app.command(epilog="Example: rerund token add lims --role technician --user 7")
def add(
    name: NameArgument,
    role: Annotated[
        Literal["viewer", "device", "technician"], typer.Option(help="What its holder may do.")
    ],
    user: Annotated[int, typer.Option(min=0, help="User id for `created_by` and the log.")],
    lab: Annotated[
        int | None, typer.Option(min=1, help="Whose reports; default: the daemon's lab.")
    ] = None,
    expires: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The last day (UTC) on which it is good."),
    ] = None,
    config: ConfigOption = CONFIG_DEFAULT,
) -> None:
    """Make a token and print it, once: only its hash is kept. Whose the file is goes to stderr."""
    from pydantic import ValidationError

    from rerund.http import token_edit
    from rerund.http.tokens import Token, hashed

    path, own_lab = _place(config)
    secret = token_edit.new_secret()
    try:
        token = Token(
            name=name,
            sha256=hashed(secret),
            lab_id=lab or own_lab,
            user_id=user,
            role=role,
            expires_at=None if expires is None else expires.date(),
        )
    except ValidationError as error:
        first = error.errors()[0]
        fail(f"{first['loc'][0]}: {first['msg']}")
    if not _edited(path, lambda: token_edit.add(path, token)):
        fail(f"there is a token {name!r} already")
    typer.echo(secret)
    _tell_ownership(path)


@app.command(name="list", epilog="Example: rerund token list")
def list_tokens(config: ConfigOption = CONFIG_DEFAULT, as_json: JsonOption = False) -> None:
    """Print the tokens there are, without anything that could be used as one."""
    from rerund.http.tokens import read_tokens

    path, _ = _place(config)
    try:
        tokens = read_tokens(path)
    except TomlError as error:
        fail_with(error.problems)
    lines = [_line(token) for token in tokens]
    if as_json:
        print_json(lines)
    else:
        print_table(
            ["name", "role", "lab", "user", "expires", ""], [_cells(line) for line in lines]
        )


@app.command(epilog="Example: rerund token revoke lims")
def revoke(name: NameArgument, config: ConfigOption = CONFIG_DEFAULT) -> None:
    """Take a token away; a running daemon refuses it from its next request on."""
    from rerund.http import token_edit

    path, _ = _place(config)
    if not _edited(path, lambda: token_edit.revoke(path, name)):
        fail(f"there is no token {name!r}")
    typer.echo(f"token {name} revoked")


def _place(config: Path) -> tuple[Path, int]:
    """Return the token file and the daemon's lab; or print what is wrong and exit 78."""
    from rerund.config_http import tokens_place

    try:
        return tokens_place(config)
    except TomlError as error:
        fail_with(error.problems)


def _edited(path: Path, edit: Callable[[], bool]) -> bool:
    """Return whether the file was changed; or say why it can not be, and exit."""
    try:
        return edit()
    except TomlError as error:
        fail_with(error.problems)
    except OSError as error:
        fail(f"{path}: {error.strerror}", UNAVAILABLE)


def _tell_ownership(path: Path) -> None:
    """Say on stderr whose the file is: made by root, the daemon may not be able to read it."""
    typer.echo(
        f"its hash is in {path} ({ownership(path)}), which the daemon's user has to read and nobody"
        f" else to write; under systemd: chown root:rerund {path} && chmod 640 {path}",
        err=True,
    )


def _line(token: "Token") -> dict[str, object]:
    return {
        "name": token.name,
        "role": token.role,
        "lab_id": token.lab_id,
        "user_id": token.user_id,
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        "expired": token.is_expired(time()),
    }


def _cells(line: dict[str, object]) -> list[str]:
    texts = [str(line[key]) for key in ("name", "role", "lab_id", "user_id")]
    return [*texts, str(line["expires_at"] or "never"), "expired" if line["expired"] else ""]
