"""Draw docs/state-machines.md from the transition tables: python docs/draw_state_machines.py."""

from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

from protocols.astm import receiver, sender
from protocols.hl7 import outbox as hl7_outbox
from protocols.hl7 import receiver as hl7_receiver
from protocols.hl7 import sender as hl7_sender

DOCUMENT = Path(__file__).with_name("state-machines.md")

Table = dict[Any, dict[Any, tuple[Any, Any]]]

QUIET = ("_ignore", "_never")
"""Actions that the diagrams leave out; the tables show them."""


def draw() -> str:
    """Return the whole document."""
    lines = [
        "# State machines",
        "",
        "Drawn from the code by `python docs/draw_state_machines.py`; a test compares them. The",
        "words and the order are those of LIS01-A2 (E1381) for ASTM, and of MLLP and HL7 v2 for",
        "HL7. Every input is answered in every state: the diagrams leave out what is ignored, the",
        "tables do not.",
        "",
        *_machine("ASTM receiver", receiver.State, receiver.Input, receiver.Receiver.transitions),
        *_machine("ASTM sender", sender.State, sender.Input, sender.Sender.transitions),
        "An HL7 session has three machines, because both sides may send at once: messages that",
        "come, messages of ours, and, in MLLP release 2, blocks that the peer has to commit.",
        "",
        *_machine(
            "HL7 receiver",
            hl7_receiver.State,
            hl7_receiver.Input,
            hl7_receiver.Receiver.transitions,
        ),
        *_machine("HL7 sender", hl7_sender.State, hl7_sender.Input, hl7_sender.Sender.transitions),
        *_machine("HL7 outbox", hl7_outbox.State, hl7_outbox.Input, hl7_outbox.Outbox.transitions),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _machine(
    name: str, states: type[IntEnum], inputs: type[IntEnum], table: Table
) -> Iterator[str]:
    yield from (f"## {name}", "", "```mermaid", "stateDiagram-v2")
    yield f"    [*] --> {next(iter(states)).name}"
    yield from _arrows(table)
    yield from ("```", "")
    yield "| input | " + " | ".join(state.name for state in states) + " |"
    yield "|---" * (len(states) + 1) + "|"
    for event in inputs:
        cells = [_cell(state, *table[state][event]) for state in states]
        yield f"| {event.name} | " + " | ".join(cells) + " |"
    yield from ("", "| action | what it does |", "|---|---|")
    actions = {action for row in table.values() for action, _ in row.values()}
    for action in sorted(actions, key=lambda action: str(action.__name__)):
        yield f"| {_words(action.__name__)} | {_first_line(action.__doc__)} |"
    yield ""


def _arrows(table: Table) -> Iterator[str]:
    for state, row in table.items():
        labels: dict[str, list[str]] = {}
        for event, (action, target) in row.items():
            if action.__name__ not in QUIET:
                labels.setdefault(target.name, []).append(event.name)
        for target, events in labels.items():
            yield f"    {state.name} --> {target}: {', '.join(events)}"


def _cell(state: IntEnum, action: Any, target: IntEnum) -> str:
    if action.__name__ == "_ignore":
        return "–"
    arrow = "" if target is state else f" → {target.name}"
    return _words(action.__name__) + arrow


def _words(name: str) -> str:
    return name.strip("_").replace("_", " ")


def _first_line(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    DOCUMENT.write_text(draw())
