"""The configuration: every mistake told at once, with file, line and key."""

import dataclasses
import datetime as dt
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from drivers.profile import load
from protocols.hl7.dialect import Dialect as Hl7Dialect
from rerund import config, config_stores
from rerund.stores.settings import StoreSettings
from rerund.transports.url import ListenUrl

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "config" / "rerund.toml"

SMALLEST = """\
[daemon]
state_dir = "/var/lib/rerund"
[[instrument]]
id = "42"
name = "Sysmex XN-1000"
driver = "sysmex-xn"
link = "listen://0.0.0.0:5001"
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "rerund.toml"
        path.write_text(text)
        return path

    return write


def problems(path: Path) -> list[tuple[int, str]]:
    with pytest.raises(config.ConfigError) as caught:
        config.load(path)
    assert all(problem.file == str(path) for problem in caught.value.problems)
    return [(problem.line, problem.key) for problem in caught.value.problems]


def test_the_smallest_configuration_is_enough(write):
    loaded = config.load(write(SMALLEST))

    (instrument,) = loaded.instruments
    assert instrument.device_id == "42"
    assert instrument.url == ListenUrl("0.0.0.0", 5001)
    assert instrument.profile.name == "sysmex-xn"
    assert instrument.dialect == instrument.profile.dialect
    assert loaded.journal_path == Path("/var/lib/rerund/journal.db")
    assert loaded.stores == StoreSettings("/var/lib/rerund/store.db")


def test_every_problem_is_found_at_once(write):
    path = write(
        SMALLEST.replace("state_dir", "state_dri")
        + '[[instrument]]\nid = ""\nname = "x"\ndriver = "generic-astm"\nlink = "telnet://x:1"\n'
        + "[rerun]\nhistory_window = -1\n"
    )

    assert problems(path) == [
        (2, "daemon.state_dri"),
        (9, "instrument[1].id"),
        (12, "instrument[1].link"),
        (14, "rerun.history_window"),
    ]


def test_a_mistake_in_one_table_hides_none_of_another(write, tmp_path):
    (tmp_path / "pass").write_text("secret")
    path = write(
        SMALLEST.replace("/var/lib/rerund", '/var/lib/rerund"\nlab_id = "1')
        + f"""\
