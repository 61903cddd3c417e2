"""How paths, sources and lists of them look in a JSON schema, for editors."""

from typing import Any

JsonSchema = dict[str, Any]

ASTM_PATH: JsonSchema = {
    "type": "string",
    "pattern": r"^[HPORQLC]\.[1-9][0-9]?(\[[1-9][0-9]?\])?(\.([1-9][0-9]?|\*))?$",
}
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
