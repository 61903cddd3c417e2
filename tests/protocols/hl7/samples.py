"""Messages that the tests share, made here."""

from protocols.hl7 import mllp


def message(
    control_id: str = "1",
    kind: str = "ORU^R01",
    *segments: str,
    version: str = "2.5.1",
    processing: str = "P",
    accept: str = "",
    application: str = "",
    charset: str = "",
    time: str = "20260102030405",
) -> bytes:
    """Return a message of the analyzer's, with the segments given or a PID."""
    header = (
        f"MSH|^~\\&|ANALYZER|BENCH|HOST|LAB|{time}||{kind}|{control_id}|{processing}|{version}"
        f"|||{accept}|{application}||{charset}"
    ).rstrip("|")
    return "".join(f"{line}\r" for line in (header, *(segments or ("PID|1",)))).encode()


def reply(control_id: str, code: str = "AA", kind: str = "ACK^R01", accept: str = "") -> bytes:
    """Return the analyzer's block that acknowledges `control_id`."""
    content = message(f"R{control_id}", kind, f"MSA|{code}|{control_id}", accept=accept)
    return mllp.encode(content)


def block(*arguments: str, **named: str) -> bytes:
    """Return `message` in its block."""
    return mllp.encode(message(*arguments, **named))


ORDER = message("O1", "OML^O33^OML_O33", "ORC|NW")
