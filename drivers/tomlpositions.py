"""Where each key of a TOML document stands: the line of every key path.

`tomllib` reads a document but keeps no positions. This scanner is given a document that
`tomllib` has accepted, so it does not check anything again: it only walks the tokens.
A path is a tuple of keys, with the ordinal (from 0) of an element of an array.
"""

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r'''(?P<string>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}|"(?:\\.|[^"\\])*"|'[^']*')'''
    r"""|(?P<skip>[ \t\r]+|\#[^\n]*)|(?P<newline>\n)|(?P<bare>[^\s\[\]{}=,"'\#]+)|(?P<mark>.)""",
    re.DOTALL,
)

_END = ("end", "", 0)


def positions(text: str) -> dict[Path, int]:
    """The line (from 1) of each key path and array element of a valid TOML document."""
    return _Scanner(text).scan()


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind != "skip":
            yield kind, match.group(), line
        line += match.group().count("\n")


class _Scanner:
    def __init__(self, text: str):
        self._stream = _tokens(text)
        self._lines: dict[Path, int] = {}
        self._last_element: dict[Path, int] = {}
        self._advance()

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self._kind != "end":
            if self._kind == "newline":
                self._advance()
            elif self._text == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _advance(self) -> None:
        self._kind, self._text, self._line = next(self._stream, _END)

    def _skip_newlines(self) -> None:
        while self._kind == "newline":
            self._advance()

    def _mark(self, path: Path, line: int) -> None:
        self._lines.setdefault(path, line)

    def _header(self) -> Path:
        line = self._line
        self._advance()
        is_array = self._text == "["
        if is_array:
            self._advance()
        path: Path = ()
        for key in self._key("]"):
            if path in self._last_element:
                path += (self._last_element[path],)
            path += (key,)
            self._mark(path, line)
        if is_array:
            self._advance()
            self._last_element[path] = self._last_element.get(path, -1) + 1
        if path in self._last_element:
            path += (self._last_element[path],)
            self._mark(path, line)
        return path

    def _key(self, closing: str) -> list[str]:
        """The parts of a dotted key; consumes the closing mark."""
        parts: list[str] = []
        while self._text != closing or self._kind == "string":
            if self._kind == "string":
                parts.append(tomllib.loads(f"key = {self._text}")["key"])
            else:
                parts.extend(part for part in self._text.split(".") if part)
            self._advance()
        self._advance()
        return parts

    def _pair(self, table: Path) -> None:
        line = self._line
        path = table
        for key in self._key("="):
            path += (key,)
            self._mark(path, line)
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._text == "[":
            self._array(path)
        elif self._text == "{":
            self._inline_table(path)
        else:
            self._advance()
            while self._kind == "bare":  # a date and a time may stand apart
                self._advance()

    def _array(self, path: Path) -> None:
        self._advance()
        element = 0
        self._skip_newlines()
        while self._text != "]":
            self._mark((*path, element), self._line)
            self._value((*path, element))
            element += 1
            self._separator()
        self._advance()

    def _inline_table(self, path: Path) -> None:
        self._advance()
        self._skip_newlines()
        while self._text != "}":
            self._pair(path)
            self._separator()
        self._advance()

    def _separator(self) -> None:
        self._skip_newlines()
        if self._text == ",":
            self._advance()
            self._skip_newlines()
