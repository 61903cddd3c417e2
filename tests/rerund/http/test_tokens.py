"""The token file: every mistake told with line and key, and edited without harm to the rest."""

import datetime as dt
import stat

import pytest
from structlog.testing import capture_logs

from drivers.tomlfile import TomlError
from rerund.http import token_edit
from rerund.http.tokens import Token, Tokens, exposed, hashed, read_tokens

HASH = hashed("secret")
FINE = f"""\
# the LIMS of the ward
[[token]]
name = "lims"
sha256 = "{HASH}"
lab_id = 1
user_id = 7
role = "technician"
expires_at = 2030-01-31
"""
WRONG = {
    "no TOML": (("[[token]]", "[[token"), [(2, "")]),
    "an unknown table": (("[[token]]", "[[tokens]]"), [(2, "tokens")]),
    "an unknown key": (("user_id", "usr"), [(2, "token[0].user_id"), (6, "token[0].usr")]),
    "a role that is none": (("technician", "admin"), [(7, "token[0].role")]),
    "a hash that is none": ((HASH, "secret"), [(4, "token[0].sha256")]),
    "a hash in capitals": ((HASH, HASH.upper()), [(4, "token[0].sha256")]),
    "a name with a space": (('"lims"', '"my lims"'), [(3, "token[0].name")]),
    "a lab as text": (("lab_id = 1", 'lab_id = "one"'), [(5, "token[0].lab_id")]),
    "lab 0": (("lab_id = 1", "lab_id = 0"), [(5, "token[0].lab_id")]),
    "a user below 0": (("user_id = 7", "user_id = -1"), [(6, "token[0].user_id")]),
    "a time without a zone": (("2030-01-31", "2030-01-31T12:00:00"), [(8, "token[0].expires_at")]),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tokens.toml"
    path.write_text(FINE)
    path.chmod(0o640)
    return path


@pytest.mark.parametrize(("change", "places"), WRONG.values(), ids=WRONG)
def test_wrong_is(path, change, places):
    path.write_text(FINE.replace(*change))
    with pytest.raises(TomlError) as caught:
        read_tokens(path)
    found = [(problem.line, problem.key) for problem in caught.value.problems]
    assert set(places) <= set(found)
    assert HASH not in str(caught.value)


@pytest.mark.parametrize("key", ["name", "sha256"])
def test_two_tokens_can_not_share_a(path, key):
    second = FINE.replace("lims", "other").replace(HASH, hashed("other"))
    line = next(line for line in FINE.splitlines() if line.startswith(key))
    mine = next(line for line in second.splitlines() if line.startswith(key))
    path.write_text(FINE + second.replace(mine, line))
    with pytest.raises(TomlError) as caught:
        read_tokens(path)
    assert [problem.key for problem in caught.value.problems] == [f"token[1].{key}"]


NOON = dt.datetime(2030, 1, 31, 12, tzinfo=dt.UTC).timestamp()
EXPIRY = {
    "never": (None, NOON, False),
    "its last day": (dt.date(2030, 1, 31), NOON, False),
    "the day after": (dt.date(2030, 1, 30), NOON, True),
    "the last second of its last day": (dt.date(2030, 1, 31), NOON + 12 * 3600 - 1, False),
    "the first second after it": (dt.date(2030, 1, 31), NOON + 12 * 3600, True),
    "the last day there is": (dt.date.max, NOON, False),
    "the first day there is": (dt.date.min, NOON, True),
    "the last instant, far in the west": (
        dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=14))),
        NOON,
        False,
    ),
    "the first instant, far in the east": (
        dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14))),
        NOON,
        True,
    ),
    "before its time": (dt.datetime(2030, 1, 31, 13, 1, tzinfo=dt.UTC), NOON, False),
    "its time": (dt.datetime(2030, 1, 31, 12, tzinfo=dt.UTC), NOON, True),
    "its time elsewhere": (
        dt.datetime(2030, 1, 31, 13, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        NOON,
        True,
    ),
}


@pytest.mark.parametrize(("at", "now", "expired"), EXPIRY.values(), ids=EXPIRY)
def test_expiry(at, now, expired):
    token = Token(name="x", sha256=HASH, lab_id=1, user_id=1, role="viewer", expires_at=at)
    assert token.is_expired(now) is expired


def test_a_token_is_found_by_its_secret_alone(path):
    tokens = Tokens(path)
    found = tokens.find("secret")
    assert found is not None
    assert (found.name, found.role, found.lab_id, found.user_id) == ("lims", "technician", 1, 7)
    assert [tokens.find(text) for text in ("", "Secret", HASH, "secret ")] == [None] * 4


def test_no_token_shows_its_hash(path):
    assert HASH not in repr(Tokens(path).find("secret"))


@pytest.mark.parametrize(
    ("mode", "what"),
    [
        (0o600, None),
        (0o640, None),
        (0o644, "everybody can read it"),
        (0o660, "others can write it"),
        (0o666, "others can write it"),
    ],
    ids=str,
)
def test_a_file_that_others_can_use_is_told(path, mode, what):
    path.chmod(mode)
    with capture_logs() as logs:
        Tokens(path)
    told = [line["what"] for line in logs if line["event"] == "tokens_exposed"]
    assert told == ([] if what is None else [what])
    assert exposed(mode) == what


def added(name):
    return Token(name=name, sha256=hashed(name), lab_id=1, user_id=1, role="viewer")


def test_a_new_file_is_not_for_everybody(tmp_path):
    path = tmp_path / "new.toml"
    assert token_edit.add(path, added("one"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [token.name for token in read_tokens(path)] == ["one"]


def test_adding_leaves_what_is_there_alone(path):
    path.chmod(0o600)
    assert token_edit.add(path, added("two"))
    assert path.read_text().startswith(FINE)
    assert [token.name for token in read_tokens(path)] == ["lims", "two"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not token_edit.add(path, added("two")), "the name is taken"


@pytest.mark.parametrize("ends", ["\n", "", "\n\n"], ids=repr)
def test_adding_to_a_file_that_ends_with(path, ends):
    path.write_text(FINE.rstrip("\n") + ends)
    token_edit.add(path, added("two"))
    assert [token.name for token in read_tokens(path)] == ["lims", "two"]


@pytest.mark.parametrize("name", ["lims", "two", "three"])
def test_revoking_takes_one_out_and_leaves_the_comments_of_others(path, name):
    token_edit.add(path, added("two"))
    path.write_text(path.read_text() + "\n# the third\n")
    token_edit.add(path, added("three"))
    assert token_edit.revoke(path, name)
    left = ["lims", "two", "three"]
    left.remove(name)
    assert [token.name for token in read_tokens(path)] == left
    assert "# the LIMS of the ward" in path.read_text()
    assert "# the third" in path.read_text()
    assert not token_edit.revoke(path, name), "it is there no more"


def test_a_file_that_is_wrong_is_not_edited(path):
    wrong = FINE.replace("technician", "admin")
    path.write_text(wrong)
    for edit in (lambda: token_edit.add(path, added("two")), lambda: token_edit.revoke(path, "x")):
        with pytest.raises(TomlError):
            edit()
    assert path.read_text() == wrong
    assert [file.name for file in path.parent.iterdir()] == ["tokens.toml"]
