"""What the files of one load say together: every name once, every reference known."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from drivers.tomlfile import Problem, TomlFile
from drivers.tomlpositions import Path as KeyPath
from rerund.lab.model import LabFile
from rerund.rerun.records import LabData, ReportRow


class Source(NamedTuple):
    """A lab file as read: its model, and where each key of it is."""

    document: TomlFile
    model: LabFile


class _Place(NamedTuple):
    source: Source
    path: KeyPath
    key: Hashable
    said: str

    def problem(self, message: str) -> Problem:
        return self.source.document.problem(self.path, message)


Finder = Callable[[Source], Iterator[_Place]]


def check(
    sources: Sequence[Source], lab_id: int, stored: LabData, reports: Iterable[ReportRow]
) -> list[Problem]:
    """Every problem of the files together, and with what the stores hold."""
    problems = [
        source.document.problem(("lab_id",), f"is not lab {lab_id}, which is loaded here")
        for source in sources
        if source.model.lab_id not in (None, lab_id)
    ]
    for finder in (_formats, _parameters, _devices, _mappings, _reports):
        problems += _repeated(sources, finder)
    problems += _unknown(sources, stored)
    problems += _clashes(sources, reports)
    return problems


def _formats(source: Source) -> Iterator[_Place]:
    for at, form in enumerate(source.model.format):
        yield _Place(source, ("format", at, "id"), form.id, f"format {form.id}")


def _parameters(source: Source) -> Iterator[_Place]:
    for at, form in enumerate(source.model.format):
        for line, parameter in enumerate(form.parameter):
            path = ("format", at, "parameter", line, "index")
            said = f"index {parameter.index} of format {form.id}"
            yield _Place(source, path, (form.id, parameter.index), said)


def _devices(source: Source) -> Iterator[_Place]:
    for at, device in enumerate(source.model.device):
        yield _Place(source, ("device", at, "id"), device.id, f"device {device.id!r}")


def _mappings(source: Source) -> Iterator[_Place]:
    for at, device in enumerate(source.model.device):
        for line, mapping in enumerate(device.mapping):
            path = ("device", at, "mapping", line, "test_code")
            key = (device.id, mapping.test_code, mapping.format, mapping.index)
            yield _Place(source, path, key, f"this mapping of {mapping.test_code!r}")


def _reports(source: Source) -> Iterator[_Place]:
    for at, report in enumerate(source.model.report):
        yield _Place(source, ("report", at, "id"), report.id, f"report {report.id}")


def _repeated(sources: Sequence[Source], finder: Finder) -> Iterator[Problem]:
    first: dict[Hashable, _Place] = {}
    for place in (place for source in sources for place in finder(source)):
        other = first.setdefault(place.key, place)
        if other is not place:
            document = other.source.document
            where = f"{document.name}:{document.line(other.path)}"
            yield place.problem(f"{place.said} is already at {where}")


def _unknown(sources: Sequence[Source], stored: LabData) -> Iterator[Problem]:
    known = {
        form.report_format_id: {parameter.index for parameter in form.parameters}
        for form in stored.formats
    }
    for source in sources:
        known.update({f.id: {p.index for p in f.parameter} for f in source.model.format})
    for source in sources:
        yield from _unknown_in(source, known)


def _unknown_in(source: Source, known: dict[int, set[int]]) -> Iterator[Problem]:
    document = source.document
    for at, device in enumerate(source.model.device):
        for line, mapping in enumerate(device.mapping):
            path = ("device", at, "mapping", line)
            if mapping.format not in known:
                yield document.problem((*path, "format"), f"there is no format {mapping.format}")
            elif mapping.index not in known[mapping.format]:
                message = f"format {mapping.format} has no index {mapping.index}"
                yield document.problem((*path, "index"), message)
    for at, report in enumerate(source.model.report):
        if report.format not in known:
            message = f"there is no format {report.format}"
            yield document.problem(("report", at, "format"), message)


def _clashes(sources: Sequence[Source], rows: Iterable[ReportRow]) -> Iterator[Problem]:
    stored = {row.lab_report_id: (row.sample_id, row.report_format_id) for row in rows}
    for source in sources:
        for at, report in enumerate(source.model.report):
            if stored.get(report.id) not in (None, (report.sample, report.format)):
                message = f"report {report.id} is registered for another sample or format"
                yield source.document.problem(("report", at, "id"), message)
