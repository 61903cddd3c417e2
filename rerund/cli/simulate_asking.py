"""`rerund simulate --ask` and `--take`: an instrument that asks for orders and takes them."""

import asyncio

import typer

from drivers.profile import AnyProfile
from rerund.cli.exits import REFUSED, UNAVAILABLE, USAGE, fail
from rerund.simulator_answer import Heard
from rerund.simulator_asking import AskingInstrument, opened_instrument, question_for
from rerund.transports.connection import TransportError

_WORDS = {
    "none": "no order",
    "unable": "can not be answered now",
    "busy": "another question is still open",
    "refused": "the question was not taken",
}


def ask_and_take(
    to: str, profile: AnyProfile, sample_id: str | None, take: float, timeout: float
) -> None:
    """Ask for a sample, if there is one, then take orders for a while; print what is heard."""
    try:
        answered = asyncio.run(_converse(to, profile, sample_id, take, timeout))
    except ValueError as error:
        fail(str(error), USAGE)
    except (OSError, TransportError) as error:
        fail(f"{to}: {error}", UNAVAILABLE)
    if not answered:
        raise typer.Exit(REFUSED)


async def _converse(
    to: str, profile: AnyProfile, sample_id: str | None, take: float, timeout: float
) -> bool:
    """Answers whether the question, if there was one, had an answer."""
    question = None if sample_id is None else question_for(profile, sample_id)
    if profile.order is None:
        raise ValueError(f"driver {profile.name}: no orders are sent to it")
    async with opened_instrument(to, profile) as instrument:
        answered = True
        if question is not None and sample_id is not None:
            heard = await _ask(instrument, question, sample_id, timeout)
            answered = heard.verdict in ("orders", "none")
            if heard.verdict == "nothing":
                typer.echo(
                    f"{sample_id}: no answer within {timeout:g} s; rerund's log says why"
                    " (query_answered, query_not_answerable, order_line_down)"
                )
            elif heard.verdict != "orders":
                typer.echo(f"{sample_id}: {_WORDS[heard.verdict]}")
        await _take(instrument, take)
    return answered


async def _ask(
    instrument: AskingInstrument, question: bytes, sample_id: str, timeout: float
) -> Heard:
    """Ask, and return the answer; what is pushed meanwhile for other samples is printed too."""
    until = asyncio.get_running_loop().time() + timeout
    heard = await instrument.ask(question, timeout)
    _print(heard)
    while heard.verdict == "orders" and all(o.sample_id != sample_id for o in heard.orders):
        heard = await instrument.hear(until - asyncio.get_running_loop().time())
        _print(heard)
    return heard


async def _take(instrument: AskingInstrument, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left := until - loop.time()) > 0:
        _print(await instrument.hear(left))


def _print(heard: Heard) -> None:
    for order in heard.orders:
        mark = " (cancelled)" if order.is_cancelled else " (rerun)" if order.is_rerun else ""
        typer.echo(f"{order.sample_id}: {' '.join(order.codes)}{mark}")
