"""Laboratory analytical workflow (IHE PaLM TF-2b): a query is acknowledged, and work steps follow.

RSP^K11 answers QBP^Q11 (LAB-27); OML^O33 brings the steps of a specimen, says that there are
none, or cancels them (LAB-28).
"""

from collections.abc import Sequence

from drivers.hl7.facts import Sample, of_nothing, of_samples
from drivers.hl7.forms.question import Question
from drivers.hl7.writer import Writer, valued
from drivers.orders import Answer, Order, Outgoing
from protocols.hl7.acknowledgment import Condition

_ORDER = "OML^O33^OML_O33"
_INTERNAL = Condition.INTERNAL


def answer(
    writer: Writer, asked: Question, orders: Sequence[Order], missing: Sequence[str]
) -> Answer:
    """Return RSP^K11, an OML^O33 for each sample, and one that says so for each without work."""
    reply = _reply(writer, asked, "AA", "OK")
    work = push(writer, orders)
    nothing = [Outgoing((_no_work(writer, sample_id),)) for sample_id in missing]
    return Answer(reply, (*work, *nothing))


def unable(writer: Writer, asked: Question) -> Answer:
    """Return RSP^K11 with AE: the question can not be answered now."""
    return Answer(_reply(writer, asked, "AE", "AE"))


def push(writer: Writer, orders: Sequence[Order]) -> tuple[Outgoing, ...]:
    """Return an OML^O33 for each sample."""
    samples = of_samples(writer.section, writer.layout, orders)
    return tuple(Outgoing((_work(writer, each),), each.order_ids) for each in samples)


def cancel(writer: Writer, orders: Sequence[Order]) -> tuple[Outgoing, ...]:
    """Return an OML^O33 for each sample that cancels its steps."""
    samples = of_samples(writer.section, writer.layout, orders)
    return tuple(Outgoing((_work(writer, each, "CA"),), each.order_ids) for each in samples)


def _reply(writer: Writer, asked: Question, code: str, status: str) -> bytes:
    name, tag = asked.query
    segments = [writer.header("RSP^K11^RSP_K11", reply=True), ["MSA", code, asked.control_id]]
    if code != "AA":
        mark = writer.coding.delimiters.component
        error = mark.join([str(_INTERNAL.number), _INTERNAL.text, "HL70357"])
        segments.append(["ERR", "", "", error, "E"])
    return writer.build([*segments, ["QAK", tag, status, name], asked.echo("QPD")])


def _work(writer: Writer, sample: Sample, control: str = "") -> bytes:
    header = writer.header(_ORDER)
    pid, *others = (writer.segment(name, sample.facts) for name in ("PID", "PV1", "SPM", "SAC"))
    is_known = any(pid[2:])  # more than a number
    segments = [header, pid, *others] if is_known else [header, *others[1:]]
    for facts, is_rerun in sample.steps:
        orc, *others = (
            writer.segment(name, facts, rerun=is_rerun) for name in ("ORC", "TQ1", "OBR", "TCD")
        )
        orc[1] = control or orc[1]
        segments += [orc, *others]
    return writer.build(valued(segments))


def _no_work(writer: Writer, sample_id: str) -> bytes:
    """Return the negative query response: a container, a specimen of unknown role, ORC-1 DC."""
    header = writer.header(_ORDER)
    facts = of_nothing(writer.section, writer.layout, sample_id).facts
    body = [writer.segment_of_none(name, facts) for name in ("SPM", "SAC", "ORC")]
    return writer.build(valued([header, *body]))
