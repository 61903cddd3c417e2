"""The command line: what it prints, and how it ends."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command

from drivers.sections import Backing
from protocols.astm import frame
from rerund.cli.exits import CONFIG, REFUSED, UNAVAILABLE, USAGE
from rerund.cli.main import app
from tests.rerund.site import rerund

GOLDEN = Path(__file__).parents[1] / "drivers" / "golden"
EXAMPLES = Path(__file__).parents[2] / "config"
RERUN = GOLDEN / "sysmex-xn" / "rerun.astm"
STRANGE = GOLDEN / "sysmex-xn" / "other-instrument.astm"


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return every command below `command`, with the words that call it."""
    below_it = getattr(command, "commands", None)
    if below_it is not None:
        for name, below in below_it.items():
            yield from commands(below, *path, name)
    else:
        yield path, command


COMMANDS = dict(commands(get_command(app)))
SPOKEN_OF = {
    "run",
    "check",
    "decode",
    "simulate",
    "results",
    "demo",
    "drivers list",
    "drivers new",
    "drivers schema",
    "drivers show",
    "drivers test",
    "journal export",
    "journal list",
    "journal show",
    "journal hold",
    "journal release",
    "journal replay",
    "journal prune",
    "lab load",
    "lab devices",
    "order add",
    "order again",
    "order list",
    "order waiting",
    "rerun show",
    "rerun log",
    "rerun request",
    "rerun confirm",
    "rerun cancel",
    "rerun auto-check",
    "db status",
    "db upgrade",
    "token add",
    "token list",
    "token revoke",
}


def test_every_command_is_there():
    assert {" ".join(words) for words in COMMANDS} == SPOKEN_OF


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_an_example_of(words):
    said = rerund(*words, "--help")
    assert said.exit_code == 0
    assert f"rerund {' '.join(words)}" in " ".join(said.stdout.split("Example: ")[1].split())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_parameter_is_explained_of(words):
    bare = [p.name for p in COMMANDS[words].params if not getattr(p, "help", None)]
    assert not bare


def test_the_version_is_told():
    said = rerund("--version")
    assert (said.exit_code, said.stdout.split()[0]) == (0, "rerund")


def values(stdout: str) -> list[tuple[str, str, bool]]:
    payloads = [json.loads(line) for line in stdout.splitlines()]
    return [(r["test_code"], r["value"], p["is_rerun"]) for p in payloads for r in p["results"]]


def records(path: Path) -> bytes:
    return path.read_bytes().replace(b"\n", b"\r")


def framed(path: Path) -> bytes:
    lines = path.read_bytes().splitlines()
    return b"".join(frame.encode(line + b"\r", number) for number, line in enumerate(lines, 1))


READ = [("WBC", "12.48", True), ("RET%", "1.20", False)]
"""RET% is a test that the first run lacked: the rerun added it."""


@pytest.mark.parametrize("form", ["auto", "records"])
def test_decode_reads_bare_records(form):
    first = GOLDEN / "sysmex-xn" / "first-run-announces-a-rerun.astm"
    data = records(first) + records(RERUN)
    done = rerund("decode", "--driver", "sysmex-xn", "--input", form, "-", stdin=data)
    assert done.exit_code == 0
    assert set(READ) <= set(values(done.stdout))


@pytest.mark.parametrize("form", ["auto", "frames"])
@pytest.mark.parametrize("ends", [b"\r\n", b"\r", b"\n"], ids=["CR LF", "CR", "LF"])
@pytest.mark.parametrize("around", [(b"", b""), (b"\x05", b"\x04")], ids=["bare", "ENQ, EOT"])
def test_decode_reads_frames(tmp_path, form, ends, around):
    path = tmp_path / "capture.astm"
    path.write_bytes(around[0] + framed(RERUN).replace(b"\r\n", ends) + around[1])
    done = rerund("decode", "--driver", "sysmex-xn", "--input", form, path)
    assert done.exit_code == 0, done.stderr
    assert [code for code, *_ in values(done.stdout)] == ["WBC", "RET%"]


def test_decode_says_the_same_of_the_same():
    twice = [rerund("decode", "--driver", "sysmex-xn", RERUN).stdout for _ in range(2)]
    assert twice[0] == twice[1]
    payload = json.loads(twice[0].splitlines()[0])
    assert (payload["entry_id"], payload["received_at"], payload["lab_id"]) == (1, None, None)


