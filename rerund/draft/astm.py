"""The tables of a draft for an instrument that speaks E1394."""

import re
from collections.abc import Iterator
from typing import Any

from drivers.source import Source
from protocols.astm.dialect import Dialect
from rerund.draft.astm_rows import Records, read_records
from rerund.draft.capture import Capture, CaptureError
from rerund.draft.codes import find_names
from rerund.draft.ids import Found, find_id, id_lines, places_of
from rerund.draft.parts import (
    rerun_table,
    sender_lines,
    sentinel_tables,
    status_tables,
    times_line,
    value_lines,
    value_rule,
)
from rerund.draft.seen import Seen, codes
from rerund.draft.toml import Line, Table

_TIMES = {
    "R.13": "by the standard when the test was completed",
    "R.12": "by the standard when it was started",
    "R.14": "by the standard the instrument's name",
    "O.23": "by the standard when results were reported: a rerun may repeat it",
    "O.22": "by the standard when results were reported: a rerun may repeat it",
}
_TEST_CODES = ("R.3.4", "R.3.5", "R.3.1", "R.3.2", "R.3.7", "R.3.3", "R.3.6")
_PLACED = re.compile(r"[^/]+(/\d{1,3}){2,}")
_STATUS = ("R.9", "R.10", "R.8")


_NO_RESULTS = Table(
    "result",
    (
        Line(
            "test_code",
            ["R.3.4", "R.3.5", "R.3.*"],
            ("no result was seen: this is where others have the test's code",),
        ),
    ),
)


def astm_tables(capture: Capture) -> list[Table]:
    """Return the tables of a draft, most likely first where there is a choice."""
    dialect = Dialect(**capture.switches)
    records = read_records(capture.texts, dialect)
    if not records.headers:
        raise CaptureError("there is no H record in it")
    headers, orders, results, queries = (
        Seen(rows, noun, Source.parse)
        for rows, noun in (
            (records.headers, "messages"),
            (records.orders or records.results, "orders"),
            (records.results, "results"),
            (records.queries, "queries"),
        )
    )
    # Patient ^ specimen by the standard; others put a rack before the specimen.
    places = [
        place._replace(weight=2.5) if place.component == 2 else place
        for place in places_of(queries, "Q", 3, 2.0)
    ]
    query = find_id(queries, places, set())
    asked = set(queries.texts(query.best)) if query.best else set()
    tables = [
        Table("message", tuple(_message_lines(headers))),
        Table("specimen", tuple(_specimen_lines(orders, asked))),
    ]
    tables += _result_tables(results, records) if results else [_NO_RESULTS]
    tables += _kind_tables(headers, orders)
    tables.append(
        rerun_table(
            f"seen: R.9 {codes(results.texts('R.9'))}; O.12 {codes(orders.texts('O.12'))}; "
            f"O.26 {codes(orders.texts('O.26'))}; R.11 {codes(results.texts('R.11'), 1)}"
        )
    )
    tables.append(Table("query", tuple(_query_lines(queries, query))))
    return tables


def _message_lines(headers: Seen) -> Iterator[Line]:
    yield from sender_lines([row.parts("H", 5) for row in headers.rows], "H.5")
    if headers.filled("H.4"):
        yield Line(
            "password", "...", ("H.4 is filled: to be checked, should it be one",), active=False
        )
    if headers.filled("H.3"):
        doubt = "H.3 is filled: is it new when the same message is sent again?"
        yield Line("volatile", ["H.3", "H.14"], (doubt,))


def _specimen_lines(orders: Seen, asked: set[str]) -> Iterator[Line]:
    places = [
        *places_of(orders, "O", 3, 3.0),
        *places_of(orders, "O", 4, 1.5),
        *places_of(orders, "P", 3, 0.9),
        *places_of(orders, "P", 4, 0.9),
    ]
    found = find_id(orders, places, asked)
    slashed = found.best and all(map(_PLACED.fullmatch, filter(None, orders.texts(found.best))))
    if slashed:
        doubt = "numbers behind slashes: rack and position?"
        yield Line("id", {"from": found.best, "match": "^([^/]*)"}, (*found.said, doubt))
        return
    yield from id_lines(found, ["O.3.*", "O.4.*"])


def _result_tables(results: Seen, records: Records) -> list[Table]:
    rule, why = value_rule(results, "R", 4)
    lines = [*_name_lines(results), *value_lines(results, rule, why), *_beside(results, records)]
    status = next((p for p in _STATUS if _are_status(results, p)), "R.9")
    lines.append(Line("status", status, (f"seen there: {codes(results.texts(status))}",)))
    lines.append(_run_at(results))
    return [
        Table("result", tuple(lines)),
        *sentinel_tables(results, rule),
        *status_tables(results, status),
    ]


