"""Policies with random weights for the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.observation import ObservationLayout
from veaat_migration.policy.scaling import Scale
from veaat_migration.policy.schema import PolicySchema
from veaat_migration.policy.training_record import TrainingRecord

TRAINING = TrainingRecord("0" * 64, 7, 1000, "0.1.0", "2026-01-31T12:00:00Z")


def make_schema(
    role: str = "follower",
    agent_id: int = 1,
    *,
    n_avs: int = 3,
    n_rsus: int = 2,
    hidden: tuple[int, ...] = (20, 19),
    history: int = 4,
    observe_current_price: bool = True,
    price_scale: str = "geometric",
    price_low: float = 2.0,
    low: float = 0.0,
    **others: Any,
) -> PolicySchema:
    """Description of a policy of the base case, or of a game of another size."""
    layout = ObservationLayout(n_avs, n_rsus, history, observe_current_price)
    size, actions = (layout.leader_size, 1) if role == "leader" else (layout.follower_size, n_rsus)
    fields: dict[str, Any] = {
        "role": role,
        "agent_id": agent_id,
        "rsu_ids": tuple(range(1, n_rsus + 1)),
        "av_ids": tuple(range(1, n_avs + 1)),
        "layout": layout,
        "price_scale": Scale(
            price_scale, np.linspace(price_low, price_low + 0.5, n_rsus), np.full(n_rsus, 30.0)
        ),
        "bandwidth_scale": Scale(
            "linear", np.full(n_avs * n_rsus, low), np.full(n_avs * n_rsus, 10.0)
        ),
        "arrival_rate": (4.0,) * n_rsus,
        "service_rate": (10.0,) * n_rsus,
        "widths": (size, *hidden, actions),
        "unpruned": tuple(max(64, width) for width in hidden),
        "training": TRAINING,
    }
    return PolicySchema(**{**fields, **others})


def make_artifact(
    role: str = "follower", agent_id: int = 1, *, seed: int = 0, gain: float = 1.0, **options: Any
) -> PolicyArtifact:
    """A policy with random weights."""
    schema = make_schema(role, agent_id, **options)
    rng = np.random.default_rng([seed, agent_id, role == "leader"])
    weights = [
        gain * rng.standard_normal((outputs, inputs)) / np.sqrt(inputs)
        for inputs, outputs in zip(schema.widths[:-1], schema.widths[1:], strict=True)
    ]
    biases = [0.1 * rng.standard_normal(width) for width in schema.widths[1:]]
    return PolicyArtifact.from_arrays(schema, weights, biases)


def make_record(schema: PolicySchema, seed: int | None = None) -> np.ndarray:
    """A record as actors take it: random entries, or zeros without a seed, and the one."""
    record = np.zeros(schema.layout.record_size + 1)
    if seed is not None:
        record[:] = np.random.default_rng(seed).uniform(-1, 1, len(record))
    record[-1] = 1.0
    return record


def make_bundle(**options: Any) -> list[PolicyArtifact]:
    """Policies of all five players of the base case."""
    leaders = [make_artifact("leader", j, **options) for j in (1, 2)]
    return leaders + [make_artifact("follower", i, **options) for i in (1, 2, 3)]
