"""The result records of one order, read column by column.

A column at a time is faster than a record at a time: the loops are those of `map` and
`zip`, and there are dozens of records in a message.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from drivers.fields import Context, Fields
from drivers.memo import Memo
from drivers.reader import Reader
from drivers.result import Result
from drivers.times import NEVER, Instant
from drivers.values import Value

_TEXTS = Memo[int, str](str)
"""Numbers of records as text: looking one up is faster than writing it."""

Problem = tuple[str, int]
"""The code of a note, and the record it is about."""


class OrderResults(NamedTuple):
    """The results of an order, and what was odd about them."""

    results: list[Result]
    problems: list[Problem]


def read_results(
    reader: Reader,
    context: Context,
    rows: Sequence[Fields],
    ordinals: Sequence[int],
    prefix: str,
    comments: Iterable[tuple[int, Fields]] = (),
) -> OrderResults:
    """Read the rows, all wide enough, of the order in `context`.

    The id of a result is `prefix` and the ordinal of its record.

    `comments` are the C records, each with the index of the row that it follows.
    """
    results: list[Result] = []
    problems: list[Problem] = []
    add = results.append
    texts = _TEXTS
    for ordinal, outline, value, when in zip(
        ordinals,
        reader.outline.meanings(context, rows),
        reader.value.meanings(context, rows),
        _times(reader, context, rows),
        strict=True,
    ):
        add(
            Result(
                prefix + texts[ordinal],
                outline.test_code,
                None,
                None,
                value.text,
                value.comparator or outline.limit,
                value.numeric,
                outline.unusable or value.invalid_reason,
                outline.units,
                outline.reference_range,
                [*outline.flags],
                outline.result_status,
                when.text,
                outline.dilution,
                outline.replicate,
                outline.run_kind,
                outline.next_action,
                outline.evidence,
                outline.confidence,
                False,
                outline.raw_marker,
            )
        )
        if value.problem or when.problem or not outline.test_code:
            codes = (value.problem, when.problem, None if outline.test_code else "no_test_code")
            problems += [(code, ordinal) for code in codes if code]
    if reader.comment_paths:
        for index, fields in comments:
            results[index].abnormal_flags += reader.comment_flags(fields)
    if reader.also:
        results = list(_with_further(reader, context, rows, results))
    return OrderResults(results, problems)


def _times(reader: Reader, context: Context, rows: Sequence[Fields]) -> Iterator[Instant]:
    own = reader.own_time.meanings(context, rows)
    if not reader.inherits_time:
        return own
    return _inherited(own, reader.other_time.meanings(context, rows))


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
    columns = [list(column.meanings(context, rows)) for _, column in reader.also]
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
