"""What an instrument reads in an answer: samples, order codes, and that there is no order.

The templates of the profile say where each stands: read backwards, they give what was filled in.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from drivers.fields import Picker
from drivers.hl7.layouts import LAYOUTS
from drivers.hl7.template import Template as Hl7Template
from drivers.hl7.template import parse_template
from drivers.order_section import Case, OrderSection
from drivers.profile import AstmProfile, Hl7Profile
from drivers.templates import Placeholder, Template
from protocols.astm.message import Message as AstmMessage
from protocols.astm.record import Record
from protocols.astm.text import Delimiters as AstmDelimiters
from protocols.astm.text import unescape as unescape_astm
from protocols.hl7.message import Message as Hl7Message
from protocols.hl7.segment import Segment
from protocols.hl7.text import Delimiters as Hl7Delimiters
from protocols.hl7.text import escape as escape_hl7
from protocols.hl7.text import unescape as unescape_hl7

Verdict = Literal["orders", "none", "unable", "busy", "follows", "refused", "nothing"]
"""Orders, no order, not now, another question is open, taken and orders may
follow, not even taken, or no answer."""

_LINE_TEST = parse_template("{code}")


class Ordered(NamedTuple):
    """Codes of one sample; whether they say themselves that they repeat or cancel something."""

    sample_id: str
    codes: tuple[str, ...]
    is_rerun: bool = False
    is_cancelled: bool = False


class Heard(NamedTuple):
    """A message from the host, as the instrument understands it."""

    verdict: Verdict
    orders: tuple[Ordered, ...] = ()


def read_astm(message: AstmMessage, profile: AstmProfile) -> Heard:
    """Return what a message of records says."""
    assert profile.order is not None
    reading = _AstmReading(profile, profile.order, message)
    orders = _joined(reading.ordered(record) for record in message.records if record.type == "O")
    if orders:
        return Heard("orders", orders)
    said = message.termination_code
    if said == reading.code("busy", "Q") and not any(r.type == "O" for r in message.records):
        return Heard("busy")
    if said == reading.code("unable", "E") and profile.order.unable != "silence":
        return Heard("unable")
    return Heard("none")


class _AstmReading:
    def __init__(self, profile: AstmProfile, section: OrderSection, message: AstmMessage):
        self._query = profile.query.sample_id
        self._section = section
        self._dialect = profile.dialect
        self._delimiters = message.delimiters
        self._picker = Picker(message.delimiters, profile.dialect)
        self._header = message.header

    def code(self, case: Case, usual: str) -> str:
        """L.3 of an empty message in a case."""
        fields = self._section.when.get(case)
        template = None if fields is None else fields.terminator.get(3)
        return usual if template is None else template.text

    def ordered(self, record: Record) -> Ordered:
        """What one O orders."""
        templates = self._section.templates("O", ())
        codes: list[str] = []
        sample_id = ""
        for position, template in templates.items():
            if "tests" in template.names:
                codes = self._codes(template, record.field(position))
            elif "sample_id" in template.names:
                sample_id = self._filled(template, record.field(position)).get("sample_id", "")
            elif not sample_id and any(name.startswith("Q.") for name in template.names):
                sample_id = self._picker.pick(self._query, record.field(position))
        return Ordered(
            sample_id.strip(), tuple(codes), self._is(record, "rerun"), self._is(record, "cancel")
        )

    def _codes(self, template: Template, raw: str) -> list[str]:
        tests = self._filled(template, raw).get("tests", "")
        found = (self._filled(self._section.test, one) for one in tests.split(self._repeat))
        return [code for parts in found if (code := _code_of(parts))]

    @property
    def _repeat(self) -> str:
        return self._delimiters.repeat

    def _is(self, record: Record, case: Case) -> bool:
        """Whether every field is as the profile has it in this case, and not as usual."""
        fields = self._section.when.get(case)
        usual = self._section.templates("O", ())
        said = {} if fields is None else fields.order
        return bool(said) and all(
            record.field(position) == template.text and usual.get(position) != template
            for position, template in said.items()
        )

    def _filled(self, template: Template, raw: str) -> dict[str, str]:
        match = _astm_pattern(template, self._delimiters).fullmatch(raw)
        if match is None:
            return {}
        texts = zip(_names(template), match.groups(), strict=True)
        return {
            name: text
            if name == "tests"
            else unescape_astm(text, self._delimiters, self._dialect).strip()
            for name, text in texts
        }


def _names(template: Template) -> list[str]:
    return [part.name for part in template.parts if isinstance(part, Placeholder)]


def _code_of(parts: Mapping[str, str]) -> str:
    if "code" in parts:
        return parts["code"]
    numbered = sorted((int(name[5:]), text) for name, text in parts.items() if name[:5] == "code.")
    return "^".join(text for _, text in numbered).rstrip("^")


@lru_cache(maxsize=256)
def _astm_pattern(template: Template, delimiters: AstmDelimiters) -> re.Pattern[str]:
    marks = {"^": delimiters.component, "\\": delimiters.repeat}
    parts = []
    for part in template.parts:
        if isinstance(part, Placeholder):
            parts.append("(.*)" if part.name == "tests" else "(.*?)")
        else:
            parts.append("".join(re.escape(marks.get(letter, letter)) for letter in part))
    return re.compile("".join(parts), re.DOTALL)


def read_hl7(message: Hl7Message, profile: Hl7Profile) -> Heard:
    """Return what a message of segments says."""
    assert profile.order is not None
    reading = _Hl7Reading(profile, message)
    msa, qak = message.first("MSA"), message.first("QAK")
    code = "" if msa is None else msa.value(1)
    status = "" if qak is None else qak.value(2)
    if code in ("AE", "CE", "CR") or status == "AE":
        return Heard("unable")
    if code == "AR":
        return Heard("none" if reading.form == "orr" else "unable")
    orders = _joined(reading.ordered())
    if orders:
        return Heard("orders", orders)
    if reading.kind == "ACK":
        # Taken, and nothing is said of orders, unless just that means that there are none.
        return Heard("none" if reading.has_silent_none else "follows")
    is_promise = status not in ("", "NF") and reading.form in ("dsr", "law")
    return Heard("follows" if is_promise else "none")


class _Hl7Reading:
    def __init__(self, profile: Hl7Profile, message: Hl7Message):
        assert profile.order is not None
        self._section = section = profile.order
        self._message = message
        self.form = next(iter(section.form.values()))
        self._layout = LAYOUTS[self.form]
        self._fields = {**self._layout.fields, **section.fields}
        self.kind = "" if message.header is None else message.header.component(9, 1)

    @property
    def has_silent_none(self) -> bool:
        """Whether an acknowledgment alone says that there are no orders."""
        return self.form == "tsreq" and self._section.no_order == "acknowledge"

    def ordered(self) -> Iterable[Ordered]:
        """What is ordered, in the order of the message."""
        return self._lines() if self.form == "dsr" else self._steps()

    def _lines(self) -> Iterable[Ordered]:
        """The lines of a display message: the sample in one, a test in each from one on."""
        templates = {**self._layout.lines, **self._section.lines}
        places = [n for n, template in templates.items() if "sample_id" in template.facts]
        sample_id, codes = "", []
        for line in self._message.all("DSP"):
            number = int(line.value(1) or 0)
            if number in places:
                sample_id = self._filled(templates[number], line, 3).get("sample_id", "")
            if number >= self._section.first_test:
                test = self._section.test or _LINE_TEST
                codes.append(self._filled(test, line, 3).get("code", ""))
        return [Ordered(sample_id, tuple(filter(None, codes)))]

    def _steps(self) -> list[Ordered]:
        """The order groups; a specimen stands before its orders, or behind them (GeneXpert)."""
        found: list[Ordered] = []
        sample_id = control = ""
        for segment in self._message.segments:
            if segment.type == "ORC":
                control = segment.value(1)
            named = self._fact(segment, "sample_id")
            if named and any(not order.sample_id for order in found):
                found = [o if o.sample_id else o._replace(sample_id=named) for o in found]
            elif named:
                sample_id = named
            if segment.type in ("OBR", "OBX"):
                codes = self._fact(segment, "codes").split(self._section.join)
                codes = [self._fact(segment, "code"), *codes]
                is_rerun = bool(self._fact(segment, "parent_step_id"))
                is_cancelled = control == "CA"
                found.append(Ordered(sample_id, tuple(filter(None, codes)), is_rerun, is_cancelled))
            if self.form == "genexpert" and segment.type == "SPM":
                sample_id = ""
        return [order for order in found if order.codes]

    def _fact(self, segment: Segment, name: str) -> str:
        for place, template in self._fields.items():
            kind, _, position = place.partition(".")
            if kind == segment.type and name in template.facts:
                found = self._filled(template, segment, int(position)).get(name, "")
                if found:
                    return found
        return ""

    def _filled(self, template: Hl7Template, segment: Segment, position: int) -> dict[str, str]:
        delimiters, codec = segment.coding
        match = _hl7_pattern(template, delimiters).fullmatch(segment.field(position))
        if match is None:
            return {}
        found = match.groupdict().items()
        return {name: unescape_hl7(text, delimiters, codec) for name, text in found}


@lru_cache(maxsize=256)
def _hl7_pattern(template: Hl7Template, delimiters: Hl7Delimiters) -> re.Pattern[str]:
    marks = {"^": delimiters.component, "~": delimiters.repetition, "&": delimiters.subcomponent}
    parts, named = [], set()
    for kind, piece in template.pieces:
        if kind == "mark":
            parts.append(re.escape(marks[piece]))
        elif kind == "text":
            parts.append(re.escape(escape_hl7(piece, delimiters)))
        elif kind == "asked":
            parts.append(".*?")
        else:
            parts.append(f"(?P={piece})" if piece in named else f"(?P<{piece}>.*?)")
            named.add(piece)
    return re.compile("".join(parts), re.DOTALL)


def _joined(orders: Iterable[Ordered]) -> tuple[Ordered, ...]:
    """Put the codes of a sample together that are of one kind."""
    found: dict[Ordered, list[str]] = {}
    for order in orders:
        if order.codes:
            found.setdefault(order._replace(codes=()), []).extend(order.codes)
    return tuple(
        order._replace(codes=tuple(dict.fromkeys(codes))) for order, codes in found.items()
    )
