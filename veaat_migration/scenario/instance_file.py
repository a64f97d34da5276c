"""The plain game instance: the game's numbers under the symbols of the paper, without physics.

``V, R, delta[V], E[V] (or alpha[V] and T_th[V]), q[R], c[R] or c[V][R], zeta[V][V], eta[R][R],
p_max, b_max, delay: null or {D[V], s, T0, Tmax[V]}, capacity: null, externality``.
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
from veaat_migration.scenario.errors import ScenarioError, shown, unknown_key
from veaat_migration.scenario.numbers import NumberReader

INSTANCE_KEYS = frozenset(
    {"V", "R", "delta", "E", "alpha", "T_th", "q", "c", "zeta", "eta", "p_max", "b_max",
     "delay", "capacity", "externality"}
)
"""Keys of a plain instance; scenario files have none of them."""

_COMMENT_KEYS = frozenset({"name", "description", "comment"})
_DELAY_KEYS = frozenset({"D", "s", "T0", "Tmax"})
_WORDS = {
    "satisfaction": "delta", "offset": "E", "quality": "q", "cost": "c", "T_max": "Tmax",
    "social": "zeta", "service": "eta", "price_max": "p_max", "bandwidth_max": "b_max",
}


def instance_from_mapping(mapping: Any) -> GameInstance:
    """The game of a plain instance as read from YAML or JSON.

    A number stands for a vector or matrix of that number (couplings: off the diagonal); a missing
    coupling is 0. One-dimensional ``delay.s`` and ``delay.T0`` have one entry per AV, ``c`` one
    per RSU.

    Raises:
        ScenarioError: with one line ``path: fault`` for every fault found.
    """
    if not isinstance(mapping, Mapping):
        raise ScenarioError(f"a game instance must be a mapping, got {shown(mapping)}")
    reader = NumberReader()
    _check_keys(mapping, INSTANCE_KEYS | _COMMENT_KEYS, "", reader)
    n_avs = _size(mapping, "V", "delta", reader)
    n_rsus = _size(mapping, "R", "q", reader)
    _check_capacity(mapping, reader)
    if n_avs is None or n_rsus is None:
        raise ScenarioError(reader.problems)
    av, rsu, pair = (n_avs,), (n_rsus,), (n_avs, n_rsus)
    delta = reader.array(mapping, "delta", [(), av], av, above=0)
    e = _offset(mapping, av, reader)
    q = reader.array(mapping, "q", [(), rsu], rsu, above=0)
    c = reader.array(mapping, "c", [(), rsu, pair], pair, least=0)
    zeta = reader.coupling(mapping, "zeta", n_avs)
    eta = reader.coupling(mapping, "eta", n_rsus)
    p_max = reader.array(mapping, "p_max", [()], (), above=0)
    b_max = reader.array(mapping, "b_max", [()], (), above=0)
    delay = _delay(mapping.get("delay"), av, pair, reader)
    externality = mapping.get("externality", Externality.ADDITIVE.value)
    if externality not in [kind.value for kind in Externality]:
        kinds = " or ".join(kind.value for kind in Externality)
        reader.problems.append(f"externality: must be {kinds}, got {shown(externality)}")
    if reader.problems:
        raise ScenarioError(reader.problems)
    try:
        return GameInstance.create(
            satisfaction=delta, offset=e, quality=q, cost=c, social=zeta, service=eta,
            price_max=p_max, bandwidth_max=b_max, externality=externality,
            delay=None if delay is None else DelayConstraint.create(*pair, **delay),
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
        "zeta": instance.social.tolist(),
        "eta": instance.service.tolist(),
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
        "capacity": None,
        "externality": instance.externality.value,
    }


def _check_keys(
    mapping: Mapping[Any, Any], known: frozenset[str], prefix: str, reader: NumberReader
) -> None:
    for key in mapping:
        if key not in known:
            reader.problems.append(f"{prefix}{key}: {unknown_key(key, known, _WORDS)}")


def _size(mapping: Mapping[Any, Any], key: str, list_key: str, reader: NumberReader) -> int | None:
    """Number of players: as given by ``key``, else the length of the list ``list_key``."""
    value = mapping.get(key)
    if value is None:
        listed = mapping.get(list_key)
        listed = listed.tolist() if isinstance(listed, np.ndarray) else listed
        if isinstance(listed, list | tuple) and listed:
            return len(listed)
        fault = "missing" if list_key not in mapping else f"got {shown(listed)}"
        reader.problems.append(f"{list_key}: must be a list with one number per player; {fault}")
        return None
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= 10**4:
        reader.problems.append(f"{key}: must be a whole number from 1 to 10000, got {shown(value)}")
        return None
    return int(value)


def _check_capacity(mapping: Mapping[Any, Any], reader: NumberReader) -> None:
    if mapping.get("capacity") is not None:
        reader.problems.append(
            "capacity: limited RSU capacity is not supported yet; must be null or left out"
        )


def _offset(
    mapping: Mapping[Any, Any], shape: tuple[int], reader: NumberReader
) -> FloatArray | None:
    """E, given directly or as e - alpha T_th."""
    given = "E" in mapping
    derived = "alpha" in mapping or "T_th" in mapping
    if not given and not derived:
        reader.problems.append("E: missing (or give alpha and T_th)")
        return None
    e = reader.array(mapping, "E", [(), shape], shape) if given else None
    if not derived:
        return e
    alpha = reader.array(mapping, "alpha", [(), shape], shape, least=0)
    threshold = reader.array(mapping, "T_th", [(), shape], shape, least=0)
    if alpha is None or threshold is None:
        return None
    computed = np.asarray(math.e - alpha * threshold)
    if not np.all(np.isfinite(computed)):
        reader.problems.append("alpha: times T_th must be finite")
        return None
    if e is not None and not np.allclose(e, computed, rtol=1e-6, atol=1e-6):
        reader.problems.append("E: differs from e - alpha T_th; give only one of the two")
    return e if given else computed


def _delay(
    section: Any, av: tuple[int], pair: tuple[int, int], reader: NumberReader
) -> dict[str, FloatArray | None] | None:
    if section is None:
        return None
    if not isinstance(section, Mapping):
        reader.problems.append(
            f"delay: must be null or a mapping with D, s, T0 and Tmax, got {shown(section)}"
        )
        return None
    _check_keys(section, _DELAY_KEYS, "delay.", reader)
    shapes: list[tuple[int, ...]] = [(), av, pair]
    return {
        "data": reader.array(section, "D", [(), av], av, least=0, prefix="delay."),
        "spectral_efficiency": reader.array(section, "s", shapes, pair, above=0, prefix="delay."),
        "base_delay": reader.array(section, "T0", shapes, pair, least=0, prefix="delay."),
        "max_delay": reader.array(section, "Tmax", [(), av], av, above=0, prefix="delay."),
    }
