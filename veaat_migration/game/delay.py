"""Delay of one twin migration (Section III-B): Rayleigh channel, M/M/1 queue, re-instantiation.

All functions work element by element on numpy arrays that broadcast; those from
:func:`spectral_efficiency` on also on torch tensors. Units: distance [m], bandwidth [MHz],
data [Mbit], rate [Mbit/s], compute [GHz], cycles [Gcycles], delay [s].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.arrays import Array, functions, is_tensor
from veaat_migration.game.instance import InstanceError

FloatArray = npt.NDArray[np.float64]

SPEED_OF_LIGHT = 299_792_458.0
"""[m/s]"""


@dataclass(frozen=True)
class Channel:
    """Radio parameters shared by all links."""

    antenna_gain: float = 4.11
    """A, channel gain coefficient [-]."""
    carrier_frequency: float = 2.0
    """f [GHz]"""
    transmit_power: float = 23.0
    """rho [dBm]"""
    noise_power: float = -100.0
    """sigma^2 [dBm]"""


def channel_gain(distance: Any, channel: Channel, fading: Any = 1.0) -> FloatArray:
    """Channel gain h = A (c / (4 pi f d))^2 times the fading power [-].

    Args:
        distance: d [m], > 0.
        channel: antenna gain A and carrier frequency f.
        fading: power of the fading, >= 0, see :func:`rayleigh_fading`.

    Raises:
        InstanceError: a distance is not positive or a fading power is negative.
    """
    d = _positive("distance", distance)
    power = _non_negative("fading", fading)
    wavelength = SPEED_OF_LIGHT / (channel.carrier_frequency * 1e9)
    return np.asarray(channel.antenna_gain * (wavelength / (4.0 * np.pi * d)) ** 2 * power)


def rayleigh_fading(shape: int | tuple[int, ...], generator: np.random.Generator) -> FloatArray:
    """Power of a Rayleigh channel: |h|^2 ~ Exp(1), mean 1."""
    return np.asarray(generator.exponential(1.0, size=shape))


def signal_to_noise(gain: Any, channel: Channel) -> FloatArray:
    """SNR of a channel gain, rho h / sigma^2, linear [-]."""
    ratio = 10.0 ** ((channel.transmit_power - channel.noise_power) / 10.0)
    return np.asarray(ratio * np.asarray(gain, dtype=np.float64))


def spectral_efficiency(snr: Any) -> Array:
    """log2(1 + SNR) [bit/s/Hz] of a linear SNR."""
    ratio = _non_negative("SNR", snr)
    return functions(ratio).log1p(ratio) / math.log(2.0)


def data_rate(bandwidth: Any, efficiency: Any) -> Array:
    """r_ij = b_ij log2(1 + SNR_ij) [Mbit/s] of a bandwidth [MHz]."""
    return _non_negative("bandwidth", bandwidth) * _numbers(efficiency)


def transmission_delay(data: Any, rate: Any) -> Array:
    """D_i / r_ij [s] of data [Mbit] at a rate [Mbit/s]; infinite at rate 0, 0 for no data."""
    d, r = _non_negative("data", data), _non_negative("rate", rate)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return functions(d).where(d == 0.0, 0.0, d / r)


def queueing_delay(arrival_rate: Any, service_rate: Any) -> Array:
    """Mean wait of an M/M/1 queue, lambda / (mu (mu - lambda)) [s]; rates [1/s].

    Raises:
        InstanceError: a queue is not stable (lambda >= mu) or a rate is out of range.
    """
    arrivals = _non_negative("arrival_rate", arrival_rate)
    service = _positive("service_rate", service_rate)
    unstable = arrivals >= service
    if unstable.any():
        a, s = (float((x + 0.0 * unstable)[unstable].ravel()[0]) for x in (arrivals, service))
        raise InstanceError(
            f"arrival_rate: must be < service_rate ({s:g} /s) for a stable queue, got {a:g} /s"
        )
    return arrivals / (service * (service - arrivals))


def reinstantiation_delay(cycles: Any, compute: Any) -> FloatArray:
    """C_i / f_j [s] of cycles [Gcycles] on a server [GHz]."""
    return np.asarray(_non_negative("cycles", cycles) / _positive("compute", compute))


def migration_delay(data: Any, bandwidth: Any, efficiency: Any, base_delay: Any) -> Array:
    """T_ij = D_i / (b_ij s_ij) + T0_ij [s], shape [..., V, R].

    Args:
        data: D_i [Mbit], shape [..., V].
        bandwidth: b_ij [MHz], shape [..., V, R] or a scalar.
        efficiency: s_ij [bit/s/Hz], shape [..., V, R].
        base_delay: T0_ij, queueing plus re-instantiation delay [s], shape [..., V, R].

    Returns:
        Infinite where no bandwidth is bought.
    """
    column = _numbers(data)[..., :, None]
    return transmission_delay(column, data_rate(bandwidth, efficiency)) + _non_negative(
        "base_delay", base_delay
    )


def expected_delay(matching_probability: Any, delay: Any) -> Array:
    """sum_j theta_j T_ij [s] (left side of Eq. 11), shape [..., V].

    Args:
        matching_probability: theta_j, shape [..., R].
        delay: T_ij [s], shape [..., V, R].
    """
    theta = _non_negative("matching_probability", matching_probability)[..., None, :]
    # An RSU that is never chosen (theta = 0) costs no time, even at infinite delay.
    with np.errstate(invalid="ignore"):
        return functions(theta).where(theta > 0.0, theta * _numbers(delay), 0.0).sum(-1)


def _numbers(value: Any) -> Array:
    return value if is_tensor(value) else np.asarray(value, dtype=np.float64)


def _non_negative(name: str, value: Any) -> Array:
    array = _numbers(value)
    if not (array >= 0.0).all():
        raise InstanceError(f"{name}: must be >= 0, got {_worst(array)}")
    return array


def _positive(name: str, value: Any) -> Array:
    array = _numbers(value)
    if not (array > 0.0).all():
        raise InstanceError(f"{name}: must be > 0, got {_worst(array)}")
    return array


def _worst(array: Array) -> str:
    return f"{float(array.min()):g}"
