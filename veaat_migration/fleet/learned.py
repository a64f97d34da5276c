"""A learned policy for games of any size: one network for all RSUs, one for all AVs.

The policies of ``veaat train`` belong to the players of one game; in a fleet every game has other
players. Here each player gives a shared network a few numbers of its own and of its neighbourhood:

* An RSU knows its cost, quality and free bandwidth, which AVs ask for it and which other RSUs each
  of them can reach (the announcement says so), and their qualities. Not what AVs would pay.
* An AV knows its own data, the offers of the RSUs that it reaches, and decides one RSU at a time.

Both answer with one number u; the action is the share sigmoid(u) of their range (of ln p from c_j
to p_max, of b from 0 to b_max). ``training.py`` trains them; numpy alone plays them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veaat_migration.fleet.errors import FleetError
from veaat_migration.fleet.market import Market
from veaat_migration.fleet.policies import Deal, Moment, planned
from veaat_migration.game.instance import FloatArray
from veaat_migration.policy.network_file import Float32Array, canonical_json, pack, unpack

FILE = Path(__file__).with_name("learned.safetensors")
"""The weights that come with the package."""
ROLES = ("leader", "follower")
LEADER_INPUTS, FOLLOWER_INPUTS = 8, 8
_INPUTS = {"leader": LEADER_INPUTS, "follower": FOLLOWER_INPUTS}
_FORMAT = "veaat-fleet-policy-2"
_MAX_SIZE = 4 << 20
_AGAIN = "make it again with 'veaat fleet train'"


@dataclass(frozen=True, eq=False)
class Weights:
    """Two networks, tanh between layers, and how they came about."""

    layers: Mapping[str, tuple[tuple[Float32Array, Float32Array], ...]]
    """By role: weight [outputs, inputs] and bias [outputs] of each layer."""
    training: str
    """The command and what it reached, for people."""

    @property
    def digest(self) -> str:
        """SHA-256 of everything."""
        found = hashlib.sha256(canonical_json([_FORMAT, self.training]).encode())
        for name, array in self._tensors().items():
            found.update(f"\0{name} {array.shape}\0".encode())
            found.update(array.astype("<f4").tobytes())
        return found.hexdigest()

    def answer(self, role: str, inputs: FloatArray) -> FloatArray:
        """Share of the range that each player asks or buys, in (0, 1); [..., F] to [...]."""
        x = inputs
        last = len(self.layers[role]) - 1
        for k, (weight, bias) in enumerate(self.layers[role]):
            x = x @ weight.T.astype(np.float64) + bias
            if k < last:
                x = np.tanh(x)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x[..., 0], -50.0, 50.0))))

    def to_bytes(self) -> bytes:
        """Content of a file."""
        metadata = {"format": _FORMAT, "training": self.training, "sha256": self.digest}
        return pack(self._tensors(), metadata)

    def _tensors(self) -> dict[str, Float32Array]:
        return {
            f"{role}.{k}.{name}": array
            for role in ROLES
            for k, layer in enumerate(self.layers[role])
            for name, array in zip(("weight", "bias"), layer, strict=True)
        }


def read_weights(path: Path) -> Weights:
    """Weights of a file, checked; nothing in it is executed.

    Raises:
        FleetError: it cannot be read, is damaged, or is not such a file.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _MAX_SIZE else b""
    except OSError as error:
        raise FleetError(f"{path}: cannot be read: {error.strerror or error}; {_AGAIN}") from error
    try:
        tensors, metadata = unpack(data)
        if metadata.get("format") != _FORMAT or not isinstance(metadata.get("training"), str):
            raise ValueError("is no policy of a fleet")
        layers = {role: _layers(tensors, role) for role in ROLES}
        weights = Weights(layers, metadata["training"])
        if weights.to_bytes() != data:
            raise ValueError("content and digest do not agree")
    except ValueError as error:
        raise FleetError(f"{path}: {error}; {_AGAIN}") from error
    return weights


