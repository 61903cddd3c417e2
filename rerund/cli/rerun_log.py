"""How `rerund rerun log` prints the activity log of a report."""

from collections.abc import Mapping, Sequence

import typer

from rerund.cli.answers import Object
from rerund.cli.tables import print_table
from rerund.rerun.draft import SYSTEM_USER


def print_log(report: int, lines: Sequence[Object]) -> None:
    """Print a line for each event, with what it changed."""
    if not lines:
        typer.echo(f"nothing was logged of report {report}")
        return
    print_table(
        ["at", "what", "rerun", "by", "old and new"],
        [
            [line["at"], _what(line), line["rerun_number"], _who(line), _changes(line)]
            for line in lines
        ],
    )


def _what(line: Object) -> str:
    name = str(line["name"] or "").replace("_", " ").lower()
    return f"{line['code']} {name}".strip()


def _who(line: Object) -> str:
    user = line["user_id"]
    return "rerund" if user == SYSTEM_USER else f"user {user}"


def _changes(line: Object) -> str:
    """Values by index as `1: 12.5 → 12.0`, and whatever else was noted, old before new."""
    old, new = _flat(line["old"]), _flat(line["new"])
    return ", ".join(f"{name} {_change(old, new, name)}" for name in {**old, **new})


def _flat(noted: object) -> dict[str, str]:
    members = dict(noted) if isinstance(noted, Mapping) else {}
    values = members.pop("values", None)
    indexes = values.items() if isinstance(values, Mapping) else ()
    said = {f"{index}:": _text(value) for index, value in indexes}
    said |= {str(name): _text(value) for name, value in members.items()}
    return {name: text for name, text in said.items() if text}


def _change(old: Mapping[str, str], new: Mapping[str, str], name: str) -> str:
    if name in old and name in new and old[name] != new[name]:
        return f"{old[name]} → {new[name]}"
    return new.get(name) or old[name]


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
