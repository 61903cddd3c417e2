"""Draw docs/report-states.md from its table: python docs/draw_report_states.py."""

from collections.abc import Iterator
from pathlib import Path

from rerund.rerun.states import TABLE, Action, Event, Flag, Transition

DOCUMENT = Path(__file__).with_name("report-states.md")

FLAGS = {
    Flag.NORMAL: "normal",
    Flag.REDRAWN: "redrawn, an older workflow that rerund never writes",
    Flag.REDRAWN_AGAIN: "redrawn, likewise",
    Flag.REQUESTED: "a rerun is requested",
    Flag.REVIEW: "rerun values wait for review",
}

EVENTS = {
    Event.ORIGINAL: "usable original, slot empty",
    Event.REQUEST: "request",
    Event.AUTO_CHECK: "auto-check qualifies",
    Event.AUTO_CHECK_UNTOUCHED: (
        "auto-check qualifies, the open rerun is automatic and none of its values has come"
    ),
    Event.REQUESTED_VALUES: "values of requested parameters, some remain",
    Event.LAST_REQUESTED_VALUES: "the last requested values, good or failed",
    Event.RUN: "instrument-triggered or parallel run that does not count for the open rerun",
    Event.CLOSED_RERUN_VALUES: "repeated values of a closed rerun",
    Event.CONFIRM: "confirm",
    Event.CONFIRM_CLOSING: "confirm with `close_open`",
    Event.CANCEL: "cancel, nothing else waits for review",
    Event.CANCEL_ONE: "cancel of the open rerun while other runs wait for review",
    Event.CORRECTION: "correction, withdrawal or status update of a run that changes in place",
}


def draw() -> str:
    """Return the whole document."""
    lines = [
        "# Report states",
        "",
        "What every event does to `sampleRedrawFlag`. Drawn from `rerund/rerun/states.py` by",
        "`python docs/draw_report_states.py`; a test compares them. The table is total: what is",
        "refused (with the code that a caller is told), ignored or impossible is in it too. The",
        "number is the constant of the activity log. 3 and 4 lock the report for a LIMS.",
        "",
        *(f"- `{flag.value}` {meaning}" for flag, meaning in FLAGS.items()),
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> 0",
        *_arrows(),
        "```",
        "",
        "| event | " + " | ".join(str(flag.value) for flag in Flag) + " |",
        "|---" * (len(Flag) + 1) + "|",
        *(_row(event) for event in Event),
    ]
    return "\n".join(lines) + "\n"


def _arrows() -> Iterator[str]:
    for start in Flag:
        for end in Flag:
            events = [event.value for event in Event if _moves(start, event, end)]
            if events:
                yield f"    {start.value} --> {end.value}: {', '.join(events)}"


def _moves(start: Flag, event: Event, end: Flag) -> bool:
    return start is not end and TABLE[start, event].to is end


def _row(event: Event) -> str:
    cells = [_cell(flag, TABLE[flag, event]) for flag in Flag]
    return f"| {EVENTS[event]} | " + " | ".join(cells) + " |"


def _cell(flag: Flag, transition: Transition) -> str:
    if transition.action in (Action.IMPOSSIBLE, Action.NOTHING):
        return "–" if transition.action is Action.IMPOSSIBLE else "nothing"
    if transition.refusal is not None:
        return f"409 `{transition.refusal}`"
    words = transition.action.value.replace("_", " ")
    log = f", {transition.log.value}" if transition.log else ""
    arrow = "" if transition.to is flag else f" → {transition.to.value}"
    return f"{words}{log}{arrow}"


if __name__ == "__main__":
    DOCUMENT.write_text(draw())
