"""`rerund token`: the secret is printed once, and nothing else ever shows it."""

import json

import pytest

from rerund.cli.exits import CONFIG, REFUSED, UNAVAILABLE, USAGE
from rerund.http.tokens import hashed, read_tokens
from tests.rerund.site import rerund

TEXT = """
[daemon]
lab_id = 3
[http]
tokens_file = "{}"
"""


@pytest.fixture
def tokens(tmp_path):
    return tmp_path / "tokens.toml"


@pytest.fixture
def config(tmp_path, tokens):
    """A configuration that lacks instruments: tokens are made before all is in place."""
    path = tmp_path / "rerund.toml"
    path.write_text(TEXT.format(tokens))
    return path


def add(config, *words):
    return rerund("token", "add", *words, "-c", config)


def test_the_secret_is_printed_and_its_hash_kept(config, tokens):
    done = add(config, "lims", "--role", "technician", "--user", 7, "--expires", "2030-01-31")
    assert done.exit_code == 0, done.output
    secret = done.stdout.strip()
    assert len(secret) >= 43, "256 bits"
    [token] = read_tokens(tokens)
    assert (token.name, token.role, token.user_id, token.lab_id) == ("lims", "technician", 7, 3)
    assert str(token.expires_at) == "2030-01-31"
    assert token.sha256 == hashed(secret)
    assert secret not in tokens.read_text()
    assert secret not in done.stderr
    assert f"{tokens} ({tokens.owner()}:{tokens.group()}, mode 0640)" in done.stderr


def test_a_token_may_be_of_another_lab(config, tokens):
    add(config, "other", "--role", "viewer", "--user", 1, "--lab", 9)
    assert [token.lab_id for token in read_tokens(tokens)] == [9]


def test_no_two_secrets_are_the_same(config):
    made = {add(config, f"t{n}", "--role", "viewer", "--user", 1).stdout for n in range(5)}
    assert len(made) == 5


def test_tokens_are_listed_without_anything_to_use(config, tokens):
    secret = add(config, "lims", "--role", "viewer", "--user", 7).stdout.strip()
    add(config, "old", "--role", "device", "--user", 8, "--expires", "2020-01-01")
    listed = rerund("token", "list", "--json", "-c", config)
    assert [(t["name"], t["expired"]) for t in json.loads(listed.stdout)] == [
        ("lims", False),
        ("old", True),
    ]
    table = rerund("token", "list", "-c", config)
    assert "expired" in table.stdout
    for said in (listed.stdout, table.stdout):
        assert secret not in said
        assert hashed(secret)[:12] not in said


def test_a_revoked_token_is_gone(config, tokens):
    add(config, "lims", "--role", "viewer", "--user", 7)
    assert rerund("token", "revoke", "lims", "-c", config).exit_code == 0
    assert read_tokens(tokens) == ()


REFUSALS = {
    "a name that is taken": (["add", "lims", "--role", "viewer", "--user", 1], REFUSED, "lims"),
    "a name with a space": (["add", "my lims", "--role", "viewer", "--user", 1], REFUSED, "name"),
    "an unknown role": (["add", "x", "--role", "admin", "--user", 1], USAGE, "admin"),
    "no role": (["add", "x", "--user", 1], USAGE, "role"),
    "a day that is none": (
        ["add", "x", "--role", "viewer", "--user", 1, "--expires", "soon"],
        USAGE,
        "soon",
    ),
    "revoking nobody's": (["revoke", "nobody"], REFUSED, "nobody"),
}


@pytest.mark.parametrize(("words", "code", "named"), REFUSALS.values(), ids=REFUSALS)
def test_refused_is(config, tokens, words, code, named):
    add(config, "lims", "--role", "viewer", "--user", 7)
    before = tokens.read_text()
    done = rerund("token", *words, "-c", config)
    assert (done.exit_code, done.stdout) == (code, "")
    assert named in done.stderr
    assert tokens.read_text() == before


def test_a_configuration_without_http_is_named(tmp_path):
    path = tmp_path / "rerund.toml"
    path.write_text("[daemon]\n")
    done = add(path, "lims", "--role", "viewer", "--user", 7)
    assert done.exit_code == CONFIG
    assert f"{path}:1: http" in done.stderr


def test_a_mistake_in_http_has_its_line(tmp_path):
    path = tmp_path / "rerund.toml"
    path.write_text('[daemon]\n[http]\ntokens_file = "t"\nport = 1\n')
    done = rerund("token", "list", "-c", path)
    assert done.exit_code == CONFIG
    assert f"{path}:4: http.port" in done.stderr


def test_a_folder_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "rerund.toml"
    path.write_text(TEXT.format(tmp_path / "none" / "tokens.toml"))
    done = add(path, "lims", "--role", "viewer", "--user", 7)
    assert done.exit_code == UNAVAILABLE
    assert str(tmp_path / "none") in done.stderr
