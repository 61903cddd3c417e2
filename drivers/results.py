"""The result records of one order, read column by column.

A column at a time is faster than a record at a time: the loops are those of `map` and
`zip`, and there are dozens of records in a message.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from drivers.fields import Column, Context, Fields
from drivers.reader import Reader
from drivers.result import Result
from drivers.times import NEVER, Instant
from drivers.values import Value

_V = TypeVar("_V")

Problem = tuple[str, int]
"""The code of a note, and the record it is about."""


class OrderResults(NamedTuple):
    """The results of an order, and what was odd about them."""

    results: list[Result]
    problems: list[Problem]


def read_results(
    reader: Reader,
    context: Context,
    rows: Iterable[Fields],
    ordinals: Sequence[int],
    prefix: str,
    comments: Iterable[tuple[int, Fields]] = (),
) -> OrderResults:
    """Read the R records of the order in `context`; result ids are `prefix` and the ordinal.

    `comments` are the C records, each with the index of the row that it follows.
    """
    padding = reader.padding
    width = len(padding)
    rows = [row if len(row) >= width else [*row, *padding[len(row) :]] for row in rows]
    results: list[Result] = []
    problems: list[Problem] = []
    add = results.append
    for ordinal, code, value, details, when in zip(
        ordinals,
        _meanings(reader.code, context, rows),
        _meanings(reader.value, context, rows),
        _meanings(reader.details, context, rows),
        _times(reader, context, rows),
        strict=True,
    ):
        test_code, dilution, replicate = code
        text, comparator, numeric, invalid_reason, problem = value
        units, reference_range, flags, limit, mark = details
        status, unusable, run_kind, next_action, evidence, confidence, marker = mark
        run_at, time_problem = when
        add(
            Result(
                f"{prefix}{ordinal}",
                test_code,
                None,
                None,
                text,
                comparator or limit,
                numeric,
                unusable or invalid_reason,
                units,
                reference_range,
                [*flags],
                status,
                run_at,
                dilution,
                replicate,
                run_kind,
                next_action,
                evidence,
                confidence,
                False,
                marker,
            )
        )
        if problem or time_problem or not test_code:
            codes = (problem, time_problem, None if test_code else "no_test_code")
            problems += [(code, ordinal) for code in codes if code]
    if reader.comment_paths:
        for index, fields in comments:
            results[index].abnormal_flags += reader.comment_flags(fields)
    if reader.also:
        results = list(_with_further(reader, context, rows, results))
    return OrderResults(results, problems)


def _meanings(column: Column[_V], context: Context, rows: Sequence[Fields]) -> Iterator[_V]:
    return map(column.bind(context).__getitem__, map(column.key, rows))


def _times(reader: Reader, context: Context, rows: Sequence[Fields]) -> Iterator[Instant]:
    own = _meanings(reader.own_time, context, rows)
    if not reader.inherits_time:
        return own
    return _inherited(own, _meanings(reader.other_time, context, rows))


def _inherited(own: Iterable[Instant], other: Iterable[Instant]) -> Iterator[Instant]:
    """Give a sub-result, which has no run time of its own, that of its main result."""
    main = NEVER
    for instant, fallback in zip(own, other, strict=True):
        if instant.text:
            main = instant
        yield instant if instant.text else main if main.text else fallback


def _with_further(
    reader: Reader, context: Context, rows: Sequence[Fields], results: Iterable[Result]
) -> Iterator[Result]:
    """Add a result for each further value that a record holds."""
    columns = [list(_meanings(column, context, rows)) for _, column in reader.also]
    suffixes = [suffix for suffix, _ in reader.also]
    for result, *values in zip(results, *columns, strict=True):
        yield result
        for number, (suffix, value) in enumerate(zip(suffixes, values, strict=True), start=2):
            if value.text not in ("", result.value):
                yield _further(result, suffix, number, value)


def _further(result: Result, suffix: str, number: int, value: Value) -> Result:
    return msgspec.structs.replace(
        result,
        result_id=f"{result.result_id}-{number}",
        test_code=result.test_code + suffix,
        value=value.text,
        comparator=value.comparator,
        numeric=value.numeric,
        invalid_reason=value.invalid_reason,
    )
