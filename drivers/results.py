"""The result records of one order, read one by one."""

import msgspec

from drivers.fields import Context, Fields
from drivers.reader import Reader
from drivers.result import Result
from drivers.times import NEVER, Instant


class OrderResults:
    """Reads the R records of one order: every column is bound to its header, patient and order.

    `problems` collects the codes of what was odd; whoever reads takes them out.
    """

    def __init__(self, reader: Reader, context: Context):
        self.results: list[Result] = []
        self.problems: list[str] = []
        self._columns = (
            reader.code.bind(context),
            reader.value.bind(context),
            reader.details.bind(context),
            reader.mark.bind(context),
            reader.own_time.bind(context),
        )
        self._other_time = reader.other_time.bind(context)
        self._also = [(suffix, column.bind(context)) for suffix, column in reader.also]
        self._inherits_time = reader.inherits_time
        self._main_time = NEVER
        self._quirks = reader.quirks
        self._padding = reader.padding

    def read(self, fields: Fields, result_id: str) -> list[Result]:
        """Read one R record: its result, and further ones when it holds several values."""
        padding = self._padding
        if len(fields) < len(padding):
            fields = [*fields, *padding[len(fields) :]]
        code, value, details, mark, time = self._columns
        test_code, dilution, replicate = code(fields)
        text, comparator, numeric, invalid_reason, problem = value(fields)
        units, reference_range, flags, limit = details(fields)
        status, unusable, run_kind, next_action, evidence, confidence, marker = mark(fields)
        when = time(fields)
        if self._inherits_time:
            when = self._inherited_time(when, fields)
        result = Result(
            result_id,
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
            when.text,
            dilution,
            replicate,
            run_kind,
            next_action,
            evidence,
            confidence,
            False,
            marker,
        )
        if problem or when.problem:
            self.problems += filter(None, (problem, when.problem))
        for quirk in self._quirks:
            quirk(result)
        return [result, *self._further(result, fields)] if self._also else [result]

    def _inherited_time(self, own: Instant, fields: Fields) -> Instant:
        """Return the run time of the main result for a sub-result, which has none of its own."""
        if own.text:
            self._main_time = own
            return own
        return self._main_time if self._main_time.text else self._other_time(fields)

    def _further(self, result: Result, fields: Fields) -> list[Result]:
        further: list[Result] = []
        for suffix, column in self._also:
            value = column(fields)
            if value.text in ("", result.value):
                continue
            further.append(
                msgspec.structs.replace(
                    result,
                    result_id=f"{result.result_id}-{len(further) + 2}",
                    test_code=result.test_code + suffix,
                    value=value.text,
                    comparator=value.comparator,
                    numeric=value.numeric,
                    invalid_reason=value.invalid_reason,
                )
            )
        return further
