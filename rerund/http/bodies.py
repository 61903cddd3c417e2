"""What callers send. A member that is not known here is an error, never passed over."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from rerund.rerun.model import MACHINE_RERUN, RerunType
from rerund.rerun.refusals import Impossible
from rerund.rerun.submitted import Submitted, SubmittedValue

Index = Annotated[int, Field(ge=0, lt=2**31, description="Position key in the report's format")]
Version = Annotated[int, Field(ge=0, lt=2**31, description="`version` as it was last fetched")]
_NUMBERS = range(-(2**31), 2**31)
_LONGEST_NUMBER = 12

Number = Annotated[
    int | float | str,
    Field(description="A whole number, or its decimal text"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": _NUMBERS[0], "maximum": _NUMBERS[-1]},
                {"type": "string", "pattern": "^-?[0-9]+$", "maxLength": _LONGEST_NUMBER},
            ]
        }
    ),
]
"""Any number or text is taken here: `whole` has one answer for all that is none."""

Reason = Annotated[str, Field(min_length=1, max_length=200)]
Identifier = Annotated[str, Field(min_length=1, max_length=64)]
Name = Annotated[str, Field(max_length=128)]


def _instant(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("has to be ISO 8601 with a time zone, as 2026-05-20T10:30:00Z")
    return text


Instant = Annotated[
    str,
    AfterValidator(_instant),
    Field(max_length=40, json_schema_extra={"format": "date-time"}),
]


def whole(number: float | str, field: str) -> int:
    """Return a whole number that may be decimal text. Raises Impossible for anything else."""
    found = _read(number) if isinstance(number, str) else number
    if not isinstance(found, int) or found not in _NUMBERS:
        raise Impossible("impossible_number", "has to be a whole number of 32 bits", field)
    return found


def _read(text: str) -> int | None:
    digits = text.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if plain else None


class Body(BaseModel):
    """A JSON object; types are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class ReceivedValue(Body):
    """One value of a rerun, in the unit that `units` names."""

    index: Index
    value: str = Field(min_length=1, max_length=1000)
    parameter_name: Name | None = None
    units: Annotated[str, Field(max_length=64)] | None = None
    run_at: Instant | None = None
    abnormal_flags: list[Annotated[str, Field(max_length=16)]] = Field(
        default_factory=list, max_length=16
    )
    result_status: Annotated[str, Field(max_length=16)] | None = None

    def submitted(self) -> SubmittedValue:
        """The same in the words of the service."""
        return SubmittedValue(
            index=self.index,
            value=self.value,
            parameter_name=self.parameter_name,
            units=self.units,
            run_at=self.run_at,
            abnormal_flags=tuple(self.abnormal_flags),
            result_status=self.result_status,
        )


class ReceiveBody(Body):
    """Rerun values of one report. `lab_id` and `lab_report_id` are those of token and path."""

    lab_id: int
    sample_id: Identifier
    device_id: Identifier
    device_name: Name
    rerun_type: RerunType
    rerun_number: Number = Field(
        description="-1: the instrument made the run by itself; from 1: the requested one"
    )
    lab_report_id: int
    device_data: list[ReceivedValue] = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "lab_id": 1,
                "sample_id": "S001",
                "device_id": "42",
                "device_name": "Sysmex XN-1000",
                "rerun_type": "machine_rerun",
                "rerun_number": -1,
                "lab_report_id": 1001,
                "device_data": [
                    {
                        "index": 1,
                        "value": "24.87",
                        "parameter_name": "WBC",
                        "units": "10*3/uL",
                        "run_at": "2026-05-20T10:30:00Z",
                    }
                ],
            }
        }
    )

    def submitted(self) -> Submitted:
        """The same in the words of the service. Raises Impossible for a number of no rerun."""
        number = whole(self.rerun_number, "rerun_number")
        if number < 1 and number != MACHINE_RERUN:
            raise Impossible("impossible_number", "has to be -1, or 1 and up", "rerun_number")
        return Submitted(
            sample_id=self.sample_id,
            device_id=self.device_id,
            device_name=self.device_name,
            rerun_type=self.rerun_type,
            rerun_number=number,
            values=tuple(value.submitted() for value in self.device_data),
        )


class RequestBody(Body):
    """A technician's request to repeat parameters."""

    type: Literal["manual_rerun"]
    requested_parameters: list[Index] = Field(max_length=1000)
    rerun_number: Number | None = Field(
        default=None, description="Left out, or `next_rerun_number` as it was fetched"
    )
    parameter_names: list[Name] | None = Field(
        default=None,
        max_length=1000,
        description="Left out, or the names that the report has for the parameters requested",
    )
    is_active: Literal[True] = Field(default=True, description="A request is always active")
    reason: Reason | None = None
    dilution: Annotated[str, Field(max_length=32)] | None = None
    device_id: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="The only instrument that may run it; left out, any"
    )
    confirm: bool = Field(default=False, description="Also for a completed or signed report")

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "manual_rerun",
                "requested_parameters": [1, 8],
                "reason": "clot suspected",
            }
        }
    )


class ChosenValue(Body):
    """The run whose value an index shall show; 0 keeps what the report shows."""

    index: Index
    rerun_number: Number


class ConfirmBody(Body):
    """The choice that ends a review. An index left out keeps what the report shows."""

    version: Version
    values: list[ChosenValue] = Field(max_length=1000)
    close_open: bool = Field(default=False, description="Also close a rerun that is still open")
    confirm: bool = Field(default=False, description="Also change a completed or signed report")

    model_config = ConfigDict(
        json_schema_extra={"example": {"version": 2, "values": [{"index": 1, "rerun_number": 1}]}}
    )


class CancelBody(Body):
    """Gives up the open rerun, or without one all runs that wait for review."""

    version: Version
    reason: Reason

    model_config = ConfigDict(
        json_schema_extra={"example": {"version": 1, "reason": "sample lost"}}
    )


class AutoCheckBody(Body):
    """Asks whether a report's originals meet their rules for a rerun."""

    dry_run: bool = Field(default=False, description="Only tell what would be requested")

    model_config = ConfigDict(json_schema_extra={"example": {"dry_run": True}})
