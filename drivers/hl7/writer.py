"""Writing the messages of one form: templates filled with facts, in one coding."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from drivers.hl7.layouts import Layout
from drivers.hl7.order_section import Hl7OrderSection
from drivers.hl7.template import Template
from drivers.orders import Order
from protocols.hl7 import charset
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.message import build
from protocols.hl7.segment import Coding
from protocols.hl7.text import escape

Fields = list[str]

_STEP = "."
"""Stands between the id of an order and the code in the id of a work step."""


class Envelope(NamedTuple):
    """The MSH of what is written, less its kind: mirrored from a question, or the profile's."""

    parties: tuple[str, str, str, str] = ("", "", "", "")
    processing_id: str = "P"
    version: str = "2.5.1"
    charset: str = ""


class Writer:
    """Writes segments by the templates of a form and of the profile over them."""

    def __init__(
        self,
        section: Hl7OrderSection,
        layout: Layout,
        coding: Coding,
        envelope: Envelope,
        stamp: Callable[[], Stamp],
        utf16_escapes: bool = False,
    ):
        self.section = section
        self.layout = layout
        self.coding = coding
        self.envelope = envelope
        self._stamp = stamp
        self._utf16_escapes = utf16_escapes
        self.time = ""
        self._fields = {**layout.fields, **section.fields}
        self._rerun_fields = {**self._fields, **section.rerun_fields}
        self._reply = {**layout.reply, **section.reply}

    def header(self, kind: str, *, reply: bool = False) -> Fields:
        """Return the MSH of a message of a kind, `OML^O33^OML_O33`; begins its time."""
        stamp = self._stamp()
        self.time = stamp.time
        envelope = self.envelope
        marks = self.coding.delimiters
        fields = ["MSH", "", "", *envelope.parties, escape(stamp.time, marks), ""]
        fields += [kind.replace("^", marks.component), escape(stamp.control_id, marks)]
        fields += [envelope.processing_id, envelope.version, *[""] * 5, envelope.charset]
        return self._fill("MSH", fields, self._reply if reply else self._fields, {})

    def segment(self, name: str, facts: Mapping[str, str], *, rerun: bool = False) -> Fields:
        """Return a segment by its templates."""
        templates = self._rerun_fields if rerun else self._fields
        return self._fill(name, [name], templates, {"time": self.time, **facts})

    def marked(self, template: Template, facts: Mapping[str, str]) -> str:
        """Return the raw field of a template."""
        return template.render(facts, self.coding.delimiters)

    def build(self, segments: Iterable[Sequence[str]]) -> bytes:
        """Return the message; what its character set does not have is replaced, never a failure."""
        delimiters, codec = self.coding
        trimmed = []
        for segment in segments:
            fields = list(segment)
            while len(fields) > 1 and not fields[-1]:
                fields.pop()
            trimmed.append([self._encodable(field, codec) for field in fields])
        return build(trimmed, delimiters, codec)

    def _fill(
        self,
        name: str,
        fields: Fields,
        templates: Mapping[str, Template],
        facts: Mapping[str, str],
    ) -> Fields:
        for place, template in templates.items():
            segment, _, position = place.partition(".")
            if segment != name:
                continue
            index = int(position)
            fields += [""] * (index + 1 - len(fields))
            fields[index] = template.render(facts, self.coding.delimiters)
        return fields

    def _encodable(self, field: str, codec: str) -> str:
        if field.isascii() or _encodes(field, codec):
            return field
        return "".join(c if _encodes(c, codec) else self._stand_in(c) for c in field)

    def _stand_in(self, character: str) -> str:
        if not self._utf16_escapes:
            return "?"
        mark = self.coding.delimiters.escape
        units = character.encode("utf-16-be", "replace").hex().upper()
        return f"{mark}Z{units}{mark}"


def _encodes(text: str, codec: str) -> bool:
    try:
        charset.encode(text, codec)
    except UnicodeEncodeError:
        return False
    return True


def _clean(text: str | None) -> str:
    """Return a text without lone surrogates, which stand for bytes in what is parsed."""
    return (text or "").encode("utf-8", "replace").decode()


def facts_of(section: Hl7OrderSection, layout: Layout, order: Order) -> dict[str, str]:
    """Return what a template may name of an order as a whole."""
    patient = order.patient
    ids = [*map(_clean, patient.ids if patient else ()), "", ""]
    facts = {
        "order_id": _clean(order.order_id),
        "parent_id": _clean(order.parent_id),
        "sample_id": _clean(order.sample_id),
        "codes": _joined(order.codes, section.join),
        "rerun_number": str(order.rerun_number),
        "priority": _clean(order.priority),
        "registered_at": "".join(c for c in _clean(order.registered_at)[:19] if c.isdigit()),
        "patient_id": ids[0],
        "patient_id_2": ids[1],
        "patient_name": _clean(patient.name if patient else None),
        "birth_date": _clean(patient.birth_date if patient else None).replace("-", "")[:8],
        "sex": _clean(patient.sex if patient else None),
    }
    for fact, words in {**layout.values, **section.values}.items():
        facts[fact] = _word(facts.get(fact, ""), words)
    return facts


def of_step(facts: Mapping[str, str], code: str, number: int) -> dict[str, str]:
    """Add the facts of one test of an order: what LAW calls a work step of its own."""
    code = _clean(code)
    parent = facts["parent_id"]
    return {
        **facts,
        "code": code,
        "number": str(number),
        "step_id": f"{facts['order_id']}{_STEP}{code}",
        "parent_step_id": f"{parent}{_STEP}{code}" if parent else "",
    }


def order_of_step(step_id: str) -> tuple[str, str]:
    """Return the id of the order and the code of a work step's id."""
    order_id, _, code = step_id.partition(_STEP)
    return order_id, code


def by_sample(orders: Iterable[Order]) -> list[tuple[str, list[Order]]]:
    """Return the orders of each sample, samples in the order in which they come first."""
    places: dict[str, int] = {}
    for order in orders:
        places.setdefault(order.sample_id, len(places))
    ranked = sorted(orders, key=lambda order: places[order.sample_id])
    return [(sample, list(group)) for sample, group in groupby(ranked, lambda o: o.sample_id)]


def merged(orders: Sequence[Order]) -> Order:
    """Return the orders of one sample as one: for forms that list the tests of a tube once."""
    first = orders[0]
    codes = dict.fromkeys(code for order in orders for code in order.codes)
    return Order(
        order_id=first.order_id,
        sample_id=first.sample_id,
        codes=tuple(codes),
        rerun_number=min(order.rerun_number for order in orders),
        parent_id=first.parent_id,
        priority=next((order.priority for order in orders if order.priority), None),
        patient=next((order.patient for order in orders if order.patient), None),
        registered_at=first.registered_at,
    )


def _joined(codes: Iterable[str], mark: str) -> str:
    """Return codes as one, each part once: CBC and CBC+DIFF are CBC+DIFF."""
    parts = [
        part for code in codes for part in (_clean(code).split(mark) if mark else [_clean(code)])
    ]
    return mark.join(dict.fromkeys(parts))


def _word(text: str, words: Mapping[str, str]) -> str:
    if not text:
        return words.get("", "")
    found = words.get(text, words.get(text.lower()))
    return found if found is not None else words.get("*", text)
