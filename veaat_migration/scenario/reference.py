"""Where each key lives and which symbol of the paper it is."""

from __future__ import annotations

from typing import Any

from veaat_migration.scenario.parts import (
    Av,
    DelayRule,
    DistanceCoupling,
    MeasuredQuality,
    Part,
    RadioChannel,
    ReputationLaw,
    Rsu,
    TotalCoupling,
)
from veaat_migration.scenario.schema import Scenario

MODEL_AT: dict[tuple[str | int, ...], type[Part]] = {
    (): Scenario,
    ("avs", "*"): Av,
    ("av_defaults",): Av,
    ("rsus", "*"): Rsu,
    ("rsu_defaults",): Rsu,
    ("rsus", "*", "quality"): MeasuredQuality,
    ("rsu_defaults", "quality"): MeasuredQuality,
    ("channel",): RadioChannel,
    ("delay",): DelayRule,
    ("reputation",): ReputationLaw,
    ("social_coupling",): DistanceCoupling,
    ("service_coupling",): DistanceCoupling,
}
"""The model of the mapping at a place in the file; ``*`` stands for any index."""

SYMBOLS = {
    "delta": "satisfaction",
    "alpha": "delay_sensitivity",
    "T_th": "delay_threshold",
    "Tmax": "max_delay",
    "T_max": "max_delay",
    "D": "data",
    "C": "cycles",
    "q": "quality",
    "c": "cost",
    "f": "compute",
    "lambda": "arrival_rate",
    "mu": "service_rate",
    "p_max": "price_max",
    "b_max": "bandwidth_max",
    "zeta": "social_coupling",
    "eta": "service_coupling",
    "vehicles": "avs",
    "leaders": "rsus",
    "followers": "avs",
    "limit": "capacity",
    "bandwidth": "capacity",
}
"""Keys that people try first, and the key that is meant."""

_SECTIONS: tuple[tuple[str, type[Part]], ...] = (
    ("Top level", Scenario),
    ("avs[i], av_defaults", Av),
    ("rsus[j], rsu_defaults", Rsu),
    ("rsus[j].quality as a mapping", MeasuredQuality),
    ("social_coupling, service_coupling by distance", DistanceCoupling),
    ("social_coupling, service_coupling by total", TotalCoupling),
    ("channel", RadioChannel),
    ("delay", DelayRule),
    ("reputation", ReputationLaw),
)


def reference_text() -> str:
    """Every key with its default, range and meaning, as Markdown tables."""
    return "\n\n".join(_section(title, model) for title, model in _SECTIONS)


def _section(title: str, model: type[Part]) -> str:
    lines = [f"### {title}", "", f"{model.__doc__}", "",
             "| key | default | range | meaning |", "|---|---|---|---|"]  # fmt: skip
    properties = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        if field.is_required():
            default = "required"
        else:
            value = field.get_default(call_default_factory=True)
            default = _default_text(value)
        lines.append(
            f"| `{name}` | {default} | {_range_text(properties[name])} | {field.description} |"
        )
    return "\n".join(lines)


def _default_text(value: object) -> str:
    if isinstance(value, Part):
        return "see below"
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _limit_text(value: float) -> str:
    powers = {10.0**9: "10^9", 2.0**63: "2^63"}
    return powers.get(float(value), f"{value:g}")


def _range_text(schema: dict[str, Any]) -> str:
    """The limits in a JSON schema of one key."""
    for option in schema.get("anyOf", []):
        if option.get("type") in ("number", "string"):
            return _range_text(option)
    if "enum" in schema:
        return ", ".join(schema["enum"])
    words = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    limits = [f"{sign} {_limit_text(schema[key])}" for key, sign in words.items() if key in schema]
    if "minItems" in schema and "maxItems" in schema and schema["maxItems"] > 2:
        limits.append(f"{schema['minItems']} to {schema['maxItems']} entries")
    return ", ".join(limits)
