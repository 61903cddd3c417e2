"""Decoding files: frames and records in every form they are kept in."""

from datetime import UTC

import pytest

from drivers.profile import load
from drivers.result import Note
from protocols.astm.frame import encode
from rerund.decode import decode_input
from rerund.interpreter import Outcome
from rerund.payload_codec import to_json

HEADER = r"H|\^&|||analyzer|||||||P|1|20260520110000"


def message(value: str = "5.0", minutes: str = "00") -> list[str]:
    return [
        HEADER,
        "P|1",
        "O|1|S1||^^^CHEM",
        f"R|1|^^^GLU|{value}|mmol/L||N||F||||202605201{minutes:>03}00",
        "L|1|N",
    ]


def frames(*messages: list[str]) -> list[bytes]:
    return [
        encode(f"{record}\r".encode(), number)
        for records in messages
        for number, record in enumerate(records, 1)
    ]


def decode(data: bytes, form="auto"):
    return list(decode_input(data, load("generic-astm"), input_form=form, timezone=UTC))


def lines(data: bytes, form="auto") -> list[bytes]:
    outcomes = [item for item in decode(data, form) if isinstance(item, Outcome)]
    return [to_json(payload) for outcome in outcomes for payload, _ in outcome.payloads]


RECORDS = "\r".join(message()).encode()
FRAMES = b"".join(frames(message()))

FORMS = {
    "records ended by CR": RECORDS + b"\r",
    "records without an end": RECORDS,
    "records ended by LF": RECORDS.replace(b"\r", b"\n") + b"\n",
    "records ended by CR LF": RECORDS.replace(b"\r", b"\r\n") + b"\r\n",
    "records with blank lines": b"\n\n" + RECORDS.replace(b"\r", b"\n\n"),
    "frames": FRAMES,
    "frames with ENQ and EOT": b"\x05" + FRAMES + b"\x04",
    "frames ended by LF": FRAMES.replace(b"\r\n", b"\n"),
    "frames ended by CR": FRAMES.replace(b"\r\n", b"\r"),
    "one frame with all records": encode(RECORDS + b"\r", 1),
    "frames that came twice": b"".join(
        frame * (1 if number == 1 else 2) for number, frame in enumerate(frames(message()), 1)
    ),
    "frames cut by ETB": encode(RECORDS[:70], 1, end=False) + encode(RECORDS[70:] + b"\r", 2),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_each_form_gives_the_same_payload(data):
    assert lines(data) == lines(RECORDS)


@pytest.mark.parametrize("form", ["auto", "frames"])
def test_frames_are_told_by_their_start(form):
    assert len(lines(FRAMES, form)) == 1


def test_the_entry_is_the_ordinal_and_nothing_is_known_of_arrival_or_lab():
    first, second = (
        item.payloads[0][0]
        for item in decode(RECORDS + b"\r" + "\r".join(message("5.2", "20")).encode())
    )
    assert (first.entry_id, second.entry_id) == (1, 2)
    assert (first.received_at, first.lab_id) == (None, None)
    assert (first.is_rerun, second.is_rerun, second.rerun_number) == (False, True, -1)


def test_the_output_can_be_repeated():
    data = b"".join(frames(message(), message("5.2", "20"), message()))
    assert lines(data) == lines(data)
    assert len(lines(data)) == 2


def test_a_message_sent_twice_is_a_retransmission():
    for data in (FRAMES * 2, encode(RECORDS + b"\r", 1) * 2, RECORDS + b"\r" + RECORDS):
        assert [item.state for item in decode(data)] == ["interpreted", "retransmission"]


def test_a_damaged_frame_is_noted_and_its_repetition_read():
    good = frames(message())
    damaged = good[3][:-4] + b"00\r\n"
    note, outcome = decode(b"".join([*good[:3], damaged, *good[3:]]))
    assert note == Note("bad_checksum", 0, 4, "frame left out")
    assert [r.value for p, _ in outcome.payloads for r in p.results] == ["5.0"]


def test_a_message_that_cannot_be_read_does_not_stop_the_next():
    aborted = "\r".join([*message()[:-1], "L|1|T"]).encode()
    states = [item.state for item in decode(aborted + b"\r" + RECORDS)]
    assert states == ["held", "interpreted"]


def test_records_without_terminator_are_messages_all_the_same():
    cut, last = message()[:-1], message("5.2", "20")[:-1]
    outcomes = decode("\n".join([*cut, *last]).encode())
    assert [[p.rerun_number for p, _ in item.payloads] for item in outcomes] == [[0], [-1]]


def test_nothing_gives_nothing():
    assert decode(b"") == []
