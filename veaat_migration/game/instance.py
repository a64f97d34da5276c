"""One instance of the multi-leader multi-follower migration game, as validated arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.errors import VeaatError

FloatArray = npt.NDArray[np.float64]


class Externality(str, Enum):
    """How the couplings between players enter a follower's utility."""

    ADDITIVE = "additive"
    """Eq. (9): coupling terms are added to the satisfaction."""
    MULTIPLICATIVE = "multiplicative"
    """Eqs. (14)-(18): couplings scale the satisfaction factor, A = delta (1 + ...)."""


class InstanceError(VeaatError, ValueError):
    """A game that has no meaning; the message names the field and says what it must be."""


def _array(name: str, value: Any, shape: tuple[int, ...]) -> FloatArray:
    """Broadcast ``value`` to ``shape`` as a read-only finite float64 array."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InstanceError(f"{name}: must be numbers, got {value!r}") from error
    if not np.all(np.isfinite(array)):
        raise InstanceError(f"{name}: must be finite, got {value!r}")
    if array.ndim == 1 and len(shape) == 2 and array.shape != (1,) and array.shape != shape[1:]:
        raise InstanceError(f"{name}: must have shape {shape}, got {array.shape}")
    try:
        result = np.array(np.broadcast_to(array, shape))
    except ValueError as error:
        raise InstanceError(f"{name}: must have shape {shape}, got {array.shape}") from error
    result.setflags(write=False)
    return result


def _require(condition: bool | np.bool_, message: str) -> None:
    if not condition:
        raise InstanceError(message)


@dataclass(frozen=True)
class DelayConstraint:
    """The delay constraint of P1 (Eq. 11): sum_j theta_j T_ij <= T_i^max.

    T_ij = data_i / (b_ij * spectral_efficiency_ij) + base_delay_ij.
    """

    data: FloatArray
    """D_i, twin data to move [Mbit], shape [V], >= 0."""
    spectral_efficiency: FloatArray
    """s_ij = log2(1 + SNR_ij) [bit/s/Hz], shape [V, R], > 0."""
    base_delay: FloatArray
    """T0_ij, queueing plus re-instantiation delay [s], shape [V, R], >= 0."""
    max_delay: FloatArray
    """T_i^max, tolerated expected migration delay [s], shape [V], > 0."""

    @classmethod
    def create(
        cls,
        n_avs: int,
        n_rsus: int,
        *,
        data: Any,
        spectral_efficiency: Any,
        base_delay: Any,
        max_delay: Any,
    ) -> DelayConstraint:
        """Broadcast (scalar, [V] or [V, R] where two-dimensional) and check.

        Raises:
            InstanceError: a value is not finite, of wrong shape or out of range.
        """
        data = _array("delay.D", data, (n_avs,))
        efficiency = _array("delay.s", _rows(spectral_efficiency, n_avs), (n_avs, n_rsus))
        base = _array("delay.T0", _rows(base_delay, n_avs), (n_avs, n_rsus))
        limit = _array("delay.Tmax", max_delay, (n_avs,))
        _require(np.all(data >= 0), "delay.D: must be >= 0")
        _require(np.all(efficiency > 0), "delay.s: must be > 0")
        _require(np.all(base >= 0), "delay.T0: must be >= 0")
        _require(np.all(limit > 0), "delay.Tmax: must be > 0")
        return cls(data, efficiency, base, limit)


def _rows(value: Any, n_avs: int) -> Any:
    """A flat list of one value per AV becomes a column, so that it broadcasts over RSUs."""
    array = np.asarray(value)
    return array[:, None] if array.ndim == 1 and array.shape[0] == n_avs else value


@dataclass(frozen=True)
class GameInstance:
    """All that defines the game: V followers (AVs), R leaders (RSUs). See docs/model.md.

    Build it with :meth:`create`, which broadcasts and validates; all arrays are read-only.
    """

    satisfaction: FloatArray
    """delta_i, satisfaction factor [money], shape [V], > 0."""
    offset: FloatArray
    """E_i = e - alpha_i T_i^th, offset inside the logarithm of Eq. (6) [MHz], shape [V]."""
    quality: FloatArray
    """q_j, quality of experience (Eq. 4) [-], shape [R], > 0."""
    cost: FloatArray
    """c_ij, unit cost of bandwidth [money/MHz], shape [V, R], >= 0, < price_max."""
    social: FloatArray
    """zeta_ik, social coupling (Eq. 7) [money/MHz^2], shape [V, V], symmetric, zero diagonal."""
    service: FloatArray
    """eta_js, service coupling (Eq. 8) [money/MHz^2], shape [R, R], symmetric, zero diagonal."""
    price_max: float
    """p_max, highest price [money/MHz]."""
    bandwidth_max: float
    """b_max, most bandwidth that one AV may buy from one RSU [MHz]."""
    delay: DelayConstraint | None = None
    externality: Externality = Externality.ADDITIVE
    capacity: FloatArray | None = None
    """C_j, expected load that each RSU can carry [MHz], shape [R], > 0; None: unlimited."""

    @property
    def n_avs(self) -> int:
        """Number of followers, V."""
        return int(self.satisfaction.shape[0])

    @property
    def n_rsus(self) -> int:
        """Number of leaders, R."""
        return int(self.quality.shape[0])

    @property
    def price_min(self) -> FloatArray:
        """Lowest price each leader considers: its lowest unit cost min_i c_ij, shape [R]."""
        lowest: FloatArray = self.cost.min(axis=0)
        return lowest

    @classmethod
    def create(
        cls,
        *,
        satisfaction: Any,
        offset: Any,
        quality: Any,
        cost: Any,
        social: Any = 0.0,
        service: Any = 0.0,
        price_max: float,
        bandwidth_max: float,
        delay: DelayConstraint | None = None,
        externality: Externality | str = Externality.ADDITIVE,
        capacity: Any = None,
    ) -> GameInstance:
        """Broadcast and validate. ``cost`` is [R] or [V, R]; scalar couplings fill off-diagonals.

        Raises:
            InstanceError: a value is not finite, of wrong shape or out of range.
        """
        n_avs, n_rsus = _length("delta", satisfaction), _length("q", quality)
        delta = _array("delta", satisfaction, (n_avs,))
        e = _array("E", offset, (n_avs,))
        q = _array("q", quality, (n_rsus,))
        c = _array("c", cost, (n_avs, n_rsus))
        zeta = _coupling("zeta", social, n_avs)
        eta = _coupling("eta", service, n_rsus)
        p_max, b_max = _scalar("p_max", price_max), _scalar("b_max", bandwidth_max)
        _require(np.all(delta > 0), "delta: must be > 0")
        _require(np.all(q > 0), "q: must be > 0")
        _require(np.all(c >= 0), "c: must be >= 0")
        _require(p_max > 0, f"p_max: must be > 0, got {p_max:g}")
        _require(
            np.all(c < p_max), f"p_max: must be > every unit cost ({c.max():g}), got {p_max:g}"
        )
        _require(b_max > 0, f"b_max: must be > 0, got {b_max:g}")
        _require(np.all(b_max + e > 0), f"b_max: must be > -E_i ({-e.min():g}), got {b_max:g}")
        try:
            kind = Externality(externality)
        except ValueError as error:
            options = ", ".join(item.value for item in Externality)
            raise InstanceError(
                f"externality: must be one of {options}, got {externality!r}"
            ) from error
        limit = None if capacity is None else _array("capacity", capacity, (n_rsus,))
        _require(limit is None or np.all(limit > 0), "capacity: must be > 0")
        return cls(delta, e, q, c, zeta, eta, p_max, b_max, delay, kind, limit)


def _length(name: str, value: Any) -> int:
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str) or len(value) == 0:
        raise InstanceError(f"{name}: must be a non-empty list of numbers, got {value!r}")
    return len(value)


def _scalar(name: str, value: Any) -> float:
    return float(_array(name, value, ()))


def _coupling(name: str, value: Any, size: int) -> FloatArray:
    if np.ndim(value) == 0:
        value = _scalar(name, value) * (1.0 - np.eye(size))
    elif np.shape(value) != (size, size):
        raise InstanceError(f"{name}: must have shape {(size, size)}, got {np.shape(value)}")
    matrix = _array(name, value, (size, size))
    _require(np.array_equal(matrix, matrix.T), f"{name}: must be symmetric")
    _require(not np.any(np.diag(matrix)), f"{name}: must have a zero diagonal")
    return matrix
