"""The JSON columns of a report format's parameters: `ranges` and `meta`.

A LIMS writes them too, so numbers are taken for decimal text and blank for open.
"""

from typing import Any, get_args

import msgspec

from rerund.rerun.records import AutoCondition, ParameterMeta, Range

Object = dict[str, Any]

_BOUNDS = ("lower", "upper", "critical_lower", "critical_upper")


def encode_ranges(ranges: tuple[Range, ...]) -> str | None:
    """Ranges as a JSON list with one object per sex; None for none."""
    return msgspec.json.encode(ranges).decode() if ranges else None


def encode_meta(meta: ParameterMeta) -> str:
    """The meta as a JSON object with the names of the lab's words."""
    custom = {"lower": meta.auto_rerun_lower, "upper": meta.auto_rerun_upper}
    return msgspec.json.encode(
        {
            "manual_rerun": meta.manual_rerun,
            "auto_rerun": meta.auto_rerun,
            "auto_rerun_condition": meta.auto_rerun_condition,
            "auto_rerun_custom": custom if any(custom.values()) else None,
            "auto_rerun_flags": meta.auto_rerun_flags,
        }
    ).decode()


def decode_ranges(text: str | None) -> tuple[Range, ...]:
    """The ranges of a parameter. Raises ValueError for what is no list of ranges."""
    entries = _decode(text, list[Object] | None) or []
    return tuple(
        Range((_text(entry.get("sex")) or "").upper(), *(_text(entry.get(b)) for b in _BOUNDS))
        for entry in entries
    )


def decode_meta(text: str | None) -> ParameterMeta:
    """The meta of a parameter. Raises ValueError for what is no such object."""
    meta = _decode(text, Object | None) or {}
    custom = meta.get("auto_rerun_custom") or {}
    condition = meta.get("auto_rerun_condition") or None
    if condition is not None and condition not in get_args(AutoCondition):
        raise ValueError("unknown auto_rerun_condition")
    return ParameterMeta(
        manual_rerun=bool(meta.get("manual_rerun")),
        auto_rerun=bool(meta.get("auto_rerun")),
        auto_rerun_condition=condition,
        auto_rerun_lower=_text(custom.get("lower")),
        auto_rerun_upper=_text(custom.get("upper")),
        auto_rerun_flags=tuple(map(str, meta.get("auto_rerun_flags") or ())),
    )


def _decode(text: str | None, kind: Any) -> Any:
    # float_hook: a bound written as a number keeps its digits.
    return msgspec.json.Decoder(kind, float_hook=str).decode(text) if text else None


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return text or None
