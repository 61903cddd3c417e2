"""QBP^Z03 and QBP^Z01 of GeneXpert, answered by RSP^Z02 with the orders in it.

Cepheid 301-2002: no order is an answer without patients, and orders that nobody asked for are
rejected, so that there are none.
"""

from collections.abc import Sequence

from drivers.hl7.facts import of_samples
from drivers.hl7.forms.question import Question
from drivers.hl7.writer import Fields, Writer
from drivers.orders import Answer, Order

_TEST = ("ORC", "OBR", "TQ1", "SPM")


def answer(
    writer: Writer, asked: Question, orders: Sequence[Order], missing: Sequence[str]
) -> Answer:
    """Return RSP^Z02: a patient for each sample, and below it the tests."""
    segments = [writer.header("RSP^Z02"), *_taken(asked, "AA", "OK")]
    samples = of_samples(writer.section, writer.layout, orders)
    for number, sample in enumerate(samples, start=1):
        segments.append(writer.segment("PID", {**sample.facts, "number": str(number)}))
        for facts, is_rerun in sample.steps:
            segments += [writer.segment(name, facts, rerun=is_rerun) for name in _TEST]
    return Answer(writer.build(segments), order_ids=tuple(order.order_id for order in orders))


def unable(writer: Writer, asked: Question) -> Answer:
    """Return RSP^Z02 with AE: the question can not be answered now."""
    return Answer(writer.build([writer.header("RSP^Z02"), *_taken(asked, "AE", "AE")]))


def _taken(asked: Question, code: str, status: str) -> list[Fields]:
    name, tag = asked.query
    return [["MSA", code, asked.control_id], ["QAK", tag, status, name], asked.echo("QPD")]
