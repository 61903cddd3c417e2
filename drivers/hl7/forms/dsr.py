"""QRY^Q02, answered by QCK^Q02, and DSR^Q03 for each sample (HL7 v2.3.1, 5.4 and 5.10).

Mindray's manuals say which DSP line holds what: BS Host Interface Manual, pages 27 to 33.
"""

from collections.abc import Sequence

from drivers.hl7.facts import by_sample, clean, facts_of, merged
from drivers.hl7.forms.question import Question
from drivers.hl7.template import parse_template
from drivers.hl7.writer import Fields, Writer, valued
from drivers.orders import Answer, Order, Outgoing
from protocols.hl7.acknowledgment import Condition

_TEST = parse_template("{code}")
_INTERNAL = Condition.INTERNAL


def answer(
    writer: Writer, asked: Question, orders: Sequence[Order], missing: Sequence[str]
) -> Answer:
    """Return QCK with OK and a DSR for each sample, or QCK with NF and nothing else."""
    samples = by_sample(orders)
    reply = _reply(writer, asked, "AA", "OK" if samples else "NF")
    messages = []
    for number, (_, group) in enumerate(samples, start=1):
        pointer = "" if number == len(samples) else str(number)
        content = _display(writer, asked, merged(group), pointer)
        messages.append(Outgoing((content,), tuple(order.order_id for order in group)))
    return Answer(reply, tuple(messages))


def unable(writer: Writer, asked: Question) -> Answer:
    """Return QCK with AE: the question can not be answered now."""
    return Answer(_reply(writer, asked, "AE", "AE"))


def _reply(writer: Writer, asked: Question, code: str, status: str) -> bytes:
    header = writer.header("QCK^Q02", reply=True)
    return writer.build([header, *_taken(writer, asked.control_id, code, status)])


def _taken(writer: Writer, control_id: str, code: str, status: str) -> list[Fields]:
    msa, err, qak = (writer.segment(name, {}) for name in ("MSA", "ERR", "QAK"))
    msa += [""] * (7 - len(msa))
    msa[1:3] = [code, control_id]
    if code != "AA":
        msa[3], msa[6] = _INTERNAL.text, str(_INTERNAL.number) if msa[6] else ""
        err = ["ERR", str(_INTERNAL.number)]
    qak += [""] * (3 - len(qak))
    qak[2] = status
    return [msa, err, qak]


def _display(writer: Writer, asked: Question, order: Order, pointer: str) -> bytes:
    segments = [writer.header("DSR^Q03"), *_taken(writer, asked.control_id, "AA", "OK")]
    segments += valued([asked.echo("QRD"), asked.echo("QRF")])
    return writer.build([*segments, *_lines(writer, order), ["DSC", pointer]])


def _lines(writer: Writer, order: Order) -> list[Fields]:
    """Return the lines of a sample: what is known of it, then one for each test."""
    section = writer.section
    facts = writer.facts(facts_of(section, writer.layout, order))
    templates = {**writer.layout.lines, **section.lines}
    lines = {
        number: writer.marked(templates[number], facts) if number in templates else ""
        for number in range(1, section.first_test)
    }
    test = section.test or _TEST
    for number, code in enumerate(order.codes, start=section.first_test):
        lines[number] = writer.marked(test, {**facts, "code": clean(code)})
    return [["DSP", str(number), "", text, "", ""] for number, text in lines.items()]


def push(writer: Writer, orders: Sequence[Order]) -> tuple[Outgoing, ...]:
    """Return a DSR for each sample, with a query definition that nobody asked for."""
    samples = by_sample(orders)
    pushed = []
    for number, (_, group) in enumerate(samples, start=1):
        header = writer.header("DSR^Q03")
        pointer = "" if number == len(samples) else str(number)
        segments = [
            header,
            *_taken(writer, header[10], "AA", "OK"),
            writer.segment("QRD", {"number": str(number)}),
            writer.segment("QRF", {}),
            *_lines(writer, merged(group)),
            ["DSC", pointer],
        ]
        ids = tuple(order.order_id for order in group)
        pushed.append(Outgoing((writer.build(segments),), ids))
    return tuple(pushed)
