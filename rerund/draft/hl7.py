"""The tables of a draft for an instrument that speaks HL7 v2."""

import re
from collections.abc import Iterator

from drivers.hl7.paths import parse_source
from protocols.hl7.dialect import Dialect
from rerund.draft.capture import Capture, CaptureError
from rerund.draft.codes import find_names
from rerund.draft.hl7_rows import Segments, read_segments
from rerund.draft.ids import Found, Place, find_id, id_lines
from rerund.draft.parts import (
    rerun_table,
    sender_lines,
    sentinel_tables,
    status_tables,
    times_line,
    value_lines,
    value_rule,
)
from rerund.draft.seen import Row, Seen, codes
from rerund.draft.toml import Line, Table

_TIMES = {
    "OBX.19": "by the standard when the test was done",
    "OBX.14": "by the standard when it was observed",
    "OBR.22": "by the standard when results were reported",
    "TQ1.8": "by the standard when an order ends",
    "OBR.7": "by the standard when the specimen was taken; many put the run's time there",
}
_IDS = (
    ("SAC.3.1", 4.0),
    ("SPM.2.1.1", 3.9),
    ("OBR.3.1", 3.0),
    ("OBR.2.1", 2.8),
    ("OBR.20.1", 2.0),
    ("SPM.2.2.1", 1.2),
    ("PID.3.1", 0.9),
)
_ASKED = (
    ("QPD.3.1.1", 3.0),
    ("QPD.4.1.1", 2.9),
    ("QRD.8.1", 3.0),
    ("ORC.3.1", 2.0),
    ("ORC.2.1", 1.9),
)
_TEST_CODES = ("OBX.3.1", "OBX.3.4", "OBX.4.1", "OBX.3.2")
_KNOWN_RESULTS = ("ORU", "OUL")
_KNOWN_QUERIES = ("QRY", "QBP", "QCN")
_POWER = re.compile(r"10\^\d")
_ARRAYS = {"ED", "RP", "NA", "MA", "CD"}
_AGE = "30525-0"
"""LOINC's code of the patient's age."""


def hl7_tables(capture: Capture) -> list[Table]:
    """Return the tables of a draft, most likely first where there is a choice."""
    dialect = Dialect(**capture.switches)
    found = read_segments(capture.texts, dialect)
    if not found.headers:
        raise CaptureError("there is no MSH segment in it")
    headers, orders, results, queries = (
        Seen(rows, noun, parse_source)
        for rows, noun in (
            (found.headers, "messages"),
            (found.orders or found.results, "orders"),
            ([row for row in found.results if not _is_array(row)], "results"),
            (found.queries, "queries"),
        )
    )
    query = find_id(queries, _places(queries, _ASKED), set())
    asked = set(queries.texts(query.best)) if query.best else set()
    specimen = find_id(orders, _places(orders, _IDS), asked)
    tables = [
        Table("message", tuple(_message_lines(headers, found))),
        Table("specimen", tuple(id_lines(specimen, ["SAC.3.1", "SPM.2.1.1", "OBR.3.1"]))),
    ]
    tables += _result_tables(results, found) if results else [_no_results(found)]
    tables += _kind_tables(headers, orders)
    tables.append(
        rerun_table(
            f"seen: OBX.11 {codes(results.texts('OBX.11'))}; OBX.17 "
            f"{codes(results.texts('OBX.17'), 1)}; TCD segments {found.details}, of which "
            "TCD.8 is the standard's mark (table 0389)"
        )
    )
    tables.append(Table("query", tuple(_query_lines(queries, query, found))))
    return tables


def _places(seen: Seen, paths: tuple[tuple[str, float], ...]) -> list[Place]:
    """Return the paths as places; none of them where there are no rows."""
    return [Place(path, path[:3], int(path.split(".")[1]), None, weight) for path, weight in paths]


def _is_array(row: Row) -> bool:
    return row.raw("OBX", 2) in _ARRAYS


def _message_lines(headers: Seen, found: Segments) -> Iterator[Line]:
    names = [row.parts("MSH", 3) for row in headers.rows]
    if not any(any(map(str.strip, parts)) for parts in names):
        names = [row.parts("MSH", 4) for row in headers.rows]
    yield from sender_lines(names, "MSH.3")
    others = sorted(event for event in found.events if event[:3] not in _KNOWN_RESULTS)
    if others:
        doubt = "messages with OBX that are neither ORU nor OUL: do all of them hold results?"
        yield Line("results", [*_KNOWN_RESULTS, *others], (doubt,))
    said = f"seen: MSH.15 {codes(headers.texts('MSH.15'))}; MSH.16 {codes(headers.texts('MSH.16'))}"
    yield Line.note(f"{said}; they say which acknowledgments are wanted, [dialect] acknowledgment")


