"""ORM^O01 that asks for a work list, answered by ORR^O02 (HL7 v2.3.1, 4.2).

A haematology analyzer is told in which mode to run a tube: its tests are one order. Without one
the request is rejected (Mindray BC-5380, appendix C).
"""

from collections.abc import Sequence

from drivers.hl7.facts import by_sample, facts_of, merged
from drivers.hl7.forms.question import Question
from drivers.hl7.writer import Fields, Writer, valued
from drivers.orders import Answer, Order
from protocols.hl7.acknowledgment import Condition


def answer(
    writer: Writer, asked: Question, orders: Sequence[Order], missing: Sequence[str]
) -> Answer:
    """Return ORR with the orders of the samples, or ORR that rejects the request."""
    samples = [merged(group) for _, group in by_sample(orders)]
    if not samples:
        return Answer(_response(writer, asked, "AR", Condition.UNKNOWN_KEY.text, []))
    body: list[Fields] = []
    names = ["PID", "PV1", "ORC", "OBR", "OBX"]
    for number, order in enumerate(samples, start=1):
        facts = {**facts_of(writer.section, writer.layout, order), "number": str(number)}
        body += [writer.segment(name, facts, rerun=order.is_rerun) for name in names]
        names = ["ORC", "OBR", "OBX"]
    ids = tuple(order.order_id for order in orders)
    return Answer(_response(writer, asked, "AA", "", body), order_ids=ids)


def unable(writer: Writer, asked: Question) -> Answer:
    """Return ORR with AE: the request can not be answered now."""
    return Answer(_response(writer, asked, "AE", Condition.INTERNAL.text, []))


def _response(
    writer: Writer, asked: Question, code: str, text: str, body: Sequence[Fields]
) -> bytes:
    msa = ["MSA", code, asked.control_id, text]
    return writer.build([writer.header("ORR^O02"), msa, *valued(body)])
