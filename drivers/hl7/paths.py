"""Where in an HL7 message a fact stands: `OBX.5`, a part of it `SPM.2.1.1`, and sources of them.

The first component of the second repetition is `OBX.18[2].1`, the first component that is not
empty `OBX.6.*`, the second subcomponent of a component `OBX.3.1.2`.
"""

import re
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from drivers.pathschema import HL7_PATH, one_or_several, source_of
from drivers.source import ANY_COMPONENT, FieldPath, Source

_PATH = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})\.(?P<field>[1-9]\d?)(?:\[(?P<repeat>[1-9]\d?)\])?"
    r"(?:\.(?:\*|(?P<component>[1-9]\d?)(?:\.(?P<subcomponent>[1-9]))?))?(?<!\.)"
)


def parse_path(text: object) -> FieldPath:
    """Read a path such as `OBX.3.1`. Raises ValueError."""
    match = _PATH.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(
            f"expected a field such as OBX.5, OBX.3.1, OBX.6.* or SPM.2.1.1, got {text!r}"
        )
    segment, *numbers = match.group("segment", "field", "repeat", "component", "subcomponent")
    field, repeat, component, subcomponent = (int(n) if n else None for n in numbers)
    if match[0].endswith("*"):
        component = ANY_COMPONENT
    return FieldPath(segment, field or 0, repeat, component, subcomponent)


def parse_paths(rule: object) -> tuple[FieldPath, ...]:
    """Read a list of paths, or one. Raises ValueError."""
    return tuple(map(parse_path, rule if isinstance(rule, list) else [rule]))


def parse_source(rule: object) -> Source:
    """Read a path, a list of paths or a table of them. Raises ValueError."""
    return Source.parse_with(parse_path, rule)


def parse_sources(rule: object) -> tuple[Source, ...]:
    """Read a list of sources, or one. Raises ValueError."""
    return tuple(map(parse_source, rule if isinstance(rule, list) else [rule]))


_SOURCE = source_of(HL7_PATH)

PathRule = Annotated[FieldPath, PlainValidator(parse_path), WithJsonSchema(HL7_PATH)]
PathRules = Annotated[
    tuple[FieldPath, ...], PlainValidator(parse_paths), WithJsonSchema(one_or_several(HL7_PATH))
]
SourceRule = Annotated[Source, PlainValidator(parse_source), WithJsonSchema(_SOURCE)]
SourceRules = Annotated[
    tuple[Source, ...], PlainValidator(parse_sources), WithJsonSchema(one_or_several(_SOURCE))
]