def _layers(
    tensors: Mapping[str, Float32Array], role: str
) -> tuple[tuple[Float32Array, Float32Array], ...]:
    count = sum(name.startswith(f"{role}.") for name in tensors) // 2
    width, layers = _INPUTS[role], []
    for k in range(count):
        try:
            weight, bias = tensors[f"{role}.{k}.weight"], tensors[f"{role}.{k}.bias"]
        except KeyError as error:
            raise ValueError(f"tensor {error} is missing") from error
        if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
            raise ValueError(f"layer {k} of the {role} does not fit")
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise ValueError(f"layer {k} of the {role} is not finite")
        width = weight.shape[0]
        layers.append((weight, bias))
    if not layers or width != 1:
        raise ValueError(f"the {role} needs layers that end in one number")
    return tuple(layers)


def shipped_weights() -> Weights:
    """Those that come with the package.

    Raises:
        FleetError: they are not there or damaged.
    """
    return read_weights(FILE)


class Learned:
    """Plays what the networks say."""

    name = "learned"

    def __init__(self, weights: Weights) -> None:
        """``weights`` of both networks."""
        self._weights = weights
        self.version = weights.digest
        """Distinguishes results of other weights."""

    def play(self, moment: Moment) -> Deal:
        """The networks' prices and demand, the planner's targets."""
        market = moment.market
        prices = prices_of(market, self._weights.answer("leader", leader_inputs(market)))
        demand = demand_of(
            market, self._weights.answer("follower", follower_inputs(market, prices))
        )
        return Deal(prices, demand, planned(moment, prices, demand))


def leader_inputs(market: Market) -> FloatArray:
    """What each RSU gives its network, shape [..., R, LEADER_INPUTS]."""
    reach = market.reach.astype(np.float64)
    count = reach.sum(axis=-2)
    asking = np.maximum(count, 1.0)
    alternatives = np.maximum(reach.sum(axis=-1, keepdims=True), 1.0)
    quality = np.broadcast_to(market.quality, count.shape)
    rivals = (reach * quality[..., None, :]).sum(axis=-1, keepdims=True) / quality[..., None, :]

    def mean(values: FloatArray) -> FloatArray:
        """Over the AVs that ask for each RSU."""
        return np.asarray((reach * values).sum(axis=-2) / asking)

    cost = np.broadcast_to(market.cost, count.shape)
    room = (math.inf if market.capacity is None else market.capacity) / asking
    return np.stack(
        [
            10.0 * cost / market.price_max,
            quality,
            np.log1p(count),
            mean((alternatives == 1.0) * 1.0),
            mean(1.0 / alternatives),
            mean(alternatives) / 4.0,
            mean(rivals - 1.0) / 4.0,
            np.log(np.clip(room / market.bandwidth_max, 1e-3, 1.0)) / 4.0,
        ],
        axis=-1,
    )


def follower_inputs(market: Market, prices: FloatArray) -> FloatArray:
    """What each AV gives its network for each RSU, shape [..., V, R, FOLLOWER_INPUTS]."""
    shape = market.reach.shape
    p = np.broadcast_to(prices[..., None, :], shape)
    delta = np.broadcast_to(market.satisfaction[..., None], shape)
    cheapest = np.where(market.reach, p, market.price_max).min(axis=-1, keepdims=True)
    alternatives = market.reach.sum(axis=-1, keepdims=True)
    return np.stack(
        [
            delta / (4.0 * market.price_max),
            np.broadcast_to(market.offset[..., None], shape) * 30.0 / market.bandwidth_max,
            4.0 * p / market.price_max,
            np.log(delta / (p * market.bandwidth_max)),
            market.theta(prices),
            np.broadcast_to(alternatives / 4.0, shape),
            np.broadcast_to(4.0 * cheapest / market.price_max, shape),
            np.broadcast_to(market.quality[..., None, :], shape),
        ],
        axis=-1,
    )


def prices_of(market: Market, share: FloatArray) -> FloatArray:
    """Prices at a share of ln p from c_j to p_max."""
    low = market.price_min
    return np.asarray(low * (market.price_max / low) ** share)


def demand_of(market: Market, share: FloatArray) -> FloatArray:
    """Demand at a share of b_max, 0 out of reach; never so little that an AV could not work."""
    offset = market.offset[..., None]
    floor = np.where(offset > 0.0, 0.0, -offset + 1e-3 * market.bandwidth_max)
    wanted = np.maximum(share * market.bandwidth_max, floor)
    return np.where(market.reach, np.minimum(wanted, market.bandwidth_max), 0.0)
