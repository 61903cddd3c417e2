"""Decoding HL7 files: blocks and bare messages in every form they are kept in."""

import json
from datetime import UTC
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.profile import load
from drivers.result import Note
from protocols.hl7 import mllp
from rerund.cli.main import app
from rerund.decode import decode_input
from rerund.interpreter import Outcome
from rerund.payload_codec import to_json


def message(value: str = "5.0", minutes: str = "00", charset: str = "", name: str = "GLU") -> str:
    return "\r".join(
        [
            rf"MSH|^~\&|A1|Lab|||20260520110000||ORU^R01|7|P|2.5.1||||||{charset}",
            "PID|1||P1",
            "OBR|1||S1|CHEM",
            f"OBX|1|NM|{name}||{value}|mmol/L||N|||F||||||||202605201{minutes:>03}00",
            "",
        ]
    )


def decode(data: bytes, form="auto", driver="generic-hl7"):
    return list(decode_input(data, load(driver), input_form=form, timezone=UTC))


def lines(data: bytes, form="auto") -> list[bytes]:
    outcomes = [item for item in decode(data, form) if isinstance(item, Outcome)]
    return [to_json(payload) for outcome in outcomes for payload, _ in outcome.payloads]


BARE = message().encode()
BLOCK = mllp.encode(BARE)

FORMS = {
    "a bare message": BARE,
    "without the last CR": BARE.rstrip(b"\r"),
    "segments ended by LF": BARE.replace(b"\r", b"\n"),
    "segments ended by CR LF": BARE.replace(b"\r", b"\r\n"),
    "blank lines around it": b"\n\n" + BARE + b"\r\n",
    "a byte order mark before it": b"\xef\xbb\xbf" + BARE,
    "a block": BLOCK,
    "a block with LF for CR": mllp.encode(BARE.replace(b"\r", b"\n")),
    "a block without its CR": BLOCK[:-1],
    "bytes before the block": b"\x00ok\r\n" + BLOCK,
    "a block that begins twice": b"\x0b" + BARE[:40] + BLOCK,
    "bytes behind the block": BLOCK + b"\r\n\r\n",
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_each_form_gives_the_same_payload(data: bytes) -> None:
    assert lines(data) == lines(BARE)
    assert len(lines(data)) == 1


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_nothing_of_it_is_held(data: bytes) -> None:
    assert [item.state for item in decode(data)] == ["interpreted"]


@pytest.mark.parametrize("form", ["auto", "frames"])
def test_blocks_are_told_by_their_start(form: str) -> None:
    assert len(lines(BLOCK + mllp.encode(message("5.2", "20").encode()), form)) == 2


def test_a_block_character_in_what_is_said_to_be_bare_ends_nothing() -> None:
    (outcome,) = decode(BARE + b"NTE|1||\x0b\r", "records")
    assert outcome.state == "interpreted"


def test_the_messages_of_a_batch_are_read_without_what_is_around_them() -> None:
    batch = b"FHS|^~\\&|A1\rBHS|^~\\&|A1\r" + BARE + message("5.2", "20").encode()
    outcomes = decode(batch + b"BTS|2\rFTS|1\r")
    assert [r.value for item in outcomes for p, _ in item.payloads for r in p.results] == [
        "5.0",
        "5.2",
    ]
    assert [item.notes for item in outcomes] == [[], []]


def test_several_messages_are_entries_one_by_one() -> None:
    second = message("5.2", "20").encode()
    for data in (BARE + second, BLOCK + mllp.encode(second), mllp.encode(BARE + second)):
        first, other = (item.payloads[0][0] for item in decode(data))
        assert (first.entry_id, other.entry_id) == (1, 2)
        assert (first.is_rerun, other.is_rerun, other.rerun_number) == (False, True, -1)


def test_a_message_sent_twice_is_a_retransmission() -> None:
    again = BARE.replace(b"||ORU^R01|7", b"||ORU^R01|8")
    for data in (BLOCK * 2, BARE + again):
        assert [item.state for item in decode(data)] == ["interpreted", "retransmission"]


def test_a_block_that_a_link_would_have_refused_is_noted() -> None:
    broken = BLOCK[:-1] + b"x"
    note, outcome = decode(broken + BLOCK)
    assert note == Note("bad_block_end", 0, 1, "frame left out")
    assert outcome.state == "interpreted"


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("UNICODE", "utf-8"),
        ("", "utf-8"),
        ("8859/1", "latin-1"),
        ("GB 18030-2000", "gb18030"),
        ("GBK", "gbk"),
        ("~ISO IR87", "iso2022_jp"),
    ],
)
def test_text_is_read_in_the_set_that_the_message_names(charset: str, codec: str) -> None:
    name = {"latin-1": "Prot\u00e9ine", "iso2022_jp": "\u8840\u7cd6"}.get(
        codec, "\u8461\u8404\u7cd6"
    )
    (line,) = lines(message(charset=charset, name=name).encode(codec))
    assert json.loads(line)["results"][0]["test_code"] == name


