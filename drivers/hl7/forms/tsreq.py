"""TSREQ, a test selection inquiry that OML^O33 itself answers (Roche cobas 8000, Snibe Maglumi).

The message holds one specimen; without orders it ends behind it, or the instrument wants no more
than an acknowledgment.
"""

from collections.abc import Sequence

from drivers.hl7.facts import Sample, of_nothing, of_samples
from drivers.hl7.forms.question import Question
from drivers.hl7.writer import Writer, valued
from drivers.orders import Answer, Order, Outgoing
from protocols.hl7.acknowledgment import Condition, acknowledge


def answer(
    writer: Writer, asked: Question, orders: Sequence[Order], missing: Sequence[str]
) -> Answer:
    """Return OML^O33 for the first sample, and others as messages behind it."""
    samples = of_samples(writer.section, writer.layout, orders)
    if writer.section.no_order == "message":
        samples += [of_nothing(writer.section, writer.layout, each) for each in missing]
    if not samples:
        return Answer()
    first, *others = [Outgoing((_selection(writer, each),), each.order_ids) for each in samples]
    return Answer(first.texts[0], tuple(others), first.order_ids)


def unable(writer: Writer, asked: Question) -> Answer:
    """Return an acknowledgment with AE: there is no other way to say that."""
    return Answer(acknowledge(asked.as_header, "AE", writer.stamp(), condition=Condition.INTERNAL))


def _selection(writer: Writer, sample: Sample) -> bytes:
    segments = [writer.header("OML^O33")]
    names = ("PID", "SPM", "SAC", "ORC") if sample.steps else ("PID", "SPM", "SAC")
    segments += [writer.segment(name, sample.facts, rerun=sample.is_rerun) for name in names]
    for facts, is_rerun in sample.steps:
        segments += [writer.segment(name, facts, rerun=is_rerun) for name in ("TQ1", "OBR")]
    return writer.build(valued(segments))
