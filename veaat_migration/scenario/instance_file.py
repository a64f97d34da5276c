"""The plain game instance: the game's numbers under the symbols of the paper, without physics.

``V, R, delta[V], E[V] (or alpha[V] and T_th[V]), q[R], c[R] or c[V][R], zeta[V][V], eta[R][R],
p_max, b_max, delay: null or {D[V], s, T0, Tmax[V]}, capacity: null or [R], externality``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from veaat_migration.game.instance import (
    DelayConstraint,
    Externality,
    FloatArray,
    GameInstance,
    InstanceError,
)
from veaat_migration.scenario.couplings import coupling_to_plain, read_coupling
from veaat_migration.scenario.errors import ScenarioError, key_text, shown, unknown_key
from veaat_migration.scenario.numbers import MAX_AVS, MAX_RSUS, NumberReader

INSTANCE_KEYS = frozenset(
    {
        "V",
        "R",
        "delta",
        "E",
        "alpha",
        "T_th",
        "q",
        "c",
        "zeta",
        "eta",
        "p_max",
        "b_max",
        "delay",
        "capacity",
        "externality",
    }
)
"""Keys of a plain instance; scenario files have none of them."""

_COMMENT_KEYS = frozenset({"name", "description", "comment"})
_DELAY_KEYS = frozenset({"D", "s", "T0", "Tmax"})
_WORDS = {
    "satisfaction": "delta",
    "offset": "E",
    "quality": "q",
    "cost": "c",
    "T_max": "Tmax",
    "social": "zeta",
    "service": "eta",
    "price_max": "p_max",
    "bandwidth_max": "b_max",
    "C": "capacity",
}


def instance_from_mapping(mapping: Any) -> GameInstance:
    """The game of a plain instance as read from YAML or JSON.

    A number stands for a vector or matrix of that number (couplings: off the diagonal); a missing
    coupling is 0. One-dimensional ``delay.s`` and ``delay.T0`` have one entry per AV, ``c`` one
    per RSU. Couplings may also be ``{pairs: [[i, k, value], ...]}`` or ``{total: value}``.

    Raises:
        ScenarioError: with one line ``path: fault`` for every fault found.
    """
    if not isinstance(mapping, Mapping):
        raise ScenarioError(f"a game instance must be a mapping, got {shown(mapping)}")
    reader = NumberReader()
    _check_keys(mapping, INSTANCE_KEYS | _COMMENT_KEYS, "", reader)
    n_avs = _size(mapping, "V", "delta", MAX_AVS, reader)
    n_rsus = _size(mapping, "R", "q", MAX_RSUS, reader)
    if n_avs is None or n_rsus is None:
        raise ScenarioError(reader.problems)
    delta = reader.array(mapping, "delta", (n_avs,), above=0)
    e = _offset(mapping, n_avs, reader)
    q = reader.array(mapping, "q", (n_rsus,), above=0)
    c = reader.array(mapping, "c", (n_avs, n_rsus), also=[(n_rsus,)], least=0)
    zeta = read_coupling(reader, mapping, "zeta", n_avs)
    eta = read_coupling(reader, mapping, "eta", n_rsus)
    p_max = float(reader.array(mapping, "p_max", (), above=0))
    b_max = float(reader.array(mapping, "b_max", (), above=0))
    capacity = _capacity(mapping.get("capacity"), n_rsus, n_avs * b_max, reader)
    delay = _delay(mapping.get("delay"), n_avs, n_rsus, reader)
    externality = mapping.get("externality", Externality.ADDITIVE.value)
    if externality not in [kind.value for kind in Externality]:
        kinds = " or ".join(kind.value for kind in Externality)
        reader.problems.append(f"externality: must be {kinds}, got {shown(externality)}")
    if reader.problems:
        raise ScenarioError(reader.problems)
    try:
        return GameInstance.create(
            satisfaction=delta,
            offset=e,
            quality=q,
            cost=c,
            social=zeta,
            service=eta,
            price_max=p_max,
            bandwidth_max=b_max,
            externality=externality,
            delay=delay,
            capacity=capacity,
        )
    except InstanceError as error:
        raise ScenarioError(str(error)) from error


def instance_to_mapping(instance: GameInstance) -> dict[str, Any]:
    """A game as plain lists and floats; ``instance_from_mapping`` gives exactly it back."""
    delay = instance.delay
    return {
        "V": instance.n_avs,
        "R": instance.n_rsus,
        "delta": instance.satisfaction.tolist(),
        "E": instance.offset.tolist(),
        "q": instance.quality.tolist(),
        "c": instance.cost.tolist(),
        "zeta": coupling_to_plain(instance.social),
        "eta": coupling_to_plain(instance.service),
        "p_max": instance.price_max,
        "b_max": instance.bandwidth_max,
        "delay": None
        if delay is None
        else {
            "D": delay.data.tolist(),
            "s": delay.spectral_efficiency.tolist(),
            "T0": delay.base_delay.tolist(),
            "Tmax": delay.max_delay.tolist(),
        },
        "capacity": None if instance.capacity is None else instance.capacity.tolist(),
        "externality": instance.externality.value,
    }


def _check_keys(
    mapping: Mapping[Any, Any], known: frozenset[str], prefix: str, reader: NumberReader
) -> None:
    for key in mapping:
        if key not in known:
            reader.problems.append(f"{prefix}{key_text(key)}: {unknown_key(key, known, _WORDS)}")


def _size(
    mapping: Mapping[Any, Any], key: str, list_key: str, limit: int, reader: NumberReader
) -> int | None:
    """Number of players: as given by ``key``, else the length of the list ``list_key``."""
    value = mapping.get(key)
    if value is None:
        value = _length(mapping.get(list_key))
        if value is None:
            fault = f"got {shown(mapping[list_key])}" if list_key in mapping else "it is missing"
            reader.problems.append(f"{list_key}: must be a list with a number per player; {fault}")
            return None
    if (
        not isinstance(value, int | np.integer)
        or isinstance(value, bool)
        or not 1 <= value <= limit
    ):
        reader.problems.append(
            f"{key}: must be a whole number from 1 to {limit}, got {shown(value)}"
        )
        return None
    return int(value)


def _length(value: Any) -> int | None:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return len(value) if isinstance(value, list | tuple) and value else None


def _capacity(value: Any, n_rsus: int, unlimited: float, reader: NumberReader) -> FloatArray | None:
    """Capacities [R], None where no RSU has one; null in a list: this RSU is unlimited."""
    if isinstance(value, list | tuple) and any(limit is None for limit in value):
        if all(limit is None for limit in value) and len(value) == n_rsus:
            return None
        # No expected load is larger than what all AVs may buy together.
        value = [unlimited if limit is None else limit for limit in value]
    if value is None:
        return None
    return reader.array({"capacity": value}, "capacity", (n_rsus,), above=0)


def _offset(mapping: Mapping[Any, Any], n_avs: int, reader: NumberReader) -> FloatArray:
    """E, given directly or as e - alpha T_th."""
    derived = "alpha" in mapping or "T_th" in mapping
    if not derived and "E" not in mapping:
        reader.problems.append("E: missing (or give alpha and T_th)")
        return np.full(n_avs, np.nan)
    e = reader.array(mapping, "E", (n_avs,)) if "E" in mapping else None
    if not derived:
        assert e is not None
        return e
    alpha = reader.array(mapping, "alpha", (n_avs,), least=0)
    threshold = reader.array(mapping, "T_th", (n_avs,), least=0)
    with np.errstate(over="ignore"):
        computed = np.asarray(math.e - alpha * threshold)
    if np.any(np.isinf(computed)):
        reader.problems.append("alpha: times T_th must be finite")
    if e is None:
        return computed
    if np.any(np.abs(e - computed) > 1e-6):
        reader.problems.append("E: differs from e - alpha T_th; give only one of the two")
    return e


def _delay(section: Any, n_avs: int, n_rsus: int, reader: NumberReader) -> DelayConstraint | None:
    if section is None:
        return None
    if not isinstance(section, Mapping):
        reader.problems.append(
            f"delay: must be null or a mapping with D, s, T0 and Tmax, got {shown(section)}"
        )
        return None
    _check_keys(section, _DELAY_KEYS, "delay.", reader)
    pair, column = (n_avs, n_rsus), [(n_avs, 1)]
    data = reader.array(section, "D", (n_avs,), least=0, prefix="delay.")
    s = reader.array(section, "s", pair, also=column, above=0, prefix="delay.")
    base = reader.array(section, "T0", pair, also=column, least=0, prefix="delay.")
    limit = reader.array(section, "Tmax", (n_avs,), above=0, prefix="delay.")
    if reader.problems:
        return None
    return DelayConstraint.create(
        n_avs, n_rsus, data=data, spectral_efficiency=s, base_delay=base, max_delay=limit
    )
