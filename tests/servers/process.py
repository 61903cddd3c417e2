"""A server as a process of a test's own: started, waited for, ended by its own pid."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

START_TIMEOUT = 30.0
STOP_TIMEOUT = 20.0
LOOK_EVERY = 0.02
LOG_TAIL = 4000


class ServerFailed(Exception):  # noqa: N818 - says what is the case
    """A server did not start or ended by itself; the text ends with what it said."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class ServerProcess:
    """One server. `answers` says whether it takes requests; it may raise OSError until then.

    Everything it prints is kept in `log`. `executable` is the program where `command[0]`
    is only the name that it goes by.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        answers: Callable[[], bool],
        executable: Path | None = None,
    ):
        self.name = name
        self._command = [str(part) for part in command]
        self._log = log
        self._answers = answers
        self._executable = executable
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises ServerFailed."""
        with self._log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    self._command,
                    executable=self._executable,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # a Ctrl-C is for the tests, which then end it
                )
            except OSError as error:
                raise ServerFailed(f"{self.name} can not be started: {error}") from error
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.kill()
            raise

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = monotonic() + START_TIMEOUT
        while not self._is_up():
            try:
                code = process.wait(LOOK_EVERY)
            except subprocess.TimeoutExpired:
                if monotonic() > deadline:
                    raise self._failed(f"does not answer after {START_TIMEOUT} s") from None
            else:
                raise self._failed(f"ended with {code}")

    def _is_up(self) -> bool:
        try:
            return self._answers()
        except OSError:
            return False

    def _failed(self, how: str) -> ServerFailed:
        said = self._log.read_text(errors="replace")[-LOG_TAIL:]
        return ServerFailed(f"{self.name} {how}; it said:\n{said}")

    def stop(self) -> None:
        """End it in order, or at once when that takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let it hang: connections stay, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
