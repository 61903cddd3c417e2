"""A serial cable of two pseudo-terminals: what goes in at one end comes out at the other."""

import os
import selectors
import threading
import tty
from types import TracebackType
from typing import Self


class SerialCable:
    """A null-modem cable; `ends` are the two device paths. Use as a context manager."""

    def __enter__(self) -> Self:
        self._masters, slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
        # The slaves stay open: a pseudo-terminal whose last slave closes drops what is in it.
        self._slaves = slaves
        for slave in slaves:
            tty.setraw(slave)
        self.ends = tuple(os.ttyname(slave) for slave in slaves)
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._carry, name="serial-cable", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._stop_write)
        self._thread.join()
        for descriptor in (*self._masters, *self._slaves, self._stop_read):
            os.close(descriptor)

    def _carry(self) -> None:
        one, other = self._masters
        with selectors.DefaultSelector() as selector:
            selector.register(one, selectors.EVENT_READ, other)
            selector.register(other, selectors.EVENT_READ, one)
            selector.register(self._stop_read, selectors.EVENT_READ, None)
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        return
                    os.write(key.data, os.read(key.fd, 4096))
