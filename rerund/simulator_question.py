"""The question of an instrument for the orders of a sample, in the form that its profile names.

Forms that no profile documents are not made up: an answer to them would prove nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from drivers.errors import InterpretError
from drivers.hl7.interpret import interpret as interpret_hl7
from drivers.interpret import interpret as interpret_astm
from drivers.profile import AnyProfile, AstmProfile, Hl7Profile
from drivers.source import FieldPath
from drivers.text_writer import TextWriter
from protocols.astm.message import build as build_astm
from protocols.astm.message import parse as parse_astm
from protocols.astm.text import DEFAULT as ASTM_DELIMITERS
from protocols.errors import LocalProtocolError
from protocols.hl7.message import build as build_hl7
from protocols.hl7.message import parse as parse_hl7
from protocols.hl7.text import escape

TIME = "%Y%m%d%H%M%S"

Fields = list[str]


class UnknownQuestion(ValueError):  # noqa: N818 - says what is the case
    """It is not known how this instrument asks, or it can not ask for this sample."""


class _Form(NamedTuple):
    """How an HL7 question is written. `{n}` is its number and `{t}` the time."""

    kind: str
    version: str
    segments: tuple[str, ...]
    selectors: tuple[str, str] = ("", "")
    profile: str = ""


_FORMS: Mapping[str, _Form] = {
    "QRY^Q02": _Form("QRY^Q02", "2.3.1", ("QRD|{t}|R|D|{n}|||RD||OTH|||T", "QRF||||||RCT|COR|ALL")),
    "ORM^O01": _Form("ORM^O01", "2.3.1", ("ORC|RF||||IP",)),
    "QBP^Q11": _Form(
        "QBP^Q11^QBP_Q11",
        "2.5.1",
        ("QPD|WOS^Work Order Step^IHE_LABTF|{n}|", "RCP|I||R"),
        ("NE", "AL"),
        "LAB-27^IHE",
    ),
    "TSREQ": _Form("TSREQ", "2.5", ("QPD|TSREQ|{n}|", "RCP|I|1|R")),
    "QBP^Z03": _Form("QBP^Z03^QBP_Z03", "2.5", ("QPD|Z03^HOST QUERY|{n}||", "RCP|I")),
}
"""docs/profile-format.md, `[order]`: the questions that are answered, as profiles have them."""


def compose_question(profile: AnyProfile, sample_id: str, now: datetime, number: str) -> bytes:
    """Return the message that asks for a sample; `number` is its control id where it has one.

    Raises UnknownQuestion.
    """
    if profile.order is None or "query" not in profile.order.use:
        raise UnknownQuestion(f"driver {profile.name}: its questions are not answered")
    try:
        if isinstance(profile, AstmProfile):
            text = _astm(profile, sample_id, now)
        else:
            assert isinstance(profile, Hl7Profile)
            text = _hl7(profile, sample_id, now, number)
    except LocalProtocolError as error:
        raise UnknownQuestion(f"sample {sample_id!r}: {error}") from None
    if not _is_understood(profile, text, sample_id, now):
        raise UnknownQuestion(f"driver {profile.name}: it can not ask for {sample_id!r}")
    return text


def _astm(profile: AstmProfile, sample_id: str, now: datetime) -> bytes:
    assert profile.order is not None
    delimiters = profile.order.delimiters or ASTM_DELIMITERS
    rules, query = profile.message, profile.query
    header = ["H", "", "", rules.password or "", (*rules.sender, "")[0], "", "", "", ""]
    header += [rules.receiver or "", "", "P", "1", now.strftime(TIME)]
    asked = ["Q", "1"] + [""] * 11
    place = query.sample_id
    # A path of any component finds the id where the standard has it (LIS02-A2 11.1.3).
    before = (2 if place.component == 0 else place.component or 1) - 1
    _put(asked, place.field - 1, delimiters.component * before)
    asked[place.field - 1] += TextWriter(delimiters, profile.dialect).exact(sample_id)
    # Where nothing aborts a question the instrument always says A (Mindray BS).
    asked[12] = "O" if query.abort else "A"
    for path, code in _mode(query.mode.paths(), query.modes):
        _put(asked, path.field - 1, code)
    return build_astm([header, asked, ["L", "1", "N"]], delimiters, profile.dialect)


def _hl7(profile: Hl7Profile, sample_id: str, now: datetime, number: str) -> bytes:
    assert profile.order is not None
    events = [event for event in profile.order.form if event] or profile.query.messages
    form = next((_FORMS[event] for event in events if event in _FORMS), None)
    if form is None:
        raise UnknownQuestion(
            f"driver {profile.name}: the form of its questions is not known ({', '.join(events)})"
        )
    header = ["MSH", "", "", (*profile.message.sender, "")[0], "", profile.message.receiver or ""]
    header += ["", now.strftime(TIME), "", form.kind, number, "P", form.version, "", ""]
    header += [*form.selectors, "", profile.order.charset, "", "", form.profile]
    segments = [
        segment.format(n=number, t=now.strftime(TIME)).split("|") for segment in form.segments
    ]
    by_name = {segment[0]: segment for segment in segments}
    query = profile.query
    place = next((path for path in query.sample_id if path.record in by_name), None)
    if place is None:
        raise UnknownQuestion(f"driver {profile.name}: its question has no place for a sample")
    before = (place.component or 1) - 1
    _put(by_name[place.record], place.field, "^" * before + escape(sample_id))
    for path, code in _mode(query.mode.paths(), query.modes):
        if path.record in by_name:
            _put(by_name[path.record], path.field, code)
    while not header[-1]:
        header.pop()
    return build_hl7([header, *segments], codec=profile.dialect.encoding)


def _mode(paths: tuple[FieldPath, ...], modes: Mapping[str, str]) -> list[tuple[FieldPath, str]]:
    """Where it stands that this is no re-analysis, and how; nowhere if the profile has no words."""
    code = next((code for code, mode in modes.items() if mode == "initial"), None)
    return [] if code is None else [(paths[0], code)]


def _put(fields: Fields, index: int, text: str) -> None:
    fields += [""] * (index + 1 - len(fields))
    fields[index] = text


def _is_understood(profile: AnyProfile, text: bytes, sample_id: str, now: datetime) -> bool:
    """Whether the driver reads the question as it was meant."""
    zone = now.tzinfo
    assert zone is not None
    try:
        if isinstance(profile, AstmProfile):
            messages = parse_astm(text, profile.dialect)
            queries = interpret_astm(messages, profile, id_prefix="", timezone=zone).queries
        else:
            assert isinstance(profile, Hl7Profile)
            message = parse_hl7(text, profile.dialect)
            queries = interpret_hl7([message], profile, id_prefix="", timezone=zone).queries
    except InterpretError:
        return False
    return [(query.sample_ids, query.abort) for query in queries] == [((sample_id,), False)]
