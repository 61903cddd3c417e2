"""What a draft sees of the link: framing, checksums, delimiters, character sets."""

import tomllib
from typing import Any

import pytest

from protocols.astm import frame
from protocols.hl7 import mllp
from rerund.draft.capture import CaptureError
from rerund.draft.profile import draft_profile

RECORDS = [
    b"H|\\^&|||One|||||||P|1",
    b"P|1",
    b"O|1|S-1001||^^^GLU",
    b"R|1|^^^GLU|5.5|mmol/L|||||||20260520115500",
    b"L|1|N",
]
MESSAGE = b"MSH|^~\\&|One|Lab|||20260520||ORU^R01|7|P|2.5.1\rOBR|1||S-1001\rOBX|1|NM|GLU||5.5\r"


def framed(records: list[bytes] = RECORDS, first: int = 1) -> bytes:
    frames = (frame.encode(each + b"\r", number) for number, each in enumerate(records, first))
    return b"\x05" + b"".join(frames) + b"\x04"


def without_checksums(data: bytes) -> bytes:
    parts = data.split(b"\x03")
    return b"\x03".join([parts[0], *(part[2:] for part in parts[1:])])


def wrong_checksums(data: bytes) -> bytes:
    parts = data.split(b"\x03")
    return b"\x03".join([parts[0], *(b"00" + part[2:] for part in parts[1:])])


def recorded(name: str = "Müller", encoding: str = "latin-1") -> bytes:
    return b"\r".join(RECORDS).replace(b"P|1\r", f"P|1||||{name}\r".encode(encoding)) + b"\r"


WIRES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "as the standard says": (framed(), {}),
    "no number is 1": (framed(first=0), {"first_frame_number_any": True}),
    "no checksums": (without_checksums(framed()), {"checksum": "absent"}),
    "checksums that mean nothing": (wrong_checksums(framed()), {"checksum": "ignored"}),
    "no numbers and no checksums": (
        b"\x05\x02" + b"\r".join(RECORDS) + b"\r\x03\x04",
        {"framing": "simplified"},
    ),
    "one damaged frame": (framed().replace(b"5.5", b"5.6"), {}),
    "a doubled backslash": (framed([b"H|\\\\^&|||One", *RECORDS[1:]]), {"header_backslash": True}),
    "records": (b"\n".join(RECORDS), {}),
    "records in Latin-1": (recorded(), {"encoding": "latin-1"}),
    "records in UTF-8": (recorded(encoding="utf-8"), {"encoding": "utf-8"}),
    "UTF-16 escapes": (recorded("\\Z03BC\\g"), {"utf16_escapes": True}),
    "a block": (mllp.encode(MESSAGE), {}),
    "a message": (MESSAGE.replace(b"\r", b"\n"), {}),
    "a block without CR": (mllp.encode(MESSAGE)[:-1], {}),
    "a doubled backslash in MSH": (
        mllp.encode(MESSAGE.replace(b"~\\", b"~\\\\")),
        {"header_backslash": True},
    ),
    "no UTF-8": (
        mllp.encode(MESSAGE.replace(b"5.5", b"5\xb7")),
        {"trust_charset": False, "encoding": "latin-1"},
    ),
    "UTF-8 in another name": (
        mllp.encode(MESSAGE.replace(b"2.5.1", b"2.5.1||||||8859/7").replace(b"5.5", b"\xc3\xbf")),
        {},
    ),
    "a set of its own": (mllp.encode(MESSAGE.replace(b"2.5.1", b"2.5.1||||||KLINGON")), {}),
}


