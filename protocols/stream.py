"""A byte buffer for parsers that are fed whatever the line delivers.

A parser is a generator over a `Stream`: it takes bytes while there are some and yields
what it is waiting for when there are none. The buffer never grows past what its parser
leaves in it, so every limit is the parser's and is checked before it yields.
"""


class Stream:
    """Bytes that have arrived and have not been taken yet."""

    __slots__ = ("buffer", "paused")

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.paused = False

    def __len__(self) -> int:
        return len(self.buffer)

    def feed(self, data: bytes) -> None:
        """Append what the line delivered."""
        self.buffer += data
        self.paused = False

    def pause(self) -> None:
        """Say that nothing more is coming for now: a parser may stop waiting for optional bytes."""
        self.paused = True

    def take(self, count: int) -> bytes:
        """Remove the first `count` bytes and return them."""
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def take_all(self) -> bytes:
        """Remove and return everything."""
        taken = bytes(self.buffer)
        self.buffer.clear()
        return taken