[store.mysql]
port = "3306"
tls = "yes"
password_file = "{tmp_path}/none"
[http]
listen = "0.0.0.0:8080"
[[instrument]]
id = "42"
name = "again"
driver = "sysmex-xx"
link = "listen://0.0.0.0:5001"
[[instrument]]
id = "44"
driver = "mindray-cl"
link = "listen://0.0.0.0:5003"
dialect.max_backlog = "7"
dialect.colour = 1
[colours]
"""
    )

    assert problems(path) == [
        (3, "daemon.lab_id"),
        (10, "store.mysql.port"),
        (11, "store.mysql.tls"),
        (12, "store.mysql.password_file"),
        (13, "http.tokens_file"),
        (16, "instrument[1].id"),
        (18, "instrument[1].driver"),
        (20, "instrument[2].name"),
        (24, "instrument[2].dialect.max_backlog"),
        (25, "instrument[2].dialect.colour"),
        (26, "colours"),
    ]


WRONG_TYPES = {
    "a number in quotes": ('[store.mysql]\nport = "3306"', 9, "store.mysql.port"),
    "a truth in quotes": ('[store.redis]\ntls = "yes"', 9, "store.redis.tls"),
    "a truth as a number": ("[store.redis]\ntls = 1", 9, "store.redis.tls"),
    "a number as a truth": ("[journal]\nmax_megabytes = true", 9, "journal.max_megabytes"),
    "a duration in quotes": ('[rerun]\nhistory_window = "72"', 9, "rerun.history_window"),
    "text without quotes": ("[store.mysql]\nuser = 7", 9, "store.mysql.user"),
    "a path without quotes": ("[store]\npath = 7", 9, "store.path"),
    "a table as text": ('store = "here"', 8, "instrument[0].store"),
    "a switch in quotes": ('dialect.max_frame = "64"', 8, "instrument[0].dialect.max_frame"),
}


@pytest.mark.parametrize(("text", "line", "key"), WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_a_value_of_another_type_is_refused(write, text, line, key):
    assert problems(write(f"{SMALLEST}{text}\n")) == [(line, key)]


def test_a_number_in_quotes_is_told_as_what_it_is(write):
    with pytest.raises(config.ConfigError, match=r"store\.mysql\.port: must be a whole number"):
        config.load(write(f'{SMALLEST}[store.mysql]\nport = "3306"\n'))


@pytest.mark.parametrize("text", ["instrument = 1\n", "[instrument]\nid = 1\n", "daemon = 1\n"])
def test_a_table_that_is_none_is_a_problem(write, text):
    assert (1, text.strip("[").split("]")[0].split(" ")[0]) in problems(write(text))


def test_a_whole_number_is_a_duration(write):
    loaded = config.load(write(f"{SMALLEST}[rerun]\nhistory_window = 60\n"))
    assert loaded.file.rerun.history_window == 60.0


@pytest.mark.parametrize(
    ("change", "line", "key"),
    [
        pytest.param(("sysmex-xn", "sysmex-xm"), 6, "instrument[0].driver", id="unknown driver"),
        pytest.param(
            ('"sysmex-xn"', '"mindray-bc"\ndialect.framing = "e1381"'),
            7,
            "instrument[0].dialect.framing",
            id="ASTM switch for an HL7 driver",
        ),
        pytest.param(
            ('"sysmex-xn"', '"mindray-bc"\ndialect.encoding = "utf-9"'),
            7,
            "instrument[0].dialect.encoding",
            id="unknown character encoding",
        ),
        pytest.param(
            ('"listen://0.0.0.0:5001"', '"listen://0.0.0.0:5001"\ntimezone = "Mars/Olympus"'),
            8,
            "instrument[0].timezone",
            id="unknown time zone",
        ),
        pytest.param(
            ('"listen://0.0.0.0:5001"', '"listen://0.0.0.0:5001"\ndialect.max_fame = 1'),
            8,
            "instrument[0].dialect.max_fame",
            id="unknown dialect switch",
        ),
        pytest.param(
            ('"listen://0.0.0.0:5001"', '"listen://0.0.0.0:5001"\ndialect.max_frame = "long"'),
            8,
            "instrument[0].dialect.max_frame",
            id="dialect switch of the wrong type",
        ),
    ],
)
def test_an_instrument_that_can_not_be_used_is_named(write, change, line, key):
    found = problems(write(SMALLEST.replace(*change)))

    assert (line, key) in found


def test_an_hl7_driver_gives_an_hl7_link_with_the_switches_of_the_instrument(write):
    text = SMALLEST.replace('"sysmex-xn"', '"mindray-cl"\ndialect.max_backlog = 7')
    [instrument] = config.load(write(text)).instruments
    profile = load("mindray-cl")
    assert isinstance(instrument.dialect, Hl7Dialect)
    assert instrument.dialect == dataclasses.replace(profile.dialect, max_backlog=7)


def test_a_broken_profile_of_the_lab_is_told_with_its_own_line(write, tmp_path):
    broken = tmp_path / "sysmex-xn.toml"
    broken.write_text('name = "sysmex-xn"\nvendr = "x"\n')
    path = write(SMALLEST.replace("[daemon]", f'[daemon]\ndrivers_dir = "{tmp_path}"'))

    with pytest.raises(config.ConfigError) as caught:
        config.load(path)

    places = [(p.file, p.line, p.key) for p in caught.value.problems]
    assert (str(path), 7, "instrument[0].driver") in places
    assert (str(broken), 2, "vendr") in places


def test_no_instrument_is_a_problem(write):
    assert problems(write("[daemon]\n")) == [(1, "instrument")]


def test_a_syntax_error_has_its_line(write):
    assert problems(write("[daemon]\nstate_dir = \n")) == [(2, "")]


def test_a_missing_file_is_a_problem(tmp_path):
    assert problems(tmp_path / "absent.toml") == [(1, "")]


@pytest.mark.parametrize(
    ("second", "keys"),
    [
        pytest.param('id = "42"\nlink = "listen://0.0.0.0:5002"', {"instrument[1].id"}, id="id"),
        pytest.param(
            'id = "43"\nlink = "listen://0.0.0.0:5001"',
            {"instrument[0].link", "instrument[1].link"},
            id="port without addresses",
        ),
    ],
)
def test_two_instruments_can_not_share(write, second, keys):
    other = f'[[instrument]]\n{second}\nname = "other"\ndriver = "sysmex-xn"\n'

    assert {found for _, found in problems(write(SMALLEST + other))} == keys


def test_two_instruments_share_a_port_when_told_apart_by_address(write):
    text = SMALLEST.replace("5001", "5001?peer=10.0.0.7") + (
        '[[instrument]]\nid = "43"\nname = "other"\ndriver = "sysmex-xn"\n'
        'link = "listen://0.0.0.0:5001?peer=10.0.0.8"\n'
    )

    assert len(config.load(write(text)).instruments) == 2


def test_a_serial_port_has_one_instrument(write):
    line = 'link = "serial:///dev/ttyUSB0?baud={}"'
    text = SMALLEST.replace('link = "listen://0.0.0.0:5001"', line.format(9600)) + (
        f'[[instrument]]\nid = "43"\nname = "other"\ndriver = "sysmex-xn"\n{line.format(4800)}\n'
    )

    assert [key for _, key in problems(write(text))] == ["instrument[1].link"]


@pytest.mark.parametrize(
    ("driver", "wanted", "said"),
    [
        ("sysmex-xn", "push", "driver 'sysmex-xn' does not know how to push orders on this link"),
        (
            "abbott-celldyn-ruby",
            "answer",
            "driver 'abbott-celldyn-ruby' does not know how to answer orders on this link",
        ),
        ("sysmex-xp", "answer", "driver 'sysmex-xp' does not know how to answer orders"),
    ],
)
def test_orders_in_a_way_that_the_driver_does_not_know_are_a_problem(write, driver, wanted, said):
    path = write(SMALLEST.replace("sysmex-xn", driver) + f'orders = "{wanted}"\n')
    assert problems(path) == [(8, "instrument[0].orders")]
    with pytest.raises(config.ConfigError, match=said):
        config.load(path)


@pytest.mark.parametrize("wanted", ["answer", "push"])
def test_orders_to_an_instrument_that_is_only_listened_to_are_a_problem(write, wanted):
    text = SMALLEST.replace("sysmex-xn", "generic-astm")
    more = f'orders = "{wanted}"\ndialect.direction = "receive_only"\n'
    assert problems(write(text + more)) == [(8, "instrument[0].orders")]


@pytest.mark.parametrize("driver", ["sysmex-xn", "abbott-celldyn-ruby", "sysmex-xp"])
@pytest.mark.parametrize("wanted", ["auto", "off"])
def test_any_driver_may_be_left_to_itself_or_get_no_orders(write, driver, wanted):
    text = SMALLEST.replace("sysmex-xn", driver) + f'orders = "{wanted}"\n'
    (instrument,) = config.load(write(text)).instruments
    assert instrument.section.orders == wanted


def test_orders_are_auto_answer_push_or_off(write):
    assert problems(write(SMALLEST + 'orders = "yes"\n')) == [(8, "instrument[0].orders")]


def test_a_line_for_orders_is_told_apart_from_every_other(write):
    text = SMALLEST + 'orders_link = "listen://0.0.0.0:{}"\n'
    (instrument,) = config.load(write(text.format(5002))).instruments
    assert (instrument.orders_url.port, instrument.url.port) == (5002, 5001)
    keys = {key for _, key in problems(write(text.format(5001)))}
    assert keys == {"instrument[0].link", "instrument[0].orders_link"}
    assert problems(write(SMALLEST + 'orders_link = "telnet://x:1"\n')) == [
        (8, "instrument[0].orders_link")
    ]


def test_a_dialect_switch_overrides_the_profile(write):
    text = SMALLEST + "dialect.receive_timeout = 60\n"

    (instrument,) = config.load(write(text)).instruments

    assert instrument.dialect.receive_timeout == 60
    assert instrument.dialect.encoding == instrument.profile.dialect.encoding


def test_the_zone_of_an_instrument_wins_over_that_of_the_daemon(write):
    text = SMALLEST.replace("[daemon]", '[daemon]\ntimezone = "Europe/Rome"')

    (rome,) = config.load(write(text)).instruments
    (tokyo,) = config.load(write(text + 'timezone = "Asia/Tokyo"\n')).instruments

    noon = dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC)
    assert noon.astimezone(rome.timezone).hour == 14
    assert noon.astimezone(tokyo.timezone).hour == 21


def test_a_profile_of_the_lab_replaces_the_shipped_one(write, tmp_path):
    shipped = ROOT / "drivers" / "profiles" / "sysmex-xn.toml"
    own = re.sub(r'(?m)^version = ".*"', 'version = "lab-1"', shipped.read_text())
    (tmp_path / "sysmex-xn.toml").write_text(own)
    text = SMALLEST.replace("[daemon]", f'[daemon]\ndrivers_dir = "{tmp_path}"')

    (instrument,) = config.load(write(text)).instruments

    assert instrument.profile.version == "lab-1"


def test_the_reference_is_valid_and_states_the_defaults():
    document = tomllib.loads(REFERENCE.read_text())

    assert config.load(REFERENCE).file == config.ConfigFile.model_validate(
        {
            "instrument": [
                {k: document["instrument"][0][k] for k in ("id", "name", "driver", "link")}
            ]
        }
    )


@pytest.mark.parametrize("page", ["README.md", "docs/install.md"])
def test_the_instruments_that_a_page_shows_can_be_configured(write, page):
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    instruments = config.load(write("\n".join(blocks))).instruments
    assert [i.profile.protocol for i in instruments] == ["astm", "hl7"]


@pytest.mark.parametrize("server", ["mysql", "mongodb", "redis"])
def test_the_reference_has_every_key_of_a_server_with_its_default(server):
    """The files of passwords and certificates aside, which have none."""
    text = REFERENCE.read_text()
    (table,) = re.findall(rf"(?m)^# \[store\.{server}\].*\n((?:# .+\n)+)", text)
    stated = tomllib.loads(re.sub(r"(?m)^# ", "", table))
    model = config_stores.StoreSection.model_fields[server].annotation
    (section,) = (kind for kind in get_args(model) if kind is not type(None))
    optional = {name for name, field in section.model_fields.items() if field.default is None}
    assert stated.keys() == section.model_fields.keys()
    without = {key: value for key, value in stated.items() if key not in optional}
    assert section.model_validate(without) == section()


@pytest.mark.parametrize(
    "section", ["daemon", "journal", "orders", "rerun", "store", "http", "instrument"]
)
def test_the_reference_has_every_key(section):
    text = REFERENCE.read_text()
    field = config.ConfigFile.model_fields[section]
    listed = {"instrument": config.InstrumentSection, "http": config.HttpSection}
    model = listed.get(section, field.annotation)
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    begin = re.search(rf"(?m)^(# )?\[+{section}\]+$", text)
    assert begin is not None
    body = re.split(r"(?m)^(?:# )?\[+\w+\]+$", text[begin.end() :])[0]

    missing = [
        key
        for key in model.model_fields
        if not re.search(rf"(?m)^(# )?\[?(instrument\.|store\.)?{key}\b", body)
    ]
    assert not missing