@pytest.mark.parametrize(("data", "switches"), WIRES.values(), ids=WIRES)
def test_switches_are_guessed(data: bytes, switches: dict[str, Any]) -> None:
    profile = tomllib.loads(draft_profile("one", data, "capture"))
    assert profile["dialect"] == switches
    assert profile["specimen"]["id"] in ("O.3", "OBR.3.1")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"Hello, analyzer", "no message begins"),
        (b"\x05\x04", "no message begins"),
        (b"P|1\rO|1|S1\r", "no message begins"),
        (b"\x02H|\\^&|", "none can be read"),
        (b"\x0bMSH|^~\\&|A\r", "none can be read"),
        (b"FHS|^~\\&|A\rFTS|0\r", "no MSH"),
    ],
)
def test_what_holds_no_message_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(CaptureError, match=why):
        draft_profile("one", data, "capture")


SIGNS: list[tuple[str, str, Any]] = [
    # what a result says, the key that follows from it, its value
    ("^^^GLU|5,5|mmol/L", "decimal_sign", ","),
    ("^^^GLU|5.5|mmol/L", "decimal_sign", None),
    ("^^^GLU|----|mmol/L", "invalid", [{"pattern": "^[-*+>.]{2,}$", "reason": "no_number"}]),
    ("^^^GLU|5.5^x|mmol/L", "value", "R.4.1"),
    ("^^^GLU|1^2^3^4|mmol/L", "value", "R.4"),
    ("^^^GLU|5.5^|mmol/L", "value", "R.4"),
    ("^^^GLU|5.5|mmol/L^2", "units", "R.5.1"),
    ("^^^GLU|5.5|mmol/L|||H", "flags", "R.8"),
    ("^^^GLU|5.5|mmol/L||H^A", "flags", "R.7.*"),
    ("^^^GLU|5.5|mmol/L|||||F", "status", "R.10"),
    ("^^^GLU|5.5|mmol/L||||P", "status_codes", {"P": "preliminary"}),
    ("^^^GLU|5.5|mmol/L||||C", "status_codes", None),
    ("^^^GLU|5.5|mmol/L|||||||20260520115500", "run_at", "R.12"),
    ("^^^GLU|5.5|mmol/L", "run_at", ["R.13", "R.12", "O.23"]),
    ("Na|5.5|mmol/L", "test_code", "R.3"),
    ("^^^687/10|5.5", "dilution", {"from": "R.3.4", "match": "^[^/]*/([^/]*)"}),
    ("^^^GLU^GLU^1:10|5.5", "dilution", "R.3.6"),
    ("^^^GLU^GLU^1|5.5", "dilution", None),
    ("^^^GLU^GLU^1|5.5\rR|2|^^^UREA^UREA^5|5.5", "dilution", "R.3.6"),
    ("^^^GLU^^^|5.5", "dilution", None),
]


@pytest.mark.parametrize(("result", "key", "value"), SIGNS)
def test_keys_follow_from_what_was_seen(result: str, key: str, value: Any) -> None:
    records = [*RECORDS[:3], f"R|1|{result}".encode(), RECORDS[4]]
    profile = tomllib.loads(draft_profile("one", b"\r".join(records), "capture"))
    assert profile["result"].get(key) == value


def test_a_sender_is_the_part_that_is_a_name_and_always_the_same() -> None:
    two = [b"H|\\^&|||17^Ana One^1.2", *RECORDS[1:], b"H|\\^&|||18^Ana One^1.2", *RECORDS[1:]]
    message = tomllib.loads(draft_profile("one", b"\r".join(two), "x"))["message"]
    assert (message["sender"], message["other_sender"]) == ("Ana One", "note")
    site = [b"H|\\^&|||Ward 7^Lab^Ana One^1.2.3^S4711", *RECORDS[1:]]
    message = tomllib.loads(draft_profile("one", b"\r".join(site), "x"))["message"]
    assert message["sender"] == "Ana One"
    none = [b"H|\\^&", *RECORDS[1:]]
    assert "sender" not in tomllib.loads(draft_profile("one", b"\r".join(none), "x"))["message"]
    other = [b"H|\\^&|||A", *RECORDS[1:], b"H|\\^&|||B", *RECORDS[1:]]
    assert "sender" not in tomllib.loads(draft_profile("one", b"\r".join(other), "x"))["message"]
