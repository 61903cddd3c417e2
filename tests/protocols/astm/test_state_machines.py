"""The tables are total, every action can be taken, and the document shows them as they are."""

import runpy
from pathlib import Path

import pytest

from protocols.astm import receiver, sender
from protocols.astm.boundary import Position
from protocols.astm.dialect import STANDARD
from protocols.astm.events import BytesIgnored
from protocols.astm.frame import Frame
from protocols.astm.receiver import Receiver
from protocols.astm.sender import Message, Sender
from protocols.errors import LocalProtocolError, Reason

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("machine", [receiver, sender], ids=["receiver", "sender"])
def test_tables_are_total(machine):
    table = (Receiver if machine is receiver else Sender).transitions
    assert list(table) == list(machine.State)
    for row in table.values():
        assert list(row) == list(machine.Input)


@pytest.mark.parametrize("state", receiver.State)
@pytest.mark.parametrize("event", receiver.Input)
def test_the_receiver_does_as_its_table_says(state, event):
    events, output = [], bytearray()
    machine = Receiver(STANDARD, events, output)
    machine.state = state
    frame = Frame(b"", 1, b"H|\\^&\r", True, Reason.BAD_CHECKSUM)
    machine._frame = machine._stored = machine._pending = frame
    machine._pending_position = Position()
    machine._noise = BytesIgnored(b"x", Reason.UNEXPECTED_BYTE)
    action, target = Receiver.transitions[state][event]
    if action is Receiver._never:
        with pytest.raises(LocalProtocolError):
            machine._step(event, 0.0)
        return
    machine._step(event, 0.0)
    assert machine.state is target
    assert len(output) <= 1
    assert (machine.deadline is None) == (target is receiver.State.NEUTRAL) or not output


@pytest.mark.parametrize("state", sender.State)
@pytest.mark.parametrize("event", sender.Input)
def test_the_sender_does_as_its_table_says(state, event):
    events, output = [], bytearray()
    machine = Sender(STANDARD, events, output)
    machine.queue(Message("m1", [b"H|\\^&\r", b"L|1|N\r"]))
    machine.state = state
    machine._next = 1
    machine._step(event, 0.0)
    assert machine.state is Sender.transitions[state][event][1]
    if machine.state is sender.State.IDLE:
        assert machine.deadline is None
    elif event in (sender.Input.TIMEOUT, sender.Input.START) and output:
        assert machine.deadline is not None


def test_the_document_is_drawn_from_the_tables():
    drawn = runpy.run_path(str(DOCS / "draw_state_machines.py"))["draw"]()
    assert (DOCS / "state-machines.md").read_text() == drawn, (
        "run python docs/draw_state_machines.py"
    )
