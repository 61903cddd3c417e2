"""Packed payloads and the JSON of the payload, to the letter of rerun.md 3."""

import json

import msgspec
import pytest

from drivers.result import Patient, Result
from rerund.payload_codec import PackedPayloadError, known_runs, pack, to_json, unpack
from rerund.rerun.model import Payload, PayloadContext

RESULT = Result(
    "j-17-1-4",
    "WBC",
    value="12.5",
    numeric="12.5",
    units="10*3/uL",
    reference_range="4.0-10.0",
    abnormal_flags=["H"],
    result_status="F",
    run_at="2026-05-20T10:29:00Z",
    run_kind="repeat",
    evidence="explicit",
    raw_marker="O.12=A",
)
PAYLOAD = Payload(
    "3b6d2d1e-4d0c-5a64-9f0b-5b5f0f7a8b11",
    1,
    "42",
    "Sysmex XN-1000",
    "sysmex-xn",
    "1.0",
    17,
    "2026-05-20T10:30:00.123Z",
    "S001",
    None,
    "patient",
    True,
    1,
    "manual_rerun",
    False,
    None,
    [RESULT],
)
CONTEXT = PayloadContext(
    "42/S001/j-17/1-1-rerun-1-7",
    True,
    Patient(ids=("P1", "P2"), name="Brown^Jim", birth_date="1987-06-26", sex="M"),
    7,
    3,
    ("j-12-1-4",),
)

SHAPE = (
    '{"payload_id":"3b6d2d1e-4d0c-5a64-9f0b-5b5f0f7a8b11","lab_id":1,"device_id":"42",'
    '"device_name":"Sysmex XN-1000","driver":"sysmex-xn","driver_version":"1.0",'
    '"entry_id":17,"received_at":"2026-05-20T10:30:00.123Z","sample_id":"S001",'
    '"lab_report_id":null,"kind":"patient",'
    '"is_rerun":true,"rerun_number":1,"rerun_type":"manual_rerun",'
    '"machine_triggered_rerun":false,"assigned_rerun_number":null,'
    '"results":[{"result_id":"j-17-1-4","test_code":"WBC","index":null,'
    '"parameter_name":null,"value":"12.5","comparator":null,"numeric":"12.5",'
    '"invalid_reason":null,"units":"10*3/uL","reference_range":"4.0-10.0",'
    '"abnormal_flags":["H"],"result_status":"F","run_at":"2026-05-20T10:29:00Z",'
    '"dilution":null,"replicate":0,"run_kind":"repeat","next_action":"none",'
    '"evidence":"explicit","confidence":"high","conflict":false,"raw_marker":"O.12=A",'
    '"supersedes":null}]}'
)


def test_json_is_the_documented_shape():
    assert to_json(PAYLOAD).decode() == SHAPE


@pytest.mark.parametrize(
    "context",
    [CONTEXT, PayloadContext("key"), PayloadContext("key", False, Patient())],
    ids=["everything", "nothing but a key", "an empty patient"],
)
def test_what_was_packed_is_unpacked(context):
    assert unpack(pack(PAYLOAD, context)) == (PAYLOAD, context)


def test_packing_takes_less_than_json():
    many = msgspec.structs.replace(PAYLOAD, results=[RESULT] * 41)
    assert len(pack(many, CONTEXT)) * 3 < len(to_json(many))


def test_bytes_of_before_a_member_was_added_are_read():
    version, payload, results, context, patient = msgspec.msgpack.decode(pack(PAYLOAD, CONTEXT))
    older = msgspec.msgpack.encode(
        (version, payload, [row[:-1] for row in results], context, patient[:-1])
    )
    unpacked, about = unpack(older)
    assert unpacked == PAYLOAD
    assert about.patient == Patient(ids=("P1", "P2"), name="Brown^Jim", birth_date="1987-06-26")


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", msgspec.msgpack.encode(7), msgspec.msgpack.encode((99, [], [], [], None))],
    ids=["nothing", "no msgpack", "another value", "a newer version"],
)
def test_other_bytes_are_refused(body):
    with pytest.raises(PackedPayloadError):
        unpack(body)


def test_known_runs_carry_what_the_rules_compare():
    (run,) = known_runs(PAYLOAD, CONTEXT)
    assert json.loads(msgspec.json.encode(run)) == {
        "result_id": "j-17-1-4",
        "test_code": "WBC",
        "value": "12.5",
        "units": "10*3/uL",
        "result_status": "F",
        "abnormal_flags": ["H"],
        "run_at": "2026-05-20T10:29:00Z",
        "dilution": None,
        "replicate": 0,
        "usable": True,
        "run_kind": "repeat",
        "is_rerun": True,
        "rerun_number": 1,
        "run_key": "42/S001/j-17/1-1-rerun-1-7",
        "entry_id": 17,
        "received_at": "2026-05-20T10:30:00.123Z",
        "supersedes": None,
    }


def test_a_failed_barcode_read_is_no_history():
    assert known_runs(PAYLOAD, PayloadContext("key", id_reliable=False)) == []
