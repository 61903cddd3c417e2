"""Logging goes to stderr, in the form asked for, without what may be patient data."""

import json
import logging

import pytest
import structlog

from rerund import logs


@pytest.fixture(autouse=True)
def fresh():
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def fail() -> None:
    secret = "patient"  # noqa: F841 - must not be printed with the traceback
    raise RuntimeError("broken")


def emit() -> None:
    log = structlog.get_logger("test")
    log.debug("small")
    try:
        fail()
    except RuntimeError:
        log.exception("failed", entry=17)


def test_json_is_one_object_a_line_on_stderr(capsys):
    logs.configure("json", "info")

    emit()

    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    event = json.loads(line)
    assert out == ""
    assert event["event"] == "failed"
    assert event["level"] == "error"
    assert event["entry"] == 17
    assert "RuntimeError: broken" in event["exception"]
    assert "patient" not in event["exception"]


def test_off_a_terminal_auto_means_json(capsys):
    logs.configure("auto", "error")

    emit()

    assert json.loads(capsys.readouterr().err)["event"] == "failed"


def test_text_prints_a_plain_traceback(capsys):
    logs.configure("text", "debug")

    emit()

    err = capsys.readouterr().err
    assert "small" in err
    assert "RuntimeError: broken" in err
    assert "= 'patient'" not in err


@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        ("it failed", ValueError("Rossi 9.87"), ("it failed", "ValueError")),
        (ValueError("Rossi 9.87"), None, ("ValueError", None)),
    ],
    ids=["a sentence", "the error itself"],
)
def test_what_a_library_logs_has_our_form_and_no_text_of_an_error(capsys, said, error, told):
    logs.configure("json", "info")
    logs.take_library_logs()
    try:
        logging.getLogger("some.library").error(said, exc_info=error)
    finally:
        logging.root.handlers.pop()
    line = json.loads(capsys.readouterr().err)
    assert (line["said"], line.get("error")) == told
    assert (line["by"], line["level"]) == ("some.library", "warning")
