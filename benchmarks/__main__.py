"""Run every benchmark, print the table, and fail where a gate is missed."""

import argparse
import sys
from collections.abc import Callable, Iterator

from benchmarks import (
    decoding,
    fetching,
    hl7_messages,
    questions,
    registrar,
    registrar_servers,
    scale,
    server,
)
from benchmarks.measure import SLACK, Row

GROUPS: dict[str, Callable[[], Iterator[Row]]] = {
    "decoding": decoding.rows,
    "hl7": hl7_messages.rows,
    "server": server.rows,
    "scale": scale.rows,
    "registrar": registrar.rows,
    "registrar-servers": registrar_servers.rows,
    "fetching": fetching.rows,
    "questions": questions.rows,
}


def main() -> int:
    """Print a row as soon as it is measured; 1 when a gate is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[[], *GROUPS], help="all of them by default")
    chosen = parser.parse_args().groups or list(GROUPS)
    print("| what | median | spread | target | |\n|---|---|---|---|---|", flush=True)
    missed = 0
    for name in chosen:
        for measured in GROUPS[name]():
            print(_line(measured), flush=True)
            missed += not measured.passed
    print(f"\ngates keep {SLACK:.0%} below the targets; {missed} missed")
    return 1 if missed else 0


def _line(measured: Row) -> str:
    target = ""
    if measured.floor is not None:
        target = f"≥ {measured.floor:g}"
    elif measured.ceiling is not None:
        target = f"≤ {measured.ceiling:g}"
    verdict = (
        "" if not target else "yes" if measured.reached else "gate" if measured.passed else "NO"
    )
    spread = f"{_number(measured.low)}–{_number(measured.high)}"
    return (
        f"| {measured.name} | {_number(measured.figure)} {measured.unit} | {spread} "
        f"| {target} | {verdict}{' ' + measured.note if measured.note else ''} |"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