def test_decode_prints_notes_on_stderr_only(tmp_path):
    path = tmp_path / "orphan.records"
    path.write_bytes(b"H|\\^&|||Analyzer\rP|1\rO|1|S1\rR|1|^^^A|1\rL|1|N\rR|1|^^^B|2\r")
    done = rerund("decode", "--driver", "generic-astm", path)
    assert done.stderr
    assert all(line.startswith("{") for line in done.stdout.splitlines())


def test_decode_refuses_what_it_can_not_read():
    done = rerund("decode", "--driver", "sysmex-xn", STRANGE)
    assert (done.exit_code, done.stdout) == (REFUSED, "")
    assert "other_sender" in done.stderr


def test_decode_reports_a_frame_with_a_wrong_checksum():
    data = framed(RERUN)
    broken = data[:-4] + b"00\r\n"
    assert broken != data
    done = rerund("decode", "--driver", "sysmex-xn", "-", stdin=broken)
    assert done.exit_code == REFUSED
    assert "bad_checksum" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--driver", "no-such", RERUN], CONFIG),
        (["--driver", "sysmex-xn", "no-such-file"], USAGE),
        (["--driver", "sysmex-xn", "--timezone", "Nowhere/Land", RERUN], USAGE),
        ([RERUN], USAGE),
    ],
)
def test_decode_ends_with_a_code_for_what_is_wrong(arguments, code):
    done = rerund("decode", *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr


def test_drivers_are_listed_for_people_and_programs():
    names = [path.name for path in sorted(GOLDEN.iterdir())]
    listed = json.loads(rerund("drivers", "list", "--json").stdout)
    assert [profile["name"] for profile in listed] == names
    table = rerund("drivers", "list").stdout
    assert all(name in table for name in names)


def test_the_list_of_drivers_says_what_stands_behind_each_thing_they_tell():
    lines = rerund("drivers", "list").stdout.splitlines()
    words = {line.split()[0]: line.split() for line in lines if line.strip()}
    assert words["sysmex-xn"][-6:] == ["digest", "digest", "digest", "digest", "query", "4"]
    assert words["sysmex-xp"][-7:] == ["digest", "digest", "by", "history", "-", "-", "3"]
    assert words["generic-astm"][-4:] == ["query,", "push,", "cancel", "1"]
    legend = rerund("drivers", "list").stdout.partition("What stands behind")[2]
    assert all(f"{kind} (" in legend for kind in get_args(Backing))


@pytest.mark.parametrize("name", [path.name for path in sorted(GOLDEN.iterdir())])
def test_a_driver_is_shown_with_its_sources_and_doubts(name):
    shown = rerund("drivers", "show", name)
    assert shown.exit_code == 0
    assert any(f"  {kind} " in shown.stdout for kind in get_args(Backing))
    document = json.loads(rerund("drivers", "show", name, "--json").stdout)
    assert document["name"] == document["profile"]["name"] == name
    for text in document["unverified"]:
        assert f"UNVERIFIED  {text}" in shown.stdout


def test_a_driver_is_shown_with_where_things_stand():
    lines = rerund("drivers", "show", "roche-cobas-6000").stdout.splitlines()
    assert "  results     test R.3.4, value R.4.1, time R.13 or R.12" in lines
    assert "  qc          O.4.5 = QC" in lines
    assert "  reruns      R.9 = C: rerun" in lines
    assert "  orders      query and push (capture)" in lines
    lines = rerund("drivers", "show", "sysmex-xp").stdout.splitlines()
    assert "  orders      none: results only" in lines


def test_an_unknown_driver_is_named():
    shown = rerund("drivers", "show", "no-such")
    assert shown.exit_code == CONFIG
    assert "no-such" in shown.stderr


FINE = """
[daemon]
state_dir = "/tmp/nowhere"
[[instrument]]
id = "42"
name = "XN"
driver = "sysmex-xn"
link = "listen://127.0.0.1:5001"
"""
FILES = {
    "a configuration": (FINE, 0, []),
    "a configuration with three mistakes": (
        FINE.replace("sysmex-xn", "no-such").replace("listen", "pigeon") + "colour = 1\n",
        CONFIG,
        [":7:", ":8:", ":9:"],
    ),
    "a file that is no TOML": ("[daemon\n", CONFIG, [":1:"]),
    "a file of no kind": ("[colours]\nred = 1\n", CONFIG, [":1:"]),
    "a lab file": (
        '[[format]]\nid = 1\nname = "CBC"\nparameter = [{ index = 1, name = "WBC" }]\n',
        0,
        [],
    ),
    "a lab file with a mistake": (
        '[[report]]\nid = 1\nsample = "S1"\nformat = "one"\n',
        CONFIG,
        [":4:"],
    ),
    "a file with windows alone": (
        "[rerun]\nrun_window = 1\n",
        CONFIG,
        [":1: instrument: is missing"],
    ),
    "a profile with a mistake": ('name = "x"\nprotocol = "carrier pigeon"\n', CONFIG, [":2:"]),
}


@pytest.mark.parametrize(("text", "code", "places"), FILES.values(), ids=FILES)
def test_check_of(tmp_path, text, code, places):
    path = tmp_path / "file.toml"
    path.write_text(text)
    done = rerund("check", path)
    assert done.exit_code == code, done.output
    for place in places:
        assert f"{path}{place}" in done.stderr


def test_check_takes_an_empty_file_for_tokens_that_nobody_has_yet(tmp_path):
    (tmp_path / "tokens.toml").touch()
    (tmp_path / "rerund.toml").touch()
    assert rerund("check", tmp_path / "tokens.toml").exit_code == 0
    assert rerund("check", tmp_path / "rerund.toml").exit_code == CONFIG


def test_check_tells_the_problems_of_every_file(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text("[daemon\n")
    done = rerund("check", tmp_path / "one", tmp_path / "two", tmp_path / "three")
    assert done.exit_code == CONFIG
    for name in ("one", "two", "three"):
        assert str(tmp_path / name) in done.stderr


def test_check_accepts_what_is_shipped():
    shipped = [
        *EXAMPLES.glob("*.toml"),
        *Path(GOLDEN.parents[2], "drivers/profiles").glob("*.toml"),
    ]
    done = rerund("check", *shipped)
    assert done.exit_code == 0, done.stderr
    assert f"{len(shipped)} files" in done.stdout


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "rerund.toml"
    path.write_text(FINE.replace("/tmp/nowhere", str(tmp_path / "state")))
    (tmp_path / "state").mkdir()
    return path


def test_the_schema_is_made_and_its_version_told(config):
    missing = rerund("db", "status", "-c", config)
    assert missing.exit_code == UNAVAILABLE
    assert "a daemon makes it at its first start" in missing.stdout
    assert not (config.parent / "state" / "store.db").exists()
    made = rerund("db", "upgrade", "-c", config)
    assert made.exit_code == 0
    assert "upgraded to version" in made.stdout
    status = json.loads(rerund("db", "status", "--json", "-c", config).stdout)
    reports, *others = status["parts"]
    assert reports["part"] == "reports"
    assert reports["found"] == reports["expected"]
    assert {part["place"] for part in status["parts"]} == {reports["place"]}
    assert [part["expected"] for part in others] == [None, None]
    assert status["current"]
    again = rerund("db", "upgrade", "-c", config)
    assert again.exit_code == 0
    assert "nothing was done" in again.stdout


def test_tables_of_another_version_are_refused(config):
    rerund("db", "upgrade", "-c", config)
    with sqlite3.connect(config.parent / "state" / "store.db") as db:
        db.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    db.close()
    status = rerund("db", "status", "-c", config)
    assert status.exit_code == REFUSED
    assert "from_the_future" in status.stdout
    loaded = rerund("order", "list", "-c", config)
    assert loaded.exit_code == UNAVAILABLE


@pytest.mark.parametrize(
    "words",
    [["journal", "list"], ["journal", "show", "1"], ["journal", "hold"], ["journal", "prune"]],
    ids=" ".join,
)
def test_a_journal_that_is_not_there_is_named(config, words):
    done = rerund(*words, "-c", config)
    assert done.exit_code == UNAVAILABLE
    assert "journal.db" in done.stderr


def test_a_sample_of_which_nothing_is_known(config):
    done = rerund("results", "NOBODY", "-c", config)
    assert done.exit_code == UNAVAILABLE
    assert done.stderr


def test_an_order_for_an_unknown_format_is_refused(config):
    done = rerund("order", "add", "S1", "--format", 7, "-c", config)
    assert done.exit_code == REFUSED
    assert "7" in done.stderr


def test_a_report_that_does_not_exist_is_refused(config):
    for words in (["show", 7], ["request", 7, "--index", 1], ["cancel", 7]):
        done = rerund("rerun", *words, "-c", config)
        assert done.exit_code == REFUSED, done.output
        assert "not_found" in done.stderr
