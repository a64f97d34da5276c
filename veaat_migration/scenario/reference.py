"""Where each key lives and which symbol of the paper it is."""

from __future__ import annotations

from veaat_migration.scenario.parts import (
    Av,
    DelayRule,
    DistanceCoupling,
    MeasuredQuality,
    Part,
    RadioChannel,
    ReputationLaw,
    Rsu,
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
}
"""Keys that people try first, and the key that is meant."""