def _result_tables(results: Seen, found: Segments) -> list[Table]:
    rule, why = value_rule(results, "OBX", 5)
    if _are_coded(results):
        rule, why = "OBX.5", results.said("OBX.5")
    lines = [*_name_lines(results), *value_lines(results, rule, why), *_beside(results, found)]
    lines.append(times_line(results, _TIMES, ["OBX.19", "OBX.14", "OBR.22"]))
    return [
        Table("result", tuple(lines)),
        *_skip_tables(results),
        *sentinel_tables(results, rule),
        *status_tables(results, "OBX.11"),
    ]


def _no_results(found: Segments) -> Table:
    doubt = "no OBX was seen: this is where others have the test's code"
    if found.orders and found.events | found.asking >= {"ORU^R01"}:
        doubt += "; results in OBR itself, as some send controls, are for [order_result]"
    return Table("result", (Line("test_code", ["OBX.3.1", "OBX.3.4", "OBX.4.1"], (doubt,)),))


def _are_coded(results: Seen) -> bool:
    """Whether values of several components are of a data type that says how to read them."""
    parted = [row for row in results.rows if len(row.parts("OBX", 5)) > 1]
    return all(row.raw("OBX", 2) in {"SN", "CE", "CWE", "CNE"} for row in parted)


def _name_lines(results: Seen) -> Iterator[Line]:
    names = find_names(results, _TEST_CODES, ("OBX.4", "OBX.3.4", "OBX.3.5"))
    saids = [results.said(path) for path in _TEST_CODES if results.filled(path)]
    yield Line("test_code", names.test_code, (*saids, names.why))
    if names.replicate:
        yield Line("replicate", names.replicate, ("small numbers: replicates, or something else",))


def _beside(results: Seen, found: Segments) -> Iterator[Line]:
    if any(map(_POWER.search, results.raws("OBX", 6))):
        rule = {"from": "OBX.6", "match": r"^\^*(10\^\d[^^]*|[^^]+)"}
        yield Line("units", rule, ("10^9/L and the like are not escaped",))
    else:
        yield Line("units", "OBX.6.*", (results.said("OBX.6.*"),))
    ranges = "OBX.7.1" if results.width("OBX", 7) > 1 and results.filled("OBX.7.1") else "OBX.7"
    yield Line("reference_range", ranges, (results.said("OBX.7"),))
    yield Line("flags", "OBX.8.1", (f"seen there: {codes(results.texts('OBX.8.1'))}",))
    if found.notes:
        doubt = f"{found.notes} NTE segments: alarms may stand in their comments"
        yield Line("flags", ["OBX.8.1", "NTE.3.1"], (doubt,), active=False)
    if results.filled("OBX.13"):
        doubt = f"{results.said('OBX.13')}: the value before somebody edited it, or flags?"
        yield Line("original_value", "OBX.13", (doubt,), active=False)
    yield Line("status", "OBX.11", (f"seen there: {codes(results.texts('OBX.11'))}",))
    coded = sum(row.raw("OBX", 2) == "IS" for row in results.rows)
    if coded:
        doubt = f"{coded} OBX of type IS: modes and other settings, which are no results?"
        yield Line("skip", [{"field": "OBX.2", "equals": "IS"}], (doubt,), active=False)
    dilution = f"{found.details} TCD segments: by the standard dilutions are in TCD.2 to TCD.4"
    yield Line.note(dilution if found.details else "no dilution was seen; no TCD segment")


def _skip_tables(results: Seen) -> list[Table]:
    tables = []
    settings = [text for text in results.texts("OBX.3.4") if text.startswith("S_")]
    if settings:
        doubt = f"{len(settings)} OBX with S_ in OBX-3.4: settings and raw data (IHE LAW)"
        lines = (Line("field", "OBX.3.4"), Line("pattern", "^S_"))
        tables.append(Table("result.skip", lines, (doubt,), several=True))
    if _AGE in results.texts("OBX.3.1"):
        lines = (Line("field", "OBX.3.1"), Line("equals", _AGE))
        tables.append(Table("result.skip", lines, ("LOINC 30525-0: the age",), several=True))
    return tables


def _kind_tables(headers: Seen, orders: Seen) -> list[Table]:
    said = (
        f"What tells a control? seen: MSH.11 {codes(headers.texts('MSH.11.1'))}; "
        f"MSH.16 {codes(headers.texts('MSH.16'))}; SPM.11 {codes(orders.texts('SPM.11.1'))}; Q in "
        "SPM.11 is one by the standard. Have a control measured, and write what is different in "
        'its message: [[kind]] with field, equals and kind = "qc"'
    )
    return [Table("", doubts=(said,))]


def _query_lines(queries: Seen, asked: Found, found: Segments) -> Iterator[Line]:
    if not queries:
        yield Line.note(
            "no query was seen: let the instrument ask for a sample that it does not know"
        )
        return
    others = sorted(event for event in found.asking if event[:3] not in _KNOWN_QUERIES)
    if others:
        doubt = "other messages without OBX: are they queries?"
        yield Line("messages", [*_KNOWN_QUERIES, *others], (doubt,))
    if asked.best:
        yield Line("sample_id", asked.best, asked.said)
