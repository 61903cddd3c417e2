"""Logging: JSON lines for journald, readable lines on a terminal, always on stderr.

Log text holds positions, codes and entry ids, never patient data; the bytes stay in the
journal.
"""

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]


def configure(log_format: LogFormat = "auto", level: LogLevel = "info") -> None:
    """Send structlog events of at least `level` to stderr in `log_format`."""
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *_renderers(as_text),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


class _ToStructlog(logging.Handler):
    """Passes on what libraries log, in our form and without the text of exceptions."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        said = record.msg.strip() if isinstance(record.msg, str) else type(record.msg).__name__
        facts = {"said": said, "by": record.name, "error": error}
        level = "warning" if record.levelno >= logging.WARNING else "debug"
        log = getattr(structlog.get_logger(__name__), level)
        log("library", **{name: fact for name, fact in facts.items() if fact})


def take_library_logs() -> None:
    """Have every log line of a library in the form of ours. For a process's own start."""
    logging.root.addHandler(_ToStructlog())
    logging.root.setLevel(logging.INFO)


def _renderers(as_text: bool) -> list[structlog.typing.Processor]:
    if as_text:
        # Plain tracebacks: the boxed ones print local variables, which may be patient data.
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


_LEVELS: dict[LogLevel, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
