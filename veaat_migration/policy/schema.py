"""What a policy file says about itself: whose it is, what it observes, how it answers.

The JSON form is strict: every key must be there and no other, so that a policy that was made
for something else is refused instead of being played.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from veaat_migration.policy.checks import (
    MAX_COUNT,
    SchemaError,
    keys,
    list_of,
    numbers_of,
    shown,
    whole,
)
from veaat_migration.policy.observation import RATE_UNIT, ObservationLayout
from veaat_migration.policy.scaling import KINDS, Scale
from veaat_migration.policy.training_record import TrainingRecord

FORMAT = "veaat-policy"
FORMAT_VERSION = 1
ROLES = ("leader", "follower")
ACTIVATIONS = ("tanh", "relu")
MAX_PLAYERS = 10_000
MAX_HISTORY = 1_000
MAX_WIDTH = 1 << 20
MAX_LAYERS = 16
MAX_ID = 2**32 - 1
MAX_VALUE = 1e12
"""Largest price, bandwidth or rate."""
NARROWEST = 1e-6
"""Least width of an action's interval, relative to its upper end."""


@dataclass(frozen=True, eq=False)
class PolicySchema:
    """Everything about a policy but its weights. Players are in the order of the record."""

    role: str
    """"leader" or "follower"."""
    agent_id: int
    """rsu_id or av_id, from 1."""
    rsu_ids: tuple[int, ...]
    """All RSUs of the game, ascending, length R."""
    av_ids: tuple[int, ...]
    """All AVs of the game, ascending, length V."""
    layout: ObservationLayout
    price_scale: Scale
    """p_j, R entries [money/MHz]."""
    bandwidth_scale: Scale
    """b_ij, V R entries, row by row as in the record [MHz]."""
    arrival_rate: tuple[float, ...]
    """lambda_j at which the policy was trained, length R [1/s]."""
    service_rate: tuple[float, ...]
    """mu_j at which the policy was trained, length R [1/s]."""
    widths: tuple[int, ...]
    """Observation, hidden layers, actions."""
    unpruned: tuple[int, ...]
    """Hidden widths before pruning."""
    training: TrainingRecord
    activation: str = "tanh"
    policy_version: int = 1
    """Grows with every policy that replaces another."""
    format_version: int = field(default=FORMAT_VERSION, init=False)

    def __post_init__(self) -> None:
        for name in ("rsu_ids", "av_ids", "widths", "unpruned"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("arrival_rate", "service_rate"):
            object.__setattr__(self, name, tuple(float(x) for x in getattr(self, name)))
        _check(self)

    @property
    def agent(self) -> int:
        """Where the agent stands among the players of its role, from 0."""
        return (self.rsu_ids if self.role == "leader" else self.av_ids).index(self.agent_id)

    @property
    def columns(self) -> list[int]:
        """Entries of the record that the policy observes."""
        choose = (
            self.layout.leader_columns if self.role == "leader" else self.layout.follower_columns
        )
        return choose(self.agent)

    @property
    def action_scale(self) -> Scale:
        """Scale of the K actions: the agent's own price, or its R bandwidths."""
        if self.role == "leader":
            scale, own = self.price_scale, slice(self.agent, self.agent + 1)
        else:
            n_rsus = len(self.rsu_ids)
            scale, own = self.bandwidth_scale, slice(self.agent * n_rsus, (self.agent + 1) * n_rsus)
        return Scale(scale.kind, scale.low[own], scale.high[own])

    @property
    def sparsity(self) -> float:
        """Share of hidden neurons removed."""
        before = sum(self.unpruned)
        return 1.0 - sum(self.widths[1:-1]) / before if before else 0.0

    def same_inputs(self, other: PolicySchema) -> bool:
        """Whether a record made for ``other`` serves this policy as well."""
        return _inputs(self) == _inputs(other)

    def to_json(self) -> dict[str, Any]:
        """What stands in the file."""
        shape = (len(self.av_ids), len(self.rsu_ids))
        training = self.training
        return {
            "format": FORMAT,
            "version": self.format_version,
            "role": self.role,
            "agent_id": self.agent_id,
            **_inputs(self),
            "arrival_rate": list(self.arrival_rate),
            "service_rate": list(self.service_rate),
            "bandwidth_scale": _scale_json(self.bandwidth_scale, shape),
            "network": {
                "widths": list(self.widths),
                "activation": self.activation,
                "unpruned": list(self.unpruned),
                "sparsity": self.sparsity,
            },
            "training": {
                "config_sha256": training.config_sha256,
                "seed": training.seed,
                "iteration": training.iteration,
                "package_version": training.package_version,
                "created": training.created,
            },
            "policy_version": self.policy_version,
        }

    @classmethod
    def from_json(cls, value: Any) -> PolicySchema:
        """Read what stands in a file.

        Raises:
            SchemaError: a key is missing, unknown, or its value is not what it must be.
        """
        path = "schema"
        if not isinstance(value, dict):
            raise SchemaError(f"{path}: must be an object")
        if value.get("format") != FORMAT:
            raise SchemaError(f"{path}.format: must be {FORMAT!r}, got {shown(value, 'format')}")
        if value.get("version") != FORMAT_VERSION or type(value["version"]) is not int:
            raise SchemaError(
                f"{path}.version: must be {FORMAT_VERSION}, got {shown(value, 'version')}"
            )
        top = keys(path, value, _KEYS)
        observation = keys(f"{path}.observation", top["observation"], _OBSERVATION)
        network = keys(f"{path}.network", top["network"], _NETWORK)
        record = keys(f"{path}.training", top["training"], _TRAINING)
        if observation.pop("rate_unit") != RATE_UNIT:
            raise SchemaError(f"{path}.observation.rate_unit: must be {RATE_UNIT:g}")
        for name in ("n_avs", "n_rsus"):
            whole(f"{path}.observation.{name}", observation[name], 1, MAX_PLAYERS)
        whole(f"{path}.observation.history", observation["history"], 1, MAX_HISTORY)
        try:
            layout = ObservationLayout(**observation)
        except ValueError as error:
            raise SchemaError(f"{path}.observation.{error}") from error
        n_avs, n_rsus = layout.n_avs, layout.n_rsus
        schema = cls(
            role=top["role"],
            agent_id=top["agent_id"],
            rsu_ids=list_of(f"{path}.rsu_ids", top["rsu_ids"], n_rsus),
            av_ids=list_of(f"{path}.av_ids", top["av_ids"], n_avs),
            layout=layout,
            price_scale=_scale(f"{path}.price_scale", top["price_scale"], (n_rsus,)),
            bandwidth_scale=_scale(
                f"{path}.bandwidth_scale", top["bandwidth_scale"], (n_avs, n_rsus)
            ),
            arrival_rate=numbers_of(f"{path}.arrival_rate", top["arrival_rate"], (n_rsus,)),
            service_rate=numbers_of(f"{path}.service_rate", top["service_rate"], (n_rsus,)),
            widths=list_of(f"{path}.network.widths", network["widths"]),
            unpruned=list_of(f"{path}.network.unpruned", network["unpruned"]),
            training=TrainingRecord(**record),
            activation=network["activation"],
            policy_version=top["policy_version"],
        )
        if type(network["sparsity"]) is not float or network["sparsity"] != schema.sparsity:
            raise SchemaError(f"{path}.network.sparsity: must be {schema.sparsity!r} as by widths")
        return schema


_OBSERVATION = ("n_avs", "n_rsus", "history", "observe_current_price", "rate_unit")
_NETWORK = ("widths", "activation", "unpruned", "sparsity")
_TRAINING = ("config_sha256", "seed", "iteration", "package_version", "created")
_KEYS = (
    *("format", "version", "role", "agent_id", "rsu_ids", "av_ids", "observation"),
    *("price_scale", "bandwidth_scale", "arrival_rate", "service_rate", "network", "training"),
    "policy_version",
)


def _inputs(schema: PolicySchema) -> dict[str, Any]:
    """The part of the schema that says what the record is."""
    layout = schema.layout
    return {
        "rsu_ids": list(schema.rsu_ids),
        "av_ids": list(schema.av_ids),
        "observation": {
            "n_avs": layout.n_avs,
            "n_rsus": layout.n_rsus,
            "history": layout.history,
            "observe_current_price": layout.observe_current_price,
            "rate_unit": RATE_UNIT,
        },
        "price_scale": _scale_json(schema.price_scale, (layout.n_rsus,)),
        "bandwidth_scale": _scale_json(schema.bandwidth_scale, (layout.n_avs, layout.n_rsus)),
    }


def _scale_json(scale: Scale, shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "kind": scale.kind,
        "low": scale.low.reshape(shape).tolist(),
        "high": scale.high.reshape(shape).tolist(),
    }


def _check(schema: PolicySchema) -> None:
    """Whether the parts are in range and fit together."""
    if schema.role not in ROLES:
        raise SchemaError(f"role: must be {' or '.join(ROLES)}, got {schema.role!r}")
    layout = schema.layout
    for name, size in (("rsu_ids", layout.n_rsus), ("av_ids", layout.n_avs)):
        ids: tuple[int, ...] = getattr(schema, name)
        for k, player in enumerate(ids):
            whole(f"{name}[{k}]", player, 1, MAX_ID)
        if len(ids) != size or list(ids) != sorted(set(ids)):
            raise SchemaError(f"{name}: must be {size} ascending numbers, got {list(ids)}")
    whole("agent_id", schema.agent_id, 1, MAX_ID)
    players = schema.rsu_ids if schema.role == "leader" else schema.av_ids
    if schema.agent_id not in players:
        raise SchemaError(f"agent_id: must be one of {list(players)}, got {schema.agent_id}")
    for name, size in (("price_scale", layout.n_rsus), ("bandwidth_scale", layout.round_size)):
        size -= layout.n_rsus if name == "bandwidth_scale" else 0
        scale: Scale = getattr(schema, name)
        if scale.low.size != size:
            raise SchemaError(f"{name}: must have {size} entries, got {scale.low.size}")
        if np.any(scale.low < 0.0) or np.any(scale.high > MAX_VALUE):
            raise SchemaError(f"{name}: must be from 0 to at most {MAX_VALUE:g}")
        if np.any(scale.high - scale.low < NARROWEST * scale.high):
            raise SchemaError(f"{name}: low and high must be apart")
    for name in ("arrival_rate", "service_rate"):
        rates: tuple[float, ...] = getattr(schema, name)
        if len(rates) != layout.n_rsus or not all(0.0 <= rate <= MAX_VALUE for rate in rates):
            raise SchemaError(f"{name}: must be {layout.n_rsus} numbers from 0 to {MAX_VALUE:g}")
    whole("policy_version", schema.policy_version, 0, MAX_COUNT)
    _check_network(schema)


def _check_network(schema: PolicySchema) -> None:
    if schema.activation not in ACTIVATIONS:
        raise SchemaError(
            f"network.activation: must be {' or '.join(ACTIVATIONS)}, got {schema.activation!r}"
        )
    widths, unpruned = schema.widths, schema.unpruned
    for name, numbers in (("widths", widths), ("unpruned", unpruned)):
        for k, width in enumerate(numbers):
            whole(f"network.{name}[{k}]", width, 1, MAX_WIDTH)
    leads = schema.role == "leader"
    size = schema.layout.leader_size if leads else schema.layout.follower_size
    actions = 1 if leads else schema.layout.n_rsus
    if not 2 <= len(widths) <= MAX_LAYERS or (widths[0], widths[-1]) != (size, actions):
        raise SchemaError(
            f"network.widths: must begin with {size} observed entries and end with {actions} "
            f"actions, at most {MAX_LAYERS} in all, got {list(widths)}"
        )
    hidden = widths[1:-1]
    if len(unpruned) != len(hidden) or any(
        now > before for now, before in zip(hidden, unpruned, strict=True)
    ):
        raise SchemaError(
            f"network.unpruned: must be at least the hidden widths {list(hidden)}, "
            f"got {list(unpruned)}"
        )


def _scale(path: str, value: Any, shape: tuple[int, ...]) -> Scale:
    parts = keys(path, value, ("kind", "low", "high"))
    low, high = (numbers_of(f"{path}.{end}", parts[end], shape) for end in ("low", "high"))
    if parts["kind"] not in KINDS:
        raise SchemaError(f"{path}.kind: must be {' or '.join(KINDS)}")
    try:
        return Scale(parts["kind"], np.array(low), np.array(high))
    except ValueError as error:
        raise SchemaError(f"{path}: {error}") from error
