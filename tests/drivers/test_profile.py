"""The profile format: every mistake with file, line and key, and where profiles are found."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.nearest import nearest
from drivers.profile import SHIPPED, Profile, ProfileError, available, load, origin
from drivers.result import Interpretation

MakeProfile = Callable[..., Profile]

MISTAKES = [
    ("colour = 1", "small.toml:12: rerun.colour: unknown key"),
    ('[dialect]\nchecksum = "none"', "13: dialect.checksum: Input should be 'required'"),
    ("[dialect]\nspeed = 1", "13: dialect.speed: unknown key"),
    ('[dialect]\nencoding = "klingon"', "13: dialect.encoding: unknown character encoding"),
    ('[query]\nsample_id = "Q3"', "13: query.sample_id: expected a field such as R.4"),
    (
        '[message]\nvolatile = ["R.13"]',
        "13: message.volatile: expected whole fields of H, got R.13",
    ),
    (
        '[[kind]]\nfield = "O.12"\nequals = "Q"\nkind = "control"',
        "15: kind[0].kind: Input should be 'patient', 'qc', 'calibration' or 'training'",
    ),
    (
        '[[kind]]\nfield = "R.9"\nequals = "Q"\nkind = "qc"',
        "13: kind[0].field: expected a field of H, P or O, or sample_id, got 'R.9'",
    ),
    (
        '[[kind]]\nfield = "sample_id"\nkind = "qc"',
        "12: kind[0]: expected either `equals` or `pattern`",
    ),
    (
        '[[rerun.mark]]\nfield = "R.9"\nequals = "C"',
        "12: rerun.mark[0]: expected `run_kind`, `next_action` or both",
    ),
    (
        '[[rerun.mark]]\nfield = "R.9"\nequals = "C"\nrun_kind = "rerun"',
        "10: rerun: `marked` must say whether a [[rerun.mark]] names a rerun",
    ),
]


@pytest.mark.parametrize(("more", "problem"), MISTAKES, ids=[p for _, p in MISTAKES])
def test_a_mistake_has_file_line_and_key(
    make_profile: MakeProfile, more: str, problem: str
) -> None:
    with pytest.raises(ProfileError) as raised:
        make_profile(more)
    assert problem in str(raised.value)
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('id = "O.3"', 'id = "O"'), "7: specimen.id: expected a field such as R.4"),
        (('name = "small"', 'name = "Big"'), "1: name: String should match pattern"),
        (('name = "small"', 'name = "big"'), "1: name: expected 'small' as the file is called"),
        (('protocol = "astm"', 'protocol = "x"'), "5: protocol: Input should be 'astm', got 'x'"),
        (('protocol = "astm"', 'quirks = ["x"]'), "5: quirks[0]: unknown quirk 'x'; known: "),
        (
            ('test_code = "R.3.4"', 'test_code = "R.3.4"\n[[result.invalid]]\nreason = "none"'),
            "10: result.invalid[0]: expected either `text` or `pattern`",
        ),
        (
            ('test_code = "R.3.4"', 'test_code = "R.3.4"\nrun_at = ["main", "X"]'),
            "10: result.run_at: expected a field such as R.4",
        ),
        (
            ('test_code = "R.3.4"', 'test_code = "R.3.4"\nrun_at = "O.23"\ndilution = {}'),
            "11: result.dilution: expected either `from` or `join`",
        ),
        (
            ('test_code = "R.3.4"', 'test_code = "R.3.4"\nflags = ["R.7", "Q.3"]'),
            "10: result.flags: expected a field such as R.4",
        ),
        (('version = "1"', "version = "), "2: Invalid value"),
    ],
)
def test_a_wrong_value_has_file_line_and_key(
    make_profile: MakeProfile, change: tuple[str, str], problem: str
) -> None:
    with pytest.raises(ProfileError) as raised:
        make_profile("", change)
    assert problem in str(raised.value)


def test_all_mistakes_are_told_at_once(make_profile: MakeProfile) -> None:
    with pytest.raises(ProfileError) as raised:
        make_profile("x = 1\n[message]\ny = 2\n", ('version = "1"', "versions = 1"))
    keys = [problem.key for problem in raised.value.problems]
    assert sorted(keys) == ["message.y", "rerun.x", "version", "versions"]


def test_the_dialect_takes_the_switches_of_the_protocol(make_profile: MakeProfile) -> None:
    dialect = make_profile('[dialect]\nmax_text = 63993\nencoding = "cp1251"\n').dialect
    assert (dialect.max_text, dialect.encoding) == (63993, "cp1251")
    assert dialect.max_frame == make_profile().dialect.max_frame


def test_an_instrument_may_differ_from_its_profile_in_the_dialect(
    make_profile: MakeProfile, read: Callable[..., Interpretation]
) -> None:
    profile = make_profile("[dialect]\nmax_text = 1000\n")
    records = ("O|1|S1", "R|1|^^^GLU|5|\N{MICRO SIGN}mol/L")
    assert read(profile, *records).samples[0].results[0].units == "\N{MICRO SIGN}mol/L"
    changed = profile.with_dialect({"encoding": "utf-8"})
    assert (changed.dialect.encoding, changed.dialect.max_text) == ("utf-8", 1000)
    assert (profile.dialect.encoding, profile.with_dialect({})) == ("latin-1", profile)
    assert changed.readers == {}
    assert read(changed, *records).samples[0].results[0].units == "\N{MICRO SIGN}mol/L"
    with pytest.raises(ValidationError, match="speed"):
        profile.with_dialect({"speed": 1})


def test_a_profile_is_loaded_once_and_again_when_it_has_changed(
    tmp_path: Path, small_profile: str
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(small_profile, encoding="utf-8")
    first = load(path)
    assert load(path) is first
    path.write_text(small_profile.replace('"Test"', '"Other"'), encoding="utf-8")
    assert load(path).vendor == "Other"


def test_a_local_folder_comes_before_the_shipped_profiles(
    tmp_path: Path, small_profile: str
) -> None:
    text = small_profile.replace('"small"', '"generic-astm"').replace('"Test"', '"Ours"')
    (tmp_path / "generic-astm.toml").write_text(text, encoding="utf-8")
    (tmp_path / "small.toml").write_text(small_profile, encoding="utf-8")
    assert load("generic-astm", [tmp_path]).vendor == "Ours"
    assert load("generic-astm").vendor == "any"
    assert load(str(tmp_path / "small.toml")).name == "small"
    assert set(available([tmp_path])) == {*available(), "small"}


def test_an_unknown_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(ProfileError, match="no such driver; did you mean 'sysmex-xn'"):
        load("sysmexxn")
    with pytest.raises(ProfileError, match=r"no such driver; known: .*generic-astm"):
        load("quite-another")
    with pytest.raises(ProfileError, match="can not be read"):
        load(Path("none.toml"))


NEAR = {
    "sysmx-xn": ["sysmex-xn"],
    "Sysmex XN-1000": ["sysmex-xn"],
    "BC-6800": ["mindray-bc"],
    "alinity": ["abbott-alinity-ci", "abbott-alinity-ci-astm", "abbott-alinity-m"],
}


@pytest.mark.parametrize(("wanted", "names"), NEAR.items(), ids=NEAR)
def test_an_unknown_name_is_understood_by_vendor_and_model(wanted: str, names: list[str]) -> None:
    with pytest.raises(ProfileError) as raised:
        load(wanted)
    said = str(raised.value).partition("did you mean ")[2]
    assert said.rstrip("?").replace(" or ", ", ").replace("'", "").split(", ") == names


def test_a_local_profile_that_can_not_be_read_is_still_meant_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "our-analyzer.toml").write_text("name =", encoding="utf-8")
    with pytest.raises(ProfileError, match="did you mean 'our-analyzer'"):
        load("our-analyser", [tmp_path])


def test_no_name_is_like_none() -> None:
    assert nearest("", {"sysmex-xn": "Sysmex"}) == []
    assert nearest("sysmex", {}) == []


def test_a_profile_is_shipped_or_local_or_a_local_one_in_place_of_a_shipped_one(
    tmp_path: Path, small_profile: str
) -> None:
    (tmp_path / "small.toml").write_text(small_profile, encoding="utf-8")
    (tmp_path / "sysmex-xn.toml").write_text(small_profile, encoding="utf-8")
    assert origin("sysmex-xn") == origin(SHIPPED / "sysmex-xn.toml") == "shipped"
    assert origin("sysmex-xn", [tmp_path]) == "local_override"
    assert origin("small", [tmp_path]) == origin(tmp_path / "small.toml") == "local"


@pytest.mark.parametrize("name", available())
def test_a_shipped_profile_says_what_backs_it(name: str) -> None:
    profile = load(name)
    assert profile.source
    assert profile.verified
    assert profile.unverified
    assert all(reference.backs for reference in profile.source)


def test_the_strongest_source_backs_a_part(make_profile: MakeProfile) -> None:
    source = '[[source]]\ndocument = "D"\nkind = "{}"\nbacks = ["{}"]\n'
    profile = make_profile(
        source.format("code", "result")
        + source.format("capture", "result")
        + source.format("manual", "result.value")
        + '[[source]]\ndocument = "of no kind"\nbacks = ["query"]\n'
    )
    assert [profile.backing(part) for part in ("result", "kind", "query")] == [
        "capture",
        None,
        None,
    ]


@pytest.mark.parametrize("name", available())
def test_a_shipped_profile_says_what_its_sources_are_and_what_they_back(name: str) -> None:
    profile = load(name)
    assert all(source.kind for source in profile.source)
    assert profile.backing("result")
    assert not profile.kind or profile.backing("kind")
    assert not profile.rerun.mark or profile.backing("rerun.mark")
    assert "query" not in profile.model_fields_set or profile.backing("query")
