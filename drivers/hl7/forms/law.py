"""Laboratory analytical workflow (IHE PaLM TF-2b): a query is acknowledged, and work steps follow.

RSP^K11 answers QBP^Q11 (LAB-27); OML^O33 brings the steps of a specimen, says that there are
none, or cancels them (LAB-28).
"""

from collections.abc import Iterable, Sequence

from drivers.hl7.forms.question import Question
from drivers.hl7.writer import Fields, Writer, by_sample, facts_of, of_step
from drivers.orders import Answer, Order, Outgoing
from protocols.hl7.acknowledgment import Condition

_ORDER = "OML^O33^OML_O33"


def answer(
    writer: Writer, asked: Question, orders: Sequence[Order], missing: Sequence[str]
) -> Answer:
    """Return RSP^K11, an OML^O33 for each sample, and one that says so for each without work."""
    reply = _reply(writer, asked, "AA", "OK")
    nothing = tuple(Outgoing((_no_work(writer, sample_id),)) for sample_id in missing)
    return Answer(reply, (*push(writer, orders), *nothing))


def unable(writer: Writer, asked: Question) -> Answer:
    """Return RSP^K11 with AE: the question can not be answered now."""
    return Answer(_reply(writer, asked, "AE", "AE"))


def push(writer: Writer, orders: Sequence[Order], control: str = "") -> tuple[Outgoing, ...]:
    """Return an OML^O33 for each sample; `control` CA cancels its steps."""
    return tuple(
        Outgoing((_work(writer, group, control),), tuple(order.order_id for order in group))
        for _, group in by_sample(orders)
    )


def cancel(writer: Writer, orders: Sequence[Order]) -> tuple[Outgoing, ...]:
    """Return an OML^O33 for each sample that cancels its steps (ORC-1 CA)."""
    return push(writer, orders, "CA")


def _reply(writer: Writer, asked: Question, code: str, status: str) -> bytes:
    qpd = asked.echo("QPD") or ["QPD"]
    name, tag = [*qpd[1:], "", ""][:2]
    segments = [writer.header("RSP^K11^RSP_K11", reply=True), ["MSA", code, asked.control_id]]
    if code != "AA":
        mark = writer.coding.delimiters.component
        condition = Condition.INTERNAL
        error = mark.join([str(condition.number), condition.text, "HL70357"])
        segments.append(["ERR", "", "", error, "E"])
    return writer.build([*segments, ["QAK", tag, status, name], qpd])


def _work(writer: Writer, orders: Sequence[Order], control: str) -> bytes:
    header = writer.header(_ORDER)
    shared = [facts_of(writer.section, writer.layout, order) for order in orders]
    first = {**next((f for f in shared if f["patient_id"]), shared[0]), "number": "1"}
    segments = [header]
    segments += _valued(writer.segment(name, first) for name in ("PID", "PV1", "SPM", "SAC"))
    number = 0
    for order, facts in zip(orders, shared, strict=True):
        for code in order.codes:
            number += 1
            segments += _step(writer, of_step(facts, code, number), control, order.is_rerun)
    return writer.build(segments)


def _step(writer: Writer, facts: dict[str, str], control: str, rerun: bool) -> list[Fields]:
    segments = [writer.segment(name, facts, rerun=rerun) for name in ("ORC", "TQ1", "OBR", "TCD")]
    if control:
        segments[0][1] = control
    return _valued(segments)


def _no_work(writer: Writer, sample_id: str) -> bytes:
    """Return the negative query response: the specimen, and an ORC that says DC."""
    header = writer.header(_ORDER)
    order = Order(order_id="", sample_id=sample_id, codes=())
    facts = {**facts_of(writer.section, writer.layout, order), "number": "1"}
    orc = writer.segment("ORC", facts)
    orc[1] = "DC"
    specimen = (writer.segment(name, facts) for name in ("SPM", "SAC"))
    return writer.build([header, *_valued(specimen), orc])


def _valued(segments: Iterable[Fields]) -> list[Fields]:
    """Leave out the segments that say nothing."""
    return [segment for segment in segments if any(segment[1:])]
