"""The records of a message with orders: templates filled in, as raw fields."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

import msgspec

from drivers.order_section import Case, FieldTemplates, OrderSection
from drivers.orders import Order
from drivers.question import Question
from drivers.result import Patient
from drivers.templates import Placeholder, Template
from drivers.text_writer import TextWriter

_TIME = "%Y%m%d%H%M%S"
_NOBODY = Patient()
_NO_FIELDS = FieldTemplates()
_NO_ORDER = Order(order_id="", sample_id="", codes=())


class OrderWriter:
    """Fills in the templates of one profile, for one message."""

    def __init__(
        self,
        section: OrderSection,
        text: TextWriter,
        now: datetime,
        question: Question | None,
    ):
        self._section = section
        self._text = text
        self._now = now
        self._question = question
        self._samples = 0
        self._questions = 0

    def header(self, cases: Sequence[Case]) -> list[str]:
        """Begin a message, and return its H; the delimiters are written when it is built."""
        self._samples = self._questions = 0
        return self._record("H", "", self._section.templates("H", cases), _NO_ORDER)

    def terminator(self, cases: Sequence[Case], code: str, empty: Case | None = None) -> list[str]:
        """Return the L record. The L.3 of an `empty` message is not the usual one."""
        templates = self._section.templates("L", cases)
        said = templates if empty is None else self._section.when.get(empty, _NO_FIELDS).terminator
        if 3 not in said:
            templates[3] = Template(code, (code,))
        return self._record("L", "1", templates, _NO_ORDER)

    def sample(
        self, sample_id: str, orders: Sequence[Order], cases: Sequence[Case]
    ) -> Iterator[list[str]]:
        """Return P and the orders of a sample; without any, what says that there is none."""
        if not orders:
            cases = (*cases, "none")
            orders = [msgspec.structs.replace(_NO_ORDER, sample_id=sample_id)]
            if self._section.none == "query":
                self._questions += 1
                templates = self._section.templates("Q", cases)
                yield self._record("Q", str(self._questions), templates, orders[0])
                return
        self._samples += 1
        number = str(self._samples)
        yield self._record("P", number, self._section.templates("P", cases), orders[0])
        ordinal = 0
        for order in orders:
            own: tuple[Case, ...] = (*cases, "rerun") if order.is_rerun else (*cases,)
            for tests in self._tests(order):
                ordinal += 1
                templates = self._section.templates("O", own)
                yield self._record("O", str(ordinal), templates, order, tests)
                comment = self._section.templates("C", own)
                if comment:
                    yield self._record("C", "1", comment, order)

    def _tests(self, order: Order) -> Iterable[str]:
        """The raw text of the tests of each O."""
        tests = [self._test(order, code) for code in dict.fromkeys(order.codes)]
        if self._section.tests == "record" and tests:
            return tests
        return (self._text.delimiters.repeat.join(tests),)

    def _test(self, order: Order, code: str) -> str:
        parts = code.split("^")

        def look_up(place: Placeholder) -> str:
            if place.name == "code":
                return self._text.exact(place.pad(code))
            if place.name.startswith("code."):
                number = int(place.name[5:])
                return self._text.exact(
                    place.pad(parts[number - 1] if number <= len(parts) else "")
                )
            return self._look_up(place, order)

        return self._section.test.fill(look_up, self._text.near, self._text.delimiters)

    def _record(
        self,
        letter: str,
        number: str,
        templates: dict[int, Template],
        order: Order,
        tests: str = "",
    ) -> list[str]:
        """Fill in a record, as long as its last field with a text or a template of none."""

        def look_up(place: Placeholder) -> str:
            return tests if place.name == "tests" else self._look_up(place, order)

        fields = [letter, number]
        for position, template in sorted(templates.items()):
            raw = template.fill(look_up, self._text.near, self._text.delimiters)
            if raw or not template.text:
                fields += [""] * (position - len(fields))
                fields[position - 1] = raw
        return fields

    def _look_up(self, place: Placeholder, order: Order) -> str:
        if place.echo is not None:
            if self._question is None:
                return ""
            raw = self._question.field(place.echo, order.sample_id)
            return place.pad(self._text.as_it_came(raw, self._question.delimiters))
        if place.name == "sample_id":
            return self._text.exact(place.pad(order.sample_id))
        return self._text.near(place.pad(self._fact(place.name, order)))

    def _fact(self, name: str, order: Order) -> str:
        patient = order.patient or _NOBODY
        facts: dict[str, Callable[[], str | None]] = {
            "now": lambda: self._now.strftime(_TIME),
            "today": lambda: self._now.strftime(_TIME)[:8],
            "order_id": lambda: order.order_id,
            "parent_id": lambda: order.parent_id,
            "rerun_number": lambda: str(order.rerun_number),
            "priority": lambda: self._section.priorities.get(
                order.priority or "", self._section.priority
            ),
            "registered_at": lambda: self._clock(order.registered_at),
            "patient_id": lambda: next(iter(patient.ids), None),
            "patient_name": lambda: patient.name,
            "birth_date": lambda: (patient.birth_date or "").replace("-", ""),
            "sex": lambda: _sex(patient.sex),
        }
        return facts[name]() or ""

    def _clock(self, instant: str | None) -> str:
        """An instant as the clock of the instrument shows it."""
        if instant is None:
            return ""
        return datetime.fromisoformat(instant).astimezone(self._now.tzinfo).strftime(_TIME)


def _sex(sex: str | None) -> str:
    """M, F or U (LIS02-A2 7.1.9); nothing when nobody has said."""
    letter = (sex or "")[:1].upper()
    return letter if letter in ("M", "F", "") else "U"