def test_a_message_of_a_megabyte_is_read_and_its_pictures_named() -> None:
    picture = "iVBORw0K" * 1250
    shown = [f"OBX|{n}|ED|{n}^Plot {n}||^Image^PNG^Base64^{picture}" for n in range(100)]
    data = (message() + "\r".join(shown)).encode()
    assert len(data) > 1_000_000
    for form in (data, mllp.encode(data), mllp.encode(data.replace(b"\r", b"\n"))):
        (outcome,) = decode(form)
        assert [r.test_code for p, _ in outcome.payloads for r in p.results] == ["GLU"]
        assert len(outcome.attachments) == 100
        assert {(one.form, one.size) for one in outcome.attachments} == {("image/png", 10_000)}


@pytest.mark.parametrize(
    ("data", "state", "reason"),
    [
        (b"PID|1\rOBX|1|NM|GLU||5\r", "held", "no_header"),
        (b"hello", "held", "no_header"),
        (BARE.replace(b"ORU^R01", b"ADT^A01"), "empty", "no_results"),
        (BARE.replace(b"GLU", b""), "held", "no_test_code"),
        (BARE.replace(b"ORU^R01", b"QBP^Q11"), "query", ""),
    ],
)
def test_what_cannot_be_read_is_told(data: bytes, state: str, reason: str) -> None:
    (outcome,) = decode(data)
    assert (outcome.state, outcome.reason) == (state, reason)


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\x0b\x1c\r"])
def test_nothing_gives_nothing(data: bytes) -> None:
    assert decode(data) == []


def test_the_command_prints_payloads_and_names_attachments(tmp_path: Path) -> None:
    file = tmp_path / "capture.hl7"
    picture = "OBX|2|ED|P1^Plot||^Image^PNG^Base64^iVBORw0K\rOBX|3|NA|W^Wave||1^2\r"
    file.write_bytes(mllp.encode(message().encode() + picture.encode()))
    result = CliRunner().invoke(app, ["decode", "--driver", "generic-hl7", str(file)])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["results"][0]["value"] == "5.0"
    assert result.stderr.splitlines() == [
        "entry 1, message 1, record 5: attachment: Plot, image/png, 8 characters",
        "entry 1, message 1, record 6: attachment: Wave, data, 3 characters",
    ]


CAPTURES = [
    # file, profile, states, results
    ("hl7/genexpert_oru_r32.hl7", "cepheid-genexpert-hl7", ["interpreted"], 23),
    ("hl7/genexpert_qbp_z03.hl7", "cepheid-genexpert-hl7", ["query"], 0),
    ("hl7/genexpert_qcn_j01.hl7", "cepheid-genexpert-hl7", ["query"], 0),
    ("hl7/mindray_bc5380.hl7", "mindray-bc", ["interpreted"], 48),
    ("synthetic/abbott-architect-result.hl7", "generic-hl7", ["interpreted"], 2),
    ("synthetic/bs200-chemistry-result.hl7", "generic-hl7", ["interpreted"], 3),
    ("synthetic/sysmex-xn-result.hl7", "generic-hl7", ["interpreted"], 13),
]


@pytest.mark.parametrize(("file", "driver", "states", "count"), CAPTURES)
def test_a_capture_is_read(
    captures: Path, file: str, driver: str, states: list[str], count: int
) -> None:
    data = (captures / file).read_bytes()
    for form in (data, mllp.encode(data)):
        outcomes = decode(form, driver=driver)
        assert [item.state for item in outcomes] == states
        results = [r for item in outcomes for p, _ in item.payloads for r in p.results]
        assert len(results) == count
        assert not any(p.is_rerun for item in outcomes for p, _ in item.payloads)


def test_every_capture_is_in_the_table(captures: Path) -> None:
    files = [*captures.glob("hl7/*"), *captures.glob("synthetic/*.hl7")]
    assert {path.relative_to(captures).as_posix() for path in files} == {row[0] for row in CAPTURES}


def test_the_command_checks_a_profile_by_its_samples(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "drivers" / "golden"
    count = len(list((golden / "mindray-bc").glob("*.hl7")))
    arguments = ["drivers", "test", "mindray-bc", "--golden", str(golden)]
    result = CliRunner().invoke(app, arguments)
    assert result.stdout == f"mindray-bc: valid; {count} of {count} samples read\n"
    sample = tmp_path / "other.hl7"
    sample.write_bytes(BARE)
    sample.with_suffix(".json").write_text('{"samples": [{"sample_id": "S2"}]}', encoding="utf-8")
    result = CliRunner().invoke(app, ["drivers", "test", "mindray-bc", str(sample)])
    assert result.exit_code == 1
    assert 'samples[0].sample_id: expected "S2", got "S1"' in result.stderr


def test_the_command_shows_a_profile_in_the_words_of_its_protocol() -> None:
    result = CliRunner().invoke(app, ["drivers", "show", "mindray-cl"])
    assert result.exit_code == 0
    assert "OBX.17 = 1: rerun" in result.stdout
    assert "numeric_condition = True" in result.stdout
