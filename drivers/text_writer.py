"""Text as raw fields: escaped, and in characters that a link's encoding has."""

import unicodedata

from protocols.astm.dialect import Dialect
from protocols.astm.text import Delimiters, escape, unescape
from protocols.errors import LocalProtocolError


class TextWriter:
    """Writes text into raw fields, by the delimiters and the encoding of a link."""

    def __init__(self, delimiters: Delimiters, dialect: Dialect):
        self.delimiters = delimiters
        self._encoding = dialect.encoding

    def exact(self, text: str) -> str:
        """Return the text escaped. Raises LocalProtocolError when something of it would be lost."""
        if self._encodable(text) != text:
            raise LocalProtocolError(f"a character that {self._encoding} does not have")
        raw = escape(text, self.delimiters)
        if "\xff" not in raw or self._encoding != "latin-1":
            return raw
        mark = self.delimiters.escape  # byte 255 is not for texts (LIS02-A2 5.1)
        if not mark:
            raise LocalProtocolError("a character that no text may hold")
        return raw.replace("\xff", f"{mark}XFF{mark}")

    def near(self, text: str) -> str:
        """Return the text escaped; what can not be written is replaced."""
        text = self._encodable(text)
        if not self.delimiters.escape:
            text = "".join(" " if self._is_special(one) else one for one in text)
        return self.exact(text)

    def as_it_came(self, raw: str, delimiters: Delimiters) -> str:
        """Return raw text of a message with these delimiters for one with ours."""
        if delimiters == self.delimiters:
            return self._encodable(raw)  # what no frame may hold was not read
        return self.delimiters.repeat.join(
            self.delimiters.component.join(
                self.near(unescape(part, delimiters)) for part in repeat.split(delimiters.component)
            )
            for repeat in raw.split(delimiters.repeat)
        )

    def _encodable(self, text: str) -> str:
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return "".join(map(self._plain, text))
        return text

    def _plain(self, character: str) -> str:
        """Return a character that the encoding has: the letter without its accent, or ? ."""
        try:
            character.encode(self._encoding)
        except UnicodeEncodeError:
            letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore")
            return letters.decode("ascii") or "?"
        return character

    def _is_special(self, character: str) -> bool:
        return character < " " or character in f"\x7f\xff{''.join(self.delimiters)}"
