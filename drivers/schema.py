"""The JSON schema of a profile: for editors that check TOML and complete its keys."""

import ast
import inspect
import textwrap
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import PydanticSerializationError

from drivers.pathschema import JsonSchema
from drivers.profile import AstmProfile, Hl7Profile, Profile
from protocols.astm.dialect import Dialect as AstmDialect
from protocols.hl7.dialect import Dialect as Hl7Dialect

Protocol = Literal["astm", "hl7"]

_DIALECT = "http://json-schema.org/draft-07/schema#"
"""What Taplo and Even Better TOML read."""

_MODELS: dict[Protocol, tuple[type[Profile], type[AstmDialect | Hl7Dialect]]] = {
    "astm": (AstmProfile, AstmDialect),
    "hl7": (Hl7Profile, Hl7Dialect),
}


class _Generator(GenerateJsonSchema):
    """Leaves out defaults that are no plain values, and titles that say the key again."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012
        "skipped-choice",
        "non-serializable-default",
    }

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def encode_default(self, dft: Any) -> Any:
        if not _is_plain(dft):
            raise PydanticSerializationError("a path, or a table with paths")
        return super().encode_default(dft)


def _is_plain(default: Any) -> bool:
    """Whether a default stands in the schema as in a profile."""
    match default:
        case dict():
            return all(map(_is_plain, default.values()))
        case tuple() | list():
            return all(map(_is_plain, default))
        case _:
            return default is None or isinstance(default, str | int)


def profile_schema(protocol: Protocol) -> JsonSchema:
    """Return the JSON schema of the profiles of one protocol."""
    model, dialect = _MODELS[protocol]
    schema = _schema_of(model)
    switches = schema["$defs"]["DialectTable"]["properties"]
    for name, sentence in _docstrings(dialect).items():
        switches[name]["description"] = sentence
    return {"$schema": _DIALECT} | schema


def _schema_of(model: type[BaseModel]) -> JsonSchema:
    return model.model_json_schema(schema_generator=_Generator)


def _docstrings(dialect: type) -> dict[str, str]:
    """Return what stands below each switch of a dialect in its source."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(dialect))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = " ".join(text.split())
    return found
