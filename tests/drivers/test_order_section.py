"""`[order]` and its templates: every mistake with file, line and key."""

from collections.abc import Callable

import pytest

from drivers.profile import AstmProfile, Profile, ProfileError, available, load
from drivers.templates import Template

MakeProfile = Callable[..., Profile]

SECTION = """
[order]
use = "query"
[order.fields]
O.3 = "{sample_id}"
O.5 = "{tests}"
"""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('use = "query"', ""), "13: order.use: is missing"),
        (('use = "query"', "use = []"), "14: order.use: Value should have at least 1 item"),
        (('use = "query"', 'use = ["query", "cancel"]'), "there is an [order.when.cancel]"),
        (
            ('use = "query"', 'use = "mail"'),
            "14: order.use: Input should be 'query', 'push' or 'cancel'",
        ),
        (("[order.fields]", '[order.fields]\nR.3 = "x"'), "16: order.fields.R: unknown key"),
        (("[order.fields]", '[order.fields]\nO.2 = "x"'), "order.fields.O.2: Input should be"),
        (
            ('"{sample_id}"', '"{sample}"'),
            "16: order.fields.O.3: unknown placeholder {sample}; known: birth_date, now,",
        ),
        (
            ("[order.fields]", '[order.fields]\nH.5 = "{sample_id}"'),
            "16: order.fields.H.5: unknown placeholder {sample_id}; known: now, today, and fields",
        ),
        (
            ("[order.fields]", '[order.fields]\nP.5 = "{Q.3[2].1}"'),
            "16: order.fields.P.5: expected a field or a component of it, got Q.3[2].1",
        ),
        (('"{sample_id}"', '"{Q.3.*}"'), "expected a field or a component of it, got Q.3.*"),
        (('"{sample_id}"', '"{sample_id"'), "a brace without its other in '{sample_id'"),
        (('"{sample_id}"', '"sample_id}"'), "a brace without its other in 'sample_id}'"),
        (('"{sample_id}"', '"{sample_id:9}"'), "a brace without its other"),
        (('"{sample_id}"', '"a|b"'), "a template holds no control character and no |"),
        (('"{sample_id}"', "3"), "16: order.fields.O.3: expected a text, got 3"),
        (('"{sample_id}"', '"x"'), "13: order: expected {sample_id} in a field of O"),
        (('"{tests}"', '"x"'), "13: order: expected {tests} in a field of O"),
        (("[order.fields]", 'test = "x"\n[order.fields]'), "order: expected {code} in `test`"),
        (
            ("[order.fields]", 'delimiters = "|"\n[order.fields]'),
            "15: order.delimiters: expected delimiters such as '|\\^&', got '|'",
        ),
        (
            ("[order.fields]", "delimiters = 1\n[order.fields]"),
            "15: order.delimiters: expected delimiters such as '|\\^&', got 1",
        ),
        (
            ("[order.fields]", '[[order.refusal]]\nfield = "R.9"\nequals = "X"\n[order.fields]'),
            "16: order.refusal[0].field: expected a field such as",
        ),
        (("[order.fields]", "[order.when.never]\n[order.fields]"), "15: order.when.never"),
    ],
)
def test_a_mistake_has_file_line_and_key(
    make_profile: MakeProfile, change: tuple[str, str], problem: str
) -> None:
    assert change[0] in SECTION
    with pytest.raises(ProfileError) as raised:
        make_profile(SECTION.replace(*change))
    assert problem in str(raised.value)


def test_a_field_of_the_question_names_the_sample_too(make_profile: MakeProfile) -> None:
    assert make_profile(SECTION.replace("{sample_id}", "{Q.3}"))


def test_a_template_is_shown_as_it_was_written() -> None:
    assert str(Template.parse("^{code}^{Q.3.4:>9}")) == "^{code}^{Q.3.4:>9}"


@pytest.mark.parametrize("name", available())
def test_a_profile_with_orders_says_what_backs_them(name: str) -> None:
    profile = load(name)
    section = profile.order if isinstance(profile, AstmProfile) else None
    assert bool(section) == bool(profile.backing("order")) or not isinstance(profile, AstmProfile)
