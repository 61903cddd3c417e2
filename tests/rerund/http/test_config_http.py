"""`[http]`: off without the table, loopback without TLS, and every mistake with its line."""

import pytest

from rerund import config
from tests.rerund.http.tls import certificate

SMALLEST = """\
[daemon]
[[instrument]]
id = "42"
name = "XN"
driver = "sysmex-xn"
link = "{link}"
[http]
tokens_file = "{tokens}"
"""


@pytest.fixture
def load(tmp_path):
    (tmp_path / "tokens.toml").write_text("")

    def load(text="", link="listen://127.0.0.1:0"):
        path = tmp_path / "rerund.toml"
        path.write_text(SMALLEST.format(tokens=tmp_path / "tokens.toml", link=link) + text)
        return config.load(path).file.http

    return load


@pytest.fixture
def problems(load):
    def problems(text, **how):
        with pytest.raises(config.ConfigError) as caught:
            load(text, **how)
        return [(problem.line, problem.key) for problem in caught.value.problems]

    return problems


def test_the_smallest_table_listens_on_loopback(load):
    http = load()
    assert http.address == ("127.0.0.1", 8080)
    assert (http.prefix, http.insecure, http.max_body_bytes) == ("", False, 1_000_000)


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("127.7.7.7:81", ("127.7.7.7", 81)),
        ("localhost:81", ("localhost", 81)),
        ("[::1]:81", ("::1", 81)),
    ],
)
def test_loopback_needs_no_tls(load, listen, address):
    assert load(f'listen = "{listen}"\n').address == address


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[::]:80", "10.0.0.7:80", "lab.example:80"])
def test_any_other_address_wants_tls_or_a_word(load, problems, tmp_path, listen):
    line = f'listen = "{listen}"\n'
    assert problems(line) == [(9, "http.listen")]
    assert load(line + "insecure = true\n").insecure
    cert, key = certificate(tmp_path)
    assert load(line + f'tls_cert = "{cert}"\ntls_key = "{key}"\n').tls_cert == cert


WRONG = {
    "a key that is none": ("port = 80\n", "http.port"),
    "no port": ('listen = "127.0.0.1"\n', "http.listen"),
    "a link": ('listen = "127.0.0.1:80?peer=10.0.0.7"\n', "http.listen"),
    "a prefix without a slash": ('prefix = "api"\n', "http.prefix"),
    "a prefix with a slash at its end": ('prefix = "/api/"\n', "http.prefix"),
    "a tiny body": ("max_body_bytes = 10\n", "http.max_body_bytes"),
    "no request at all": ("max_requests = 0\n", "http.max_requests"),
    "a certificate without a key": ('tls_cert = "/nowhere"\n', "http.tls_cert"),
    "a key without a certificate": ('tls_key = "/nowhere"\n', "http.tls_key"),
    "a certificate that is not there": (
        'tls_cert = "/nowhere"\ntls_key = "/nowhere"\n',
        "http.tls_cert",
    ),
}


@pytest.mark.parametrize(("text", "key"), WRONG.values(), ids=WRONG)
def test_a_problem_is(problems, text, key):
    assert problems(text) == [(9, key)]


SAME_PORT = [
    ("127.0.0.1:5001", "127.0.0.1:5001"),
    ("127.0.0.1:5001", "localhost:5001"),
    ("localhost:5001", "127.0.0.1:5001"),
    ("127.0.0.1:5001", "0.0.0.0:5001"),
    ("127.0.0.1:5001", "127.0.0.1:5001?peer=10.0.0.7"),
    ("0.0.0.0:5001", "10.0.0.7:5001"),
    ("[::1]:5001", "[0:0::1]:5001"),
    ("[::1]:5001", "[::]:5001"),
    ("[::]:5001", "[::1]:5001"),
    ("[::]:5001", "10.0.0.7:5001"),
]
OTHER_PORT = [
    ("127.0.0.1:5002", "listen://127.0.0.1:5001"),
    ("127.0.0.1:0", "listen://127.0.0.1:0"),
    ("127.0.0.1:5001", "listen://10.0.0.7:5001"),
    ("127.0.0.1:5001", "listen://[::]:5001"),
    ("127.0.0.1:5001", "connect://127.0.0.1:5001"),
]


@pytest.mark.parametrize(("listen", "link"), SAME_PORT)
def test_the_port_of_an_instrument_is_taken(problems, listen, link):
    text = f'insecure = true\nlisten = "{listen}"\n'
    assert problems(text, link=f"listen://{link}") == [(10, "http.listen")]


@pytest.mark.parametrize(("listen", "link"), OTHER_PORT)
def test_an_instrument_is_in_nobodys_way_at(load, listen, link):
    assert load(f'listen = "{listen}"\n', link=link).listen == listen


def test_the_default_port_may_be_an_instruments_too(problems):
    assert problems("", link="listen://0.0.0.0:8080") == [(7, "http.listen")]


def test_a_prefix_may_have_several_parts(load):
    assert load('prefix = "/api-v3/lab"\n').prefix == "/api-v3/lab"


def test_a_key_with_a_passphrase_is_a_problem(problems, tmp_path):
    cert, key = certificate(tmp_path, "-passout", "pass:secret")
    assert problems(f'tls_cert = "{cert}"\ntls_key = "{key}"\n') == [(9, "http.tls_cert")]


def test_the_tokens_are_checked_too(load, tmp_path):
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[token]]\nname = "x"\n')
    with pytest.raises(config.ConfigError) as caught:
        load()
    assert {problem.file for problem in caught.value.problems} == {str(tokens)}
    tokens.unlink()
    with pytest.raises(config.ConfigError) as caught:
        load()
    [problem] = caught.value.problems
    assert (problem.line, problem.key) == (8, "http.tokens_file")


def test_no_tokens_file_is_a_problem(tmp_path):
    path = tmp_path / "rerund.toml"
    path.write_text("[http]\n")
    with pytest.raises(config.ConfigError) as caught:
        config.load(path)
    assert "http.tokens_file" in {problem.key for problem in caught.value.problems}