def _name_lines(results: Seen) -> Iterator[Line]:
    width = results.width("R", 3)
    places = [p for p in _TEST_CODES if int(p[4:]) <= width] if width > 1 else ["R.3"]
    extras = [f"R.3.{number}" for number in range(2, width + 1)]
    names = find_names(results, places, extras)
    saids = [results.said(path) for path in places if results.filled(path)]
    yield Line("test_code", names.test_code, (*saids[:5], names.why))
    if names.replicate:
        yield Line("replicate", names.replicate, ("small numbers: replicates, or something else",))
    if names.dilution:
        doubt = (
            "looks like dilutions; the manual may call it something else"
            if names.is_diluted
            else "always 1: an undiluted specimen, or a version or count?"
        )
        yield Line("dilution", names.dilution, (doubt,), names.is_diluted)
        if names.undiluted:
            yield Line("undiluted", names.undiluted, active=names.is_diluted)
    else:
        doubt = "no dilution was recognised: often R.3.5 or R.3.6, sometimes a part of the code"
        yield Line("dilution", "R.3.6", (doubt,), active=False)


def _beside(results: Seen, records: Records) -> Iterator[Line]:
    yield Line("units", _first_or_whole(results, 5), (results.said("R.5"),))
    yield Line("reference_range", _first_or_whole(results, 6), (results.said("R.6"),))
    flags = "R.8" if results.filled("R.8") and not results.filled("R.7") else "R.7"
    if _are_status(results, "R.8") and not _are_status(results, "R.9"):
        flags = "R.7"
    whole = f"{flags}.*" if results.width("R", int(flags[2:])) > 1 else flags
    yield Line("flags", whole, (f"seen there: {codes(results.texts(flags))}",))
    if records.comments:
        doubt = f"{records.comments} comment records follow results: alarms may stand in C.4"
        yield Line("flags", [whole, "C.4"], (doubt,), active=False)
    if records.orphans:
        yield Line.note(f"{records.orphans} results have no order before them")


def _first_or_whole(results: Seen, position: int) -> str:
    path = f"R.{position}"
    is_parted = results.width("R", position) > 1 and results.filled(f"{path}.1")
    return f"{path}.1" if is_parted else path


def _are_status(results: Seen, path: str) -> bool:
    """Whether a field holds single capital letters of E1394's status, and nothing else."""
    texts = [text for text in results.texts(path) if text]
    return bool(texts) and all(set(text) <= set("CPFXISMRNQVW\\@") for text in texts)


def _run_at(results: Seen) -> Line:
    line = times_line(results, _TIMES, ["R.13", "R.12", "O.23"])
    held: Any = line.value if isinstance(line.value, list) else [line.value]
    own = [path for path in held if path.startswith("R.")]
    timed = {
        row.order
        for row, *texts in zip(results.rows, *map(results.texts, own), strict=True)
        if any(texts)
    }
    missing = sum(
        row.order in timed and not any(texts)
        for row, *texts in zip(results.rows, *map(results.texts, own), strict=True)
    )
    if not missing:
        return line
    doubt = (
        f"{missing} results without a time follow one that has it: they get that of the main one"
    )
    return Line("run_at", [*own, "main"], (*line.doubts, doubt))


def _kind_tables(headers: Seen, orders: Seen) -> list[Table]:
    said = (
        f"What tells a control? seen: H.12 {codes(headers.texts('H.12'))}; "
        f"O.12 {codes(orders.texts('O.12'))}; Q is one by the standard. Have a control measured, "
        'and write what is different in its message: [[kind]] with field, equals and kind = "qc"'
    )
    return [Table("", doubts=(said,))]


def _query_lines(queries: Seen, found: Found) -> Iterator[Line]:
    if not queries:
        yield Line.note(
            "no query was seen: let the instrument ask for a sample that it does not know"
        )
        yield Line("sample_id", "Q.3.2", active=False)
        return
    best = found.best or "Q.3.2"
    shifts = queries.filled(best) < len(queries) or _repeats(queries)
    yield Line("sample_id", "Q.3.*" if shifts else best, found.said)
    yield Line(
        "modes",
        {"N": "initial"},
        (f"seen in Q.13: {codes(queries.texts('Q.13'))}; does it tell a query for a rerun?",),
        active=False,
    )


def _repeats(queries: Seen) -> bool:
    return any(row.repeat in row.raw("Q", 3).strip(row.repeat) for row in queries.rows)
