"""What the simulated instrument sends: messages as a Sysmex XN writes them.

Layout: the `sysmex-xn` profile. Times are those of now, so that the windows of the rerun
decision work as they do in a laboratory.
"""

import datetime as dt

_Value = tuple[str, str, str, str]  # test code, value, unit, flag

_COUNT: tuple[_Value, ...] = (
    ("WBC", "25.12", "10*3/uL", "H"),
    ("RBC", "4.51", "10*6/uL", "N"),
    ("HGB", "13.4", "g/dL", "N"),
    ("HCT", "40.2", "%", "N"),
    ("MCV", "89.1", "fL", "N"),
    ("PLT", "31", "10*3/uL", "L"),
)
_AGAIN: tuple[_Value, ...] = (("WBC", "24.87", "10*3/uL", "H"), ("PLT", "33", "10*3/uL", "L"))
_CONTROL: tuple[_Value, ...] = (
    ("WBC", "7.02", "10*3/uL", "N"),
    ("RBC", "4.40", "10*6/uL", "N"),
    ("PLT", "238", "10*3/uL", "N"),
)


def original(sample: str, at: dt.datetime) -> str:
    """Return a first blood count that says itself: WBC and PLT will be run again (R.9=P)."""
    return _message(sample, _COUNT, at, action="N", report="F", announced=("WBC", "PLT"))


def rerun(sample: str, at: dt.datetime) -> str:
    """Return the rerun of WBC and PLT that the instrument triggered (O.12=A, O.26=I)."""
    return _message(sample, _AGAIN, at, action="A", report="I")


def control(at: dt.datetime) -> str:
    """Return a run of control material (O.12=Q)."""
    return _message("QC-26051101", _CONTROL, at, action="Q", report="F")


def _message(
    sample: str,
    values: tuple[_Value, ...],
    at: dt.datetime,
    *,
    action: str,
    report: str,
    announced: tuple[str, ...] = (),
) -> str:
    ordered = "\\".join(f"^^^^{code}" for code, *_ in values)
    records = [
        r"H|\^&|||    XN-1000^00-24^11111^^^^AB123456||||||||E1394-97",
        "P|1",
        f"O|1||^^{sample:>22}^B|{ordered}|||||||{action}||||||||||||||{report}",
    ]
    for ordinal, (code, value, unit, flag) in enumerate(values, 1):
        status = "P" if code in announced else "F"
        records.append(
            f"R|{ordinal}|^^^^{code}^1|{value}|{unit}||{flag}||{status}||||{at:%Y%m%d%H%M%S}"
        )
    records.append("L|1|N")
    return "\n".join(records) + "\n"
