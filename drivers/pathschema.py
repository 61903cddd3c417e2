"""How paths, sources and lists of them look in a JSON schema, for editors."""

import re
from collections.abc import Iterable
from typing import Any

JsonSchema = dict[str, Any]


def astm_path_of(records: str) -> JsonSchema:
    """Return the schema of a path into one of these records."""
    place = r"\.[1-9][0-9]?(\[[1-9][0-9]?\])?(\.([1-9][0-9]?|\*))?$"
    return {"type": "string", "pattern": f"^[{records}]{place}"}


ASTM_PATH = astm_path_of("HPORQLC")
"""A path such as R.3.4."""

HL7_PATH: JsonSchema = {
    "type": "string",
    "pattern": (
        r"^[A-Z][A-Z0-9]{2}\.[1-9][0-9]?(\[[1-9][0-9]?\])?(\.(\*|[1-9][0-9]?(\.[1-9])?))?$"
    ),
}
"""A path such as SPM.2.1.1."""

REGULAR_EXPRESSION: JsonSchema = {"type": "string"}

TEXTS: JsonSchema = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


def one_or_several(schema: JsonSchema) -> JsonSchema:
    """Return the schema of a value, or a list of such values."""
    return {"anyOf": [schema, {"type": "array", "items": schema}]}


def one_or_several_of(words: Iterable[str]) -> JsonSchema:
    """Return the schema of one of these words, or a list of at least one."""
    word = {"enum": list(words)}
    return {"anyOf": [word, {"type": "array", "items": word, "minItems": 1}]}


def source_of(path: JsonSchema) -> JsonSchema:
    """Return the schema of a rule that picks a text from such paths."""
    texts = {"with": {"type": "string"}, "match": REGULAR_EXPRESSION}
    several = {"type": "array", "items": path}
    tables = [
        {
            "type": "object",
            "properties": {key: rule} | texts,
            "required": [key],
            "additionalProperties": False,
        }
        for key, rule in (("from", one_or_several(path)), ("join", several))
    ]
    return {"anyOf": [path, several, *tables]}


def run_times_of(path: JsonSchema) -> JsonSchema:
    """Return the schema of `run_at`: sources, or the word for the main result's time."""
    return one_or_several({"anyOf": [source_of(path), {"const": "main"}]})


def kind_field_of(path: JsonSchema) -> JsonSchema:
    """Return the schema of the field of a `[[kind]]`."""
    return {"anyOf": [path, {"const": "sample_id"}]}


def template_of(
    names: Iterable[str], asked: str, *, excluded: str = "", width: str = ""
) -> JsonSchema:
    """Return the schema of a template with these placeholders.

    `asked` is the expression of a field of the question, `excluded` what its text may not hold
    besides control characters and |, `width` the expression of what may follow a name.
    """
    known = "|".join((*(re.escape(name) for name in sorted(names)), asked))
    text = rf"[^{{}}|{excluded}\x00-\x1f\x7f]"
    return {"type": "string", "pattern": rf"^({text}|\{{({known}){width}\}})*$"}


def table_of(key: str, schema: JsonSchema) -> JsonSchema:
    """Return the schema of a table whose keys all match an expression."""
    return {
        "type": "object",
        "patternProperties": {f"^{key}$": schema},
        "additionalProperties": False,
    }
