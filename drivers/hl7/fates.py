"""What an instrument says of the orders it was given: ORL^O34, ORL^O22, ORR^O02, per work step.

Codes are those of table 0119. GeneXpert has no such message and refuses an order by a result
that was cancelled (301-2002, HL7: reject invalid order).
"""

from dataclasses import dataclass

from drivers.hl7.facts import order_of_step
from drivers.hl7.forms.question import Question
from drivers.orders import OrderFate
from drivers.profile import Hl7Profile
from protocols.hl7 import charset
from protocols.hl7.message import Message
from protocols.hl7.segment import Segment
from protocols.hl7.text import DELETE, unescape

_FATES = {
    "OK": (True, ""),
    "NA": (True, ""),
    "UC": (True, "unable to cancel"),
    "UD": (True, "unable to discontinue"),
    "UA": (False, "unable to accept"),
    "CR": (False, "canceled as requested"),
    "DR": (False, "discontinued as requested"),
    "OC": (False, "canceled"),
}
_RESPONSES = ("ORL", "ORR")


@dataclass(slots=True)
class _Step:
    control: str
    step_id: str = ""
    sample_id: str = ""
    code: str = ""
    reason: str = ""


def read_fates(message: Message, profile: Hl7Profile) -> list[OrderFate]:
    """Return what a message says of orders; nothing when it is about something else.

    A message that is refused as a whole says so in MSA alone, and there is nothing in it.
    """
    question = Question.of(message)
    if profile.order is None or question is None:
        return []
    is_response = question.event.partition("^")[0] in _RESPONSES
    if not is_response and question.event not in profile.order.refusals:
        return []
    common = _common_reason(message)
    named = profile.order.names_orders
    fates = (_fate(step, common, named) for step in _steps(message) if step.control in _FATES)
    return [fate for fate in fates if is_response or not fate.accepted]


def _steps(message: Message) -> list[_Step]:
    """Return the order groups; a specimen stands before its orders, or behind them (v2.5 ORU)."""
    steps: list[_Step] = []
    sample_id = ""
    for segment in message.segments:
        if segment.type == "SPM":
            named = _text(segment, 2)
            waiting = [step for step in steps if not step.sample_id]
            for step in waiting:
                step.sample_id = named
            sample_id = "" if waiting else named
        elif segment.type == "ORC":
            steps.append(_Step(_text(segment, 1), _text(segment, 2), sample_id))
        elif steps:
            _add(steps[-1], segment)
    return steps


def _add(step: _Step, segment: Segment) -> None:
    if segment.type == "OBR":
        step.step_id = _text(segment, 2) or step.step_id
        step.code = _text(segment, 4)
    elif segment.type == "NTE" and not step.reason:
        step.reason = ": ".join(filter(None, (segment.value(3, part) for part in (2, 3))))


def _fate(step: _Step, common: str, named: bool) -> OrderFate:
    accepted, words = _FATES[step.control]
    order_id, code = order_of_step(step.step_id) if named else ("", "")
    return OrderFate(
        accepted,
        order_id or None,
        step.sample_id or None,
        code or step.code or None,
        words and (step.reason or common or words),
    )


def _common_reason(message: Message) -> str:
    """Return what ERR-8, ERR-3 or MSA-3 says of the message as a whole."""
    err, msa = message.first("ERR"), message.first("MSA")
    said = [] if err is None else [err.value(8), err.value(3, 2)]
    return next(filter(None, (*said, "" if msa is None else msa.value(3))), "")


def _text(segment: Segment, position: int) -> str:
    raw = segment.subcomponents(position, 1)[0].strip()
    delimiters, codec = segment.coding
    return "" if raw == DELETE else charset.readable(unescape(raw, delimiters, codec))
