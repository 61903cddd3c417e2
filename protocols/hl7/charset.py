"""Character sets by their names in MSH-18 (HL7 table 0211), and bytes that have none.

Bytes that the set does not have are kept as lone surrogates (`surrogateescape`), so that
encoding gives them back. Where that cannot be, because an escape sequence of ISO 2022 is broken,
the segment is read as ASCII.
"""

from functools import lru_cache
from typing import Final

_ISO_2022: Final = "iso2022_jp_2"

_CODECS: Final = {
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
    "CNS 11643-1992": "euc_tw",
    "ISO IR6": "ascii",
    "ISO IR14": _ISO_2022,
    "ISO IR87": _ISO_2022,
    "ISO IR159": _ISO_2022,
    "JIS": _ISO_2022,
    "SHIFT-JIS": "cp932",
    "SHIFT_JIS": "cp932",
    "SJIS": "cp932",
    **{f"8859/{part}": f"iso8859_{part}" for part in range(1, 16) if part != 12},
}
"""Names of the table and those that instruments write in their place: UNICODE is UTF-8 (Mindray
BC-5380), and Japanese ones mix ASCII and JIS with escape sequences (`~ISO IR87`)."""

_BY_DEFAULT: Final = frozenset({"", "ASCII"})


@lru_cache(maxsize=64)
def find_codec(names: tuple[str, ...], default: str) -> tuple[str, bool]:
    """Return the codec for the repetitions of MSH-18, and whether all of them are known.

    Empty and ASCII name the link's `default`, which is the same for ASCII and more for others.
    """
    wanted = [name.strip().upper() for name in names]
    named = [name for name in wanted if name not in _BY_DEFAULT]
    known = [codec for name in named if (codec := _CODECS.get(name)) and _is_there(codec)]
    codec = _ISO_2022 if _ISO_2022 in known else known[0] if known else default
    return codec, len(known) == len(named)


def _is_there(codec: str) -> bool:
    try:
        "".encode(codec)
    except LookupError:
        return False
    return True


def decode(data: bytes, codec: str) -> tuple[str, bool]:
    """Return the text of `data` and whether every byte of it could be read."""
    try:
        return data.decode(codec), True
    except UnicodeDecodeError:
        pass
    return "\r".join(_decode_line(line, codec) for line in data.split(b"\r")), False


def _decode_line(line: bytes, codec: str) -> str:
    try:
        return line.decode(codec, "surrogateescape")
    except UnicodeDecodeError:
        return line.decode("ascii", "surrogateescape")


def encode(text: str, codec: str) -> bytes:
    """Return the bytes of `text`: what `decode` kept, as it was.

    Raises `UnicodeEncodeError` for a character that the set does not have.
    """
    return text.encode(codec, "surrogateescape")


def readable(text: str) -> str:
    """Return `text` with U+FFFD for the bytes that could not be read."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
