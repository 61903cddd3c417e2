"""MLLP release 2: a commit block for every block, before anything that HL7 answers (item 121)."""

import pytest

from protocols.events import BytesIgnored
from protocols.hl7 import mllp
from protocols.hl7.events import (
    AcknowledgmentIgnored,
    BlockRejected,
    Failure,
    MessageFailed,
    MessageReceived,
    MessageSent,
    ReplyNotCommitted,
)
from protocols.hl7.mllp import FS, VT
from tests.protocols.hl7.samples import ORDER, block, message, reply

pytestmark = pytest.mark.conformance(121)

ACK = mllp.encode(b"\x06")
NAK = mllp.encode(b"\x15")
SENT = mllp.encode(ORDER)


@pytest.fixture
def make_host_2(make_host):
    return lambda **switches: make_host(release=2, **switches)


@pytest.fixture
def host_2(make_host_2):
    return make_host_2()


def fate(host) -> list[object]:
    return host.told(MessageSent) + host.told(MessageFailed)


def test_the_commit_block_follows_the_commit_and_comes_before_the_acknowledgment(
    make_host_2, codes
):
    host = make_host_2()
    host.storing = False
    assert host.receive(block("7")) == b""
    assert codes(host.acknowledge()) == ["ACK", "AA 7"]
    assert not host.session.is_neutral
    assert host.receive(ACK) == b""
    assert host.session.is_neutral


def test_what_is_not_stored_is_not_committed_and_not_answered(make_host_2, codes):
    host = make_host_2()
    host.storing = False
    host.receive(block("7", accept="AL"))
    assert codes(host.refuse()) == ["NAK"]
    host.receive(block("8"))
    assert codes(host.wait(10)) == ["NAK"]
    host.session.set_ready(False)
    assert codes(host.receive(block("9"))) == ["NAK"]


def test_a_bad_block_is_not_committed(host_2, codes):
    assert codes(host_2.receive(VT + message("6") + FS + b"x" + block("7"))) == [
        "NAK",
        "ACK",
        "AA 7",
    ]
    assert len(host_2.told(BlockRejected)) == 1


def test_what_no_acknowledgment_is_due_for_is_still_committed(host_2, codes):
    assert codes(host_2.receive(block("7", accept="NE", application="NE"))) == ["ACK"]


def test_replies_wait_for_each_other(host_2, codes):
    assert codes(host_2.receive(block("1") + block("2"))) == ["ACK", "AA 1", "ACK"]
    assert codes(host_2.receive(ACK)) == ["AA 2"]
    assert host_2.receive(ACK) == b""
    assert host_2.session.is_neutral


def test_a_reply_that_is_not_committed_goes_again_and_is_given_up(make_host_2, codes):
    host = make_host_2(block_tries=3, commit_reply_timeout=15.0)
    host.receive(block("7"))
    assert codes(host.receive(NAK)) == ["AA 7"]
    assert codes(host.wait(15)) == ["AA 7"]
    assert host.wait(15) == b""
    assert host.told(ReplyNotCommitted) == [ReplyNotCommitted()]
    assert host.session.is_neutral


def test_a_message_of_ours_is_committed_and_then_acknowledged(host_2, codes):
    assert host_2.send(ORDER) == SENT
    assert host_2.receive(ACK) == b""
    assert fate(host_2) == []
    assert codes(host_2.receive(reply("O1"))) == ["ACK"]
    assert fate(host_2) == [MessageSent("m1")]
    assert host_2.told(MessageReceived)[0].acknowledges == "m1"


def test_an_acknowledgment_stands_for_the_commit_block(host_2, codes):
    host_2.send(ORDER)
    assert codes(host_2.receive(reply("O1"))) == ["ACK"]
    assert fate(host_2) == [MessageSent("m1")]
    assert host_2.session.is_neutral


def test_an_acknowledgment_says_nothing_of_a_reply_that_goes_before(host_2, codes):
    host_2.send(ORDER)
    host_2.receive(ACK)
    assert codes(host_2.receive(block("7"))) == ["ACK", "AA 7"]
    assert host_2.wait(14) == b""
    host_2.session.receive_data(ACK, host_2.now)
    assert host_2.wait(1) == SENT
    host_2.receive(ACK)
    assert codes(host_2.receive(block("8"))) == ["ACK", "AA 8"]
    assert host_2.wait(14) == b""
    assert host_2.session.deadline == host_2.now + 1


def test_an_early_acknowledgment_of_a_message_behind_a_reply_is_told_only(host_2, codes):
    host_2.receive(block("7"))
    assert host_2.send(ORDER) == b""
    assert codes(host_2.receive(reply("O1"))) == ["ACK"]
    assert fate(host_2) == []
    assert host_2.receive(ACK) == SENT


def test_a_message_that_asks_for_nothing_is_sent_when_it_is_committed(host_2):
    host_2.send(message("O1", "OML^O33", "ORC|NW", accept="NE"))
    assert fate(host_2) == []
    host_2.receive(ACK)
    assert fate(host_2) == [MessageSent("m1")]


@pytest.mark.parametrize("refusals", [0, 3])
def test_a_message_that_is_never_committed_is_given_back(make_host_2, refusals):
    host = make_host_2(block_tries=3)
    host.send(ORDER)
    for _ in range(refusals):
        host.receive(NAK)
    host.wait(100)
    assert fate(host) == [MessageFailed("m1", Failure.NO_REPLY)]


def test_a_stray_acknowledgment_is_committed_when_it_is_stored(host_2, codes):
    assert codes(host_2.receive(reply("O1"))) == ["ACK"]
    assert len(host_2.told(AcknowledgmentIgnored)) == 1


@pytest.mark.parametrize(("refused", "expected"), [(False, "ACK"), (True, "NAK")])
def test_a_batch_is_committed_once_when_all_of_it_is_stored(make_host_2, codes, refused, expected):
    host = make_host_2()
    host.storing = False
    host.receive(mllp.encode(message("1", accept="NE") + message("2", accept="NE")))
    assert host.refuse() == b"" if refused else host.acknowledge() == b""
    assert codes(host.acknowledge()) == [expected]
    host.receive(block("3", accept="NE"))
    assert codes(host.acknowledge()) == ["ACK"]


@pytest.mark.parametrize("commit", [ACK, NAK])
def test_a_commit_block_of_nothing_is_nothing(host_2, commit):
    assert host_2.receive(commit) == b""
    assert host_2.told(BytesIgnored) == []


def test_with_the_line_everything_on_its_way_is_forgotten(host_2):
    host_2.receive(block("7"))
    host_2.send(ORDER)
    assert host_2.hang_up() == b""
    assert host_2.session.deadline is None
    assert fate(host_2) == [MessageFailed("m1", Failure.LINE_LOST)]
