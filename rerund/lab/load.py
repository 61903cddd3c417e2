"""`rerund lab load`: lab files into the stores, all or nothing, and twice changes nothing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from drivers.tomlfile import Problem, TomlError, TomlFile, from_validation_error
from rerund.lab.checks import Source, check
from rerund.lab.model import (
    DeviceSection,
    FormatSection,
    LabFile,
    ParameterSection,
    ReportSection,
)
from rerund.rerun.records import (
    Device,
    LabData,
    Mapping,
    Parameter,
    ParameterMeta,
    Range,
    ReportFormat,
)
from rerund.stores.lab_tables import LabChanges, LabTables, Order
from rerund.stores.ports import ReportStore


class LabFileError(Exception):
    """Lab files that cannot be loaded. `problems` holds all that was found."""

    def __init__(self, problems: list[Problem]):
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def load_files(
    paths: Sequence[Path], lab_id: int, reports: ReportStore, tables: LabTables
) -> LabChanges:
    """Load lab files into one lab; answers what has changed.

    The parameters of each format in the files, and the mappings of each instrument in them,
    become exactly those of the files. Raises LabFileError with every problem,
    StoreUnavailable and StoreRejected; then nothing has changed.
    """
    sources = read_files(paths)
    ids = [report.id for source in sources for report in source.model.report]
    stored = reports.lab_data(lab_id)
    problems = check(sources, lab_id, stored, reports.reports(lab_id, ids))
    if problems:
        raise LabFileError(problems)
    models = [source.model for source in sources]
    orders = [_order(report) for model in models for report in model.report]
    return tables.write(_lab_data(lab_id, models), orders)


def read_files(paths: Sequence[Path]) -> list[Source]:
    """Read and validate each file by itself. Raises LabFileError."""
    sources: list[Source] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            sources.append(_read(path))
        except LabFileError as error:
            problems += error.problems
    if problems:
        raise LabFileError(problems)
    return sources


def _read(path: Path) -> Source:
    try:
        document = TomlFile.read(path)
    except TomlError as error:
        raise LabFileError(error.problems) from error
    try:
        return Source(document, LabFile.model_validate(document.data))
    except ValidationError as error:
        raise LabFileError(from_validation_error(error, document)) from error


def _lab_data(lab_id: int, models: Iterable[LabFile]) -> LabData:
    models = list(models)
    devices = [device for model in models for device in model.device]
    return LabData(
        lab_id,
        tuple(_format(lab_id, form) for model in models for form in model.format),
        tuple(Device(device.id, lab_id, device.name) for device in devices),
        tuple(mapping for device in devices for mapping in _mappings(device)),
    )


def _format(lab_id: int, form: FormatSection) -> ReportFormat:
    return ReportFormat(form.id, lab_id, form.name, tuple(map(_parameter, form.parameter)))


def _parameter(section: ParameterSection) -> Parameter:
    custom = section.auto_rerun_custom
    return Parameter(
        index=section.index,
        order=section.index if section.order is None else section.order,
        parameter_name=section.name,
        units=section.units,
        ranges=tuple(
            Range(one.sex, one.lower, one.upper, one.critical_lower, one.critical_upper)
            for one in section.ranges
        ),
        meta=ParameterMeta(
            manual_rerun=section.manual_rerun,
            auto_rerun=section.auto_rerun is not None,
            auto_rerun_condition=section.auto_rerun,
            auto_rerun_lower=custom.lower if custom else None,
            auto_rerun_upper=custom.upper if custom else None,
            auto_rerun_flags=tuple(section.auto_rerun_flags),
        ),
    )


def _mappings(device: DeviceSection) -> Iterable[Mapping]:
    return (
        Mapping(
            device_id=device.id,
            test_code=mapping.test_code,
            report_format_id=mapping.format,
            index=mapping.index,
            order_code=mapping.order_code or mapping.test_code,
            units=mapping.units,
            factor=mapping.factor,
        )
        for mapping in device.mapping
    )


def _order(report: ReportSection) -> Order:
    patient = report.patient
    return Order(
        sample_id=report.sample,
        report_format_id=report.format,
        lab_report_id=report.id,
        registered_at=report.registered(),
        patient_id=patient.id,
        patient_name=patient.name,
        sex=patient.sex,
        birth_date=patient.birth_date.isoformat() if patient.birth_date else None,
    )
