"""The JSON schema of profiles: it takes every shipped one, and sees the mistakes of a writer."""

import tomllib
import warnings
from typing import Any, get_args

import jsonschema_rs
import pytest
from pydantic import ValidationError

from drivers.profile import SHIPPED, AstmProfile, Hl7Profile
from drivers.schema import Protocol, profile_schema

SHIPPED_PROFILES = sorted(SHIPPED.glob("*.toml"))

PATHS: dict[Protocol, tuple[str, str]] = {"astm": ("O.3", "R.3.4"), "hl7": ("OBR.3", "OBX.3.1")}


@pytest.fixture(scope="module", params=get_args(Protocol))
def protocol(request: pytest.FixtureRequest) -> Protocol:
    found: Protocol = request.param
    return found


def small(protocol: Protocol, /, **changes: Any) -> dict[str, Any]:
    """The smallest profile, with changes by `table__key`, or of a key at the top."""
    specimen, test_code = PATHS[protocol]
    profile: dict[str, Any] = {
        "name": "small",
        "version": "1",
        "vendor": "Test",
        "models": "One",
        "protocol": protocol,
        "specimen": {"id": specimen},
        "result": {"test_code": test_code},
        "rerun": {"marked": False},
    }
    for place, value in changes.items():
        table, _, key = place.partition("__")
        if key:
            profile.setdefault(table, {})[key] = value
        else:
            profile[table] = value
    return profile


@pytest.mark.parametrize("file", SHIPPED_PROFILES, ids=lambda path: path.stem)
def test_a_shipped_profile_is_valid(file: Any) -> None:
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    jsonschema_rs.validate(profile_schema(data["protocol"]), data)


def test_the_smallest_profile_is_valid(protocol: Protocol) -> None:
    assert jsonschema_rs.is_valid(profile_schema(protocol), small(protocol))


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "lis2"},
        {"name": "Has Blanks"},
        {"result__test_code": "OBX3"},
        {"result__test_code": {"join": ["OBX.3"], "wiht": "^"}},
        {"result__test_code": {"with": "^"}},
        {"result__decimal_sign": ";"},
        {"result__flags": "no path"},
        {"result__run_at": "tomorrow"},
        {"result__status_codes": {"F": "finished"}},
        {"specimen__idd": "O.3"},
        {"dialect__encoding": 8},
        {"dialect__no_such_switch": True},
        {"kind": [{"field": "somewhere", "equals": "Q", "kind": "qc"}]},
        {"rerun": {}},
    ],
    ids=str,
)
def test_a_mistake_is_seen(protocol: Protocol, changes: dict[str, Any]) -> None:
    assert not jsonschema_rs.is_valid(profile_schema(protocol), small(protocol, **changes))


ASTM_ORDER = {"use": "query", "fields": {"O": {"3": "{sample_id:>22}", "5": "{tests}"}}}
HL7_ORDER = {"use": "query", "form": "law", "fields": {"OBR.4": "{code}^^{QPD.11}"}}
ORDERS: dict[Protocol, dict[str, Any]] = {"astm": ASTM_ORDER, "hl7": HL7_ORDER}


def test_orders_are_valid(protocol: Protocol) -> None:
    assert jsonschema_rs.is_valid(profile_schema(protocol), small(protocol, order=ORDERS[protocol]))


@pytest.mark.parametrize(
    "change",
    [
        {"use": "mail"},
        {"use": []},
        {"frames": "record"},
        {"test": "^^^{test}"},
        {"test": "^^^GLU"},
        {"delimiters": "|^^&"},
        {"delimiters": "|"},
        {"codes": "OBX.3"},
        {"when": {"never": {}}},
        {"when": {"push": {"H": {"5": "{sample_id}"}}}},
        {"refusal": [{"field": "R.9", "equals": "X"}]},
        {"fields": {"R": {"3": "x"}}},
        {"fields": {"O": {"2": "x"}}},
        {"fields": {"O": {"3": "{sample}"}}},
        {"fields": {"O": {"3": "{sample_id"}}},
        {"fields": {"O": {"3": "{sample_id:9}"}}},
        {"fields": {"O": {"3": "{Q.3.*}"}}},
        {"fields": {"O": {"3": "a|b"}}},
        {"fields": {"P": {"3": "{tests}"}}},
    ],
    ids=str,
)
def test_a_mistake_in_orders_is_seen_in_astm_where_the_loader_sees_it(
    change: dict[str, Any],
) -> None:
    profile = small("astm", order=ASTM_ORDER | change)
    assert not jsonschema_rs.is_valid(profile_schema("astm"), profile)
    with pytest.raises(ValidationError):
        AstmProfile.model_validate(profile)


@pytest.mark.parametrize(
    "change",
    [
        {"use": "mail"},
        {"form": "lwa"},
        {"form": {}},
        {"form": {"QBP^Q11": "lwa"}},
        {"forms": "law"},
        {"test": "{tests}"},
        {"lines": {"0": "x"}},
        {"fields": {"OBR": "x"}},
        {"fields": {"QRD.1": "x"}},
        {"none": {"ZZZ.1": "x"}},
        {"form": {"QBP^Q11": "law"}, "fields": {"ZZZ.1": "x"}},
        {"push": {"OBR.4": "{sample}"}},
        {"reply": {"OBR.4": "{code"}},
        {"rerun_fields": {"OBR.4": "a|b"}},
        {"fields": {"OBR.4": "a\\b"}},
    ],
    ids=str,
)
def test_a_mistake_in_orders_is_seen_in_hl7_where_the_loader_sees_it(
    change: dict[str, Any],
) -> None:
    profile = small("hl7", order=HL7_ORDER | change)
    assert not jsonschema_rs.is_valid(profile_schema("hl7"), profile)
    with pytest.raises(ValidationError):
        Hl7Profile.model_validate(profile)


def test_each_switch_of_a_dialect_is_explained(protocol: Protocol) -> None:
    switches = profile_schema(protocol)["$defs"]["DialectTable"]["properties"]
    explained = {name for name, switch in switches.items() if switch.get("description")}
    assert {"encoding", "header_backslash", "utf16_escapes"} <= explained
    assert len(explained) > len(switches) / 2


def test_it_is_made_without_a_warning(protocol: Protocol) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        profile_schema(protocol)
    assert not said


def test_a_default_is_what_a_profile_may_say(protocol: Protocol) -> None:
    schema = profile_schema(protocol)
    keys = [
        key for table in (schema, *schema["$defs"].values()) for key in table["properties"].values()
    ]
    defaults = [key for key in keys if key.get("default") is not None]
    for key in defaults:
        jsonschema_rs.validate(key | {"$defs": schema["$defs"]}, key["default"])
    assert len(defaults) > len(keys) / 3
