"""Each mistake in a TOML file has a file, a line and a key, and all are told at once."""

from pathlib import Path

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
)

from drivers.tomlfile import Problem, TomlError, TomlFile, from_validation_error, key_text

DOCUMENT = '''\
# a comment with [brackets] and = signs
title = "one"
"quoted.key" = 1
a.b.c = 2

[table]
text = """
[not.a.table]
x = 1
"""
literal = \'\'\'
y = 2\'\'\'
list = [
  1, # first
  [2, 3],
  { name = "n", deep.er = true },
]
when = 1979-05-27 07:32:00

[table . inner]
empty = {}
none = []

[[item]]
name = "first ]"
[[item.part]]
size = 1
[[item.part]]
size = 2
[item.extra]
key = 'k'

[[item]]
name = "second"
[[item.part]]
size = 3
'''

LINES = [
    (("title",), 2),
    (("quoted.key",), 3),
    (("a", "b", "c"), 4),
    (("table",), 6),
    (("table", "text"), 7),
    (("table", "literal"), 11),
    (("table", "list"), 13),
    (("table", "list", 0), 14),
    (("table", "list", 1, 1), 15),
    (("table", "list", 2, "deep", "er"), 16),
    (("table", "when"), 18),
    (("table", "inner"), 20),
    (("table", "inner", "empty"), 21),
    (("item", 0), 24),
    (("item", 0, "part", 0, "size"), 27),
    (("item", 0, "part", 1, "size"), 29),
    (("item", 0, "extra", "key"), 31),
    (("item", 1), 33),
    (("item", 1, "part", 0, "size"), 36),
]


@pytest.mark.parametrize(("path", "line"), LINES, ids=[key_text(path) for path, _ in LINES])
def test_the_line_of_a_key_path_is_known(path: tuple[str | int, ...], line: int) -> None:
    assert TomlFile.parse(DOCUMENT, "file").line(path) == line


def test_text_inside_a_string_is_no_key() -> None:
    lines = TomlFile.parse(DOCUMENT, "file").lines
    assert ("not", "a", "table") not in lines
    assert ("table", "x") not in lines
    assert ("table", "y") not in lines


def test_a_missing_key_is_told_at_its_table() -> None:
    file = TomlFile.parse(DOCUMENT, "file")
    assert file.line(("item", 1, "part", 0, "unit")) == 35
    assert file.line(("nothing",)) == 1


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a = 1\nb = \n", 2, "Invalid value"),
        ("a = 1\n\nb = [1,\n", 4, "Invalid value"),
        ("a = 1\na = 2\n", 2, "Cannot overwrite a value"),
    ],
)
def test_a_syntax_error_has_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(TomlError) as raised:
        TomlFile.parse(text, "lab.toml")
    assert raised.value.problems == [Problem("lab.toml", line, "", message)]
    assert str(raised.value) == f"lab.toml:{line}: {message}"


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(TomlError, match=r"none\.toml:1: can not be read: No such file"):
        TomlFile.read(tmp_path / "none.toml")


def test_a_file_that_is_not_utf8_is_a_problem_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'a = 1\nname = "caf\xe9"\n')
    with pytest.raises(TomlError, match=r"latin\.toml:2: is not UTF-8 text"):
        TomlFile.read(tmp_path / "latin.toml")


def test_a_file_is_read_with_its_lines(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x = 1\ny = 2\n", encoding="utf-8")
    file = TomlFile.read(tmp_path / "a.toml")
    assert (file.data, file.line(("y",))) == ({"x": 1, "y": 2}, 2)


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = Field(gt=0)
    unit: StrictInt | StrictBool = 1


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    part: list[Part] = []

    @field_validator("name")
    @classmethod
    def _no_spaces(cls, name: str) -> str:
        if " " in name:
            raise ValueError("has a space")
        return name


def problems_of(text: str) -> list[str]:
    file = TomlFile.parse(text, "f")
    with pytest.raises(ValidationError) as raised:
        Model.model_validate(file.data)
    return [str(problem) for problem in from_validation_error(raised.value, file)]


def test_all_problems_come_at_once_in_the_order_of_the_lines() -> None:
    text = 'name = "a b"\ncolour = 1\n[[part]]\nsize = 0\n[[part]]\nunit = "x"\n'
    assert problems_of(text) == [
        "f:1: name: has a space",
        "f:2: colour: unknown key",
        "f:4: part[0].size: Input should be greater than 0, got 0",
        "f:5: part[1].size: is missing",
        "f:6: part[1].unit: must be a whole number, without quotes, got 'x'",
        "f:6: part[1].unit: must be true or false, without quotes, got 'x'",
    ]


def test_a_missing_key_at_the_top_is_told_at_line_one() -> None:
    assert problems_of("part = []") == ["f:1: name: is missing"]
