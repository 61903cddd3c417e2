"""The tables are total, and every action can be taken in every state that has it."""

import pytest

from protocols.errors import LocalProtocolError, Reason
from protocols.hl7 import outbox, receiver, sender
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.dialect import Dialect
from protocols.hl7.header import read_header
from protocols.hl7.outbox import Outbox, Parcel
from protocols.hl7.receiver import Arrival, Receiver
from protocols.hl7.sender import Outgoing, Sender
from tests.protocols.hl7.samples import ORDER, block, message

MACHINES = [(receiver, Receiver), (sender, Sender), (outbox, Outbox)]


@pytest.mark.parametrize(("module", "machine"), MACHINES, ids=["receiver", "sender", "outbox"])
def test_tables_are_total(module, machine):
    assert list(machine.transitions) == list(module.State)
    for row in machine.transitions.values():
        assert list(row) == list(module.Input)


@pytest.mark.parametrize("state", receiver.State)
@pytest.mark.parametrize("event", receiver.Input)
@pytest.mark.parametrize("release", [1, 2])
def test_the_receiver_does_as_its_table_says(state, event, release):
    events, output, dialect = [], bytearray(), Dialect(release=release)
    out = Outbox(dialect, events, output, lambda carried, now: None)
    machine = Receiver(dialect, lambda: Stamp("H1", "1"), events, output, out)
    machine.state = state
    header = read_header(message("7"))
    machine._arrival = Arrival(
        block("7"), message("7"), header, header, reason=Reason.MESSAGE_TOO_LONG
    )
    action, target = Receiver.transitions[state][event]
    if action is Receiver._never:
        with pytest.raises(LocalProtocolError):
            machine._step(event, 0.0)
        return
    machine._step(event, 0.0)
    assert machine.state is target
    owes = target in (receiver.State.COMMITTING, receiver.State.ANSWERING)
    assert (machine.deadline is not None) == (owes and action is not Receiver._ignore)
    assert not output or state is not receiver.State.CLOSED


@pytest.mark.parametrize("state", sender.State)
@pytest.mark.parametrize("event", sender.Input)
def test_the_sender_does_as_its_table_says(state, event):
    events, sent = [], []
    machine = Sender(Dialect(), events, lambda content, now: sent.append(content))
    machine.queue(Outgoing("m1", ORDER, read_header(ORDER)))
    machine.state = state
    action, target = Sender.transitions[state][event]
    machine._step(event, 0.0)
    assert machine.state is target
    assert bool(sent) == (action is Sender._send)
    if target is sender.State.IDLE:
        assert machine.deadline is None


@pytest.mark.parametrize("state", outbox.State)
@pytest.mark.parametrize("event", outbox.Input)
def test_the_outbox_does_as_its_table_says(state, event):
    events, output, reports = [], bytearray(), []
    machine = Outbox(
        Dialect(release=2), events, output, lambda carried, now: reports.append(carried)
    )
    machine._queue.append(Parcel(block("7"), is_message=True))
    machine.state = state
    action, target = Outbox.transitions[state][event]
    machine._step(event, 0.0)
    assert machine.state is target
    assert bool(output) == (action is Outbox._send)
    assert (machine.deadline is not None) == (action is Outbox._send)
    expected = {Outbox._confirm: [True], Outbox._give_up: [False]}
    assert reports == expected.get(action, [])
