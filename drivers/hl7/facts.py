"""Facts about orders, by the names that templates have for them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from drivers.hl7.layouts import Layout
from drivers.hl7.order_section import Hl7OrderSection
from drivers.orders import Order

_STEP = "."
"""Stands between the id of an order and the code in the id of a work step."""

Facts = dict[str, str]


class Step(NamedTuple):
    """One test of an order: what LAW calls a work step of its own."""

    facts: Facts
    is_rerun: bool


class Sample(NamedTuple):
    """What is ordered for a specimen: facts about it, and its tests."""

    facts: Facts
    steps: list[Step]
    order_ids: tuple[str, ...]
    is_rerun: bool


def of_samples(section: Hl7OrderSection, layout: Layout, orders: Iterable[Order]) -> list[Sample]:
    """Return the samples of orders, in the order in which they come first."""
    return [_sample(section, layout, group) for _, group in by_sample(orders)]


def of_nothing(section: Hl7OrderSection, layout: Layout, sample_id: str) -> Sample:
    """Return a sample that has no orders."""
    nothing = _sample(section, layout, [Order(order_id="", sample_id=sample_id, codes=())])
    return nothing._replace(order_ids=())


def _sample(section: Hl7OrderSection, layout: Layout, orders: Sequence[Order]) -> Sample:
    shared = [facts_of(section, layout, order) for order in orders]
    first = next((facts for facts in shared if facts["patient_id"]), shared[0])
    tests = [
        (order, facts, code)
        for order, facts in zip(orders, shared, strict=True)
        for code in order.codes
    ]
    steps = [
        Step(_of_step(facts, code, number), order.is_rerun)
        for number, (order, facts, code) in enumerate(tests, start=1)
    ]
    ids = tuple(order.order_id for order in orders)
    return Sample({**first, "number": "1"}, steps, ids, all(order.is_rerun for order in orders))


def clean(text: str | None) -> str:
    """Return a text without lone surrogates, which stand for bytes in what is parsed."""
    return (text or "").encode("utf-8", "replace").decode()


def facts_of(section: Hl7OrderSection, layout: Layout, order: Order) -> Facts:
    """Return what a template may name of an order as a whole."""
    patient = order.patient
    ids = [*map(clean, patient.ids if patient else ()), "", ""]
    facts = {
        "order_id": clean(order.order_id),
        "parent_id": clean(order.parent_id),
        "sample_id": clean(order.sample_id),
        "codes": _joined(order.codes, section.join),
        "rerun_number": str(order.rerun_number),
        "priority": clean(order.priority),
        "registered_at": "".join(c for c in clean(order.registered_at)[:19] if c.isdigit()),
        "patient_id": ids[0],
        "patient_id_2": ids[1],
        "patient_name": clean(patient.name if patient else None),
        "birth_date": clean(patient.birth_date if patient else None).replace("-", "")[:8],
        "sex": clean(patient.sex if patient else None),
    }
    for fact, words in {**layout.values, **section.values}.items():
        facts[fact] = _word(facts.get(fact, ""), words)
    return facts


def _of_step(facts: Facts, code: str, number: int) -> Facts:
    """Add the facts of one test of an order."""
    code = clean(code)
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
        part for code in codes for part in (clean(code).split(mark) if mark else [clean(code)])
    ]
    return mark.join(dict.fromkeys(parts))


def _word(text: str, words: Mapping[str, str]) -> str:
    if not text:
        return words.get("", "")
    found = words.get(text, words.get(text.lower()))
    return found if found is not None else words.get("*", text)
