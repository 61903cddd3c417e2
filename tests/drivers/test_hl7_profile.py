"""HL7 profiles: every mistake with file, line and key, in the words of the other protocol."""

from collections.abc import Callable

import pytest

from drivers.profile import AstmProfile, Hl7Profile, ProfileError, available, load

MakeProfile = Callable[..., Hl7Profile]

ORDER_RESULT = """\
[order_result]
when = []
specimen = "OBR.2"
test_code = "OBR.3"
value = "OBR.4"
units = "OBR.5"
run_at = "OBR.6"
"""

MISTAKES = [
    ("colour = 1", "small.toml:12: rerun.colour: unknown key"),
    ('[dialect]\nblock_end = "x"', "13: dialect.block_end: Input should be 'strict'"),
    ('[dialect]\nchecksum = "required"', "13: dialect.checksum: unknown key"),
    ('[dialect]\nencoding = "klingon"', "13: dialect.encoding: unknown character encoding"),
    ('[query]\nsample_id = "Q.3"', "13: query.sample_id: expected a field such as OBX.5"),
    ('[[query.all]]\nfield = "QPD.3"', "12: query.all[0]: expected either `equals` or `pattern`"),
    (
        '[message]\nvolatile = ["PID.3"]',
        "13: message.volatile: expected whole fields of MSH, got PID.3",
    ),
    (
        '[message]\nvolatile = ["MSH.9.1"]',
        "13: message.volatile: expected whole fields of MSH, got MSH.9.1",
    ),
    (
        '[[kind]]\nfield = "O.12"\nequals = "Q"\nkind = "qc"',
        "13: kind[0].field: expected a field such as OBX.5",
    ),
    (
        '[[result.skip]]\nfield = "OBX.2"',
        "12: result.skip[0]: expected either `equals` or `pattern`",
    ),
    (
        '[[result.suffix]]\nfield = "OBX.2"\nequals = "CE"',
        "12: result.suffix[0].code: is missing",
    ),
    (
        '[[rerun.mark]]\nfield = "OBX.17"\nequals = "1"\nrun_kind = "rerun"',
        "10: rerun: `marked` must say whether a [[rerun.mark]] names a rerun",
    ),
    (
        ORDER_RESULT,
        "13: order_result.when: Tuple should have at least 1 item",
    ),
]


@pytest.mark.parametrize(("more", "problem"), MISTAKES, ids=[p for _, p in MISTAKES])
def test_a_mistake_has_file_line_and_key(
    make_hl7_profile: MakeProfile, more: str, problem: str
) -> None:
    with pytest.raises(ProfileError) as raised:
        make_hl7_profile(more)
    assert problem in str(raised.value)
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('test_code = "OBX.3.1"', ""), "8: result.test_code: is missing"),
        (('test_code = "OBX.3.1"', 'test_code = "R.3"'), "9: result.test_code: expected a field"),
        (
            ('test_code = "OBX.3.1"', 'test_code = "OBX.3.1"\nrun_at = ["main", "R.1"]'),
            "10: result.run_at: expected a field such as OBX.5",
        ),
        (
            ('test_code = "OBX.3.1"', 'test_code = "OBX.3.1"\nabsent = ["("]'),
            "10: result.absent[0]: not a regular expression",
        ),
        (('protocol = "hl7"', 'protocol = "x"'), "5: protocol: Input should be 'astm'"),
    ],
)
def test_a_wrong_value_has_file_line_and_key(
    make_hl7_profile: MakeProfile, change: tuple[str, str], problem: str
) -> None:
    with pytest.raises(ProfileError) as raised:
        make_hl7_profile("", change)
    assert problem in str(raised.value)


def test_a_dialect_is_that_of_the_protocol(make_hl7_profile: MakeProfile) -> None:
    profile = make_hl7_profile('[dialect]\nnumeric_condition = true\naccepted_text = "ok"\n')
    assert (profile.dialect.numeric_condition, profile.dialect.accepted_text) == (True, "ok")
    changed = profile.with_dialect({"release": 2})
    assert (changed.dialect.release, changed.dialect.numeric_condition) == (2, True)
    assert profile.dialect.release == 1


@pytest.mark.parametrize("name", available())
def test_a_profile_is_of_its_protocol(name: str) -> None:
    profile = load(name)
    assert isinstance(profile, Hl7Profile if profile.protocol == "hl7" else AstmProfile)


@pytest.mark.parametrize("name", [name for name in available() if load(name).protocol == "hl7"])
def test_a_profile_says_what_backs_it(name: str) -> None:
    profile = load(name)
    assert profile.models
    assert profile.verified
    assert profile.unverified
    assert profile.backing("result") is not None
    assert profile.backing("specimen") is not None
