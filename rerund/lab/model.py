"""What a lab file may say. A key it does not know is a problem."""

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from rerund.rerun.records import AutoCondition


def _decimal_text(value: Any) -> str:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"expected a number, got {value!r}") from None
    if isinstance(value, bool) or not number.is_finite():
        raise ValueError(f"expected a number, got {value!r}")
    return str(value)


def _not_zero(text: str) -> str:
    if not Decimal(text):
        raise ValueError("a factor of 0 would lose the value")
    return text


Number = Annotated[str, BeforeValidator(_decimal_text)]
Factor = Annotated[Number, AfterValidator(_not_zero)]
Code = Annotated[str, Field(min_length=1, max_length=128)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Units = Annotated[str, Field(min_length=1, max_length=64)]
Id = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BoundsSection(Section):
    """Two bounds that lie inside; one left out is open."""

    lower: Number | None = None
    upper: Number | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_order(self.lower, self.upper)
        return self


class RangeSection(BoundsSection):
    """Normal and critical bounds of one sex, or of both."""

    sex: Literal["M", "F", ""] = ""
    critical_lower: Number | None = None
    critical_upper: Number | None = None

    @model_validator(mode="after")
    def _critical_in_order(self) -> Self:
        _check_order(self.critical_lower, self.critical_upper)
        return self


def _check_order(lower: str | None, upper: str | None) -> None:
    if lower is not None and upper is not None and Decimal(lower) > Decimal(upper):
        raise ValueError(f"the lower bound {lower} is above the upper one {upper}")


class ParameterSection(Section):
    """`[[format.parameter]]`: one line of a report format."""

    index: Index
    order: int | None = None
    name: Name
    units: Units | None = None
    ranges: list[RangeSection] = []
    manual_rerun: bool = True
    auto_rerun: AutoCondition | None = None
    auto_rerun_custom: BoundsSection | None = None
    auto_rerun_flags: list[str] = []

    @model_validator(mode="after")
    def _condition_has_bounds(self) -> Self:
        if self.auto_rerun == "custom" and self.auto_rerun_custom is None:
            raise ValueError('auto_rerun = "custom" needs auto_rerun_custom')
        if self.auto_rerun in ("abnormal", "critical") and not self.ranges:
            raise ValueError(f'auto_rerun = "{self.auto_rerun}" needs ranges')
        sexes = [one.sex for one in self.ranges]
        if len(set(sexes)) < len(sexes) or ("" in sexes and len(sexes) > 1):
            raise ValueError("ranges: one for both sexes, or one for each")
        return self


class FormatSection(Section):
    """`[[format]]`: a panel that is reported together."""

    id: Id
    name: Name
    parameter: list[ParameterSection] = Field(min_length=1)


class MappingSection(Section):
    """`[[device.mapping]]`: what the instrument's test code is in a format."""

    test_code: Code
    format: Id
    index: Index
    units: Units | None = None
    factor: Factor | None = None
    order_code: Code | None = None

    @model_validator(mode="after")
    def _factor_has_units(self) -> Self:
        if self.factor is not None and self.units is None:
            raise ValueError("factor needs units: those that it turns into the format's")
        return self


class DeviceSection(Section):
    """`[[device]]`: an instrument; `id` is that of the daemon's configuration."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    name: Name
    mapping: list[MappingSection] = []


class PatientSection(Section):
    """`patient` of a report."""

    id: Code | None = None
    name: Name | None = None
    sex: Literal["M", "F", "O", "U"] | None = None
    birth_date: date | None = None


class ReportSection(Section):
    """`[[report]]`: a format ordered for a sample."""

    id: Id
    sample: Code
    format: Id
    registered_at: AwareDatetime | None = None
    patient: PatientSection = PatientSection()

    def registered(self) -> str | None:
        """When, as ISO 8601 UTC text."""
        return iso_utc(self.registered_at) if self.registered_at else None


class LabFile(Section):
    """A whole file."""

    lab_id: Id | None = None
    format: list[FormatSection] = []
    device: list[DeviceSection] = []
    report: list[ReportSection] = []


def iso_utc(at: datetime) -> str:
    """An aware instant as ISO 8601 UTC text."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
