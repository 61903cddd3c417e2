"""What a form of orders can say."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from drivers.hl7.forms.question import Question
from drivers.hl7.writer import Writer
from drivers.orders import Answer, Order, Outgoing


class Form(NamedTuple):
    """The functions of a form; None where it has no message for that."""

    answer: Callable[[Writer, Question, Sequence[Order], Sequence[str]], Answer]
    """To a question, the last argument the samples without orders."""
    unable: Callable[[Writer, Question], Answer]
    """To a question that can not be answered now."""
    push: Callable[[Writer, Sequence[Order]], tuple[Outgoing, ...]] | None = None
    cancel: Callable[[Writer, Sequence[Order]], tuple[Outgoing, ...]] | None = None
