"""A player's private profile and settings as flat parameters, and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TypeVar

from veaat_migration.game.instance import Externality
from veaat_migration.game.profiles import FollowerDelay, FollowerProfile, LeaderProfile
from veaat_migration.nodes.specification import (
    ParameterError,
    Value,
    integer,
    integers,
    number,
    numbers,
    text,
)
from veaat_migration.protocol.config import PeerConfig

ConfigT = TypeVar("ConfigT", bound=PeerConfig)


def leader_to_parameters(profile: LeaderProfile) -> dict[str, Value]:
    """The parameters that describe an RSU."""
    values: dict[str, Value] = {
        "rsu_id": profile.rsu_id,
        "quality": profile.quality,
        "unit_cost": profile.unit_cost,
        "price_max": profile.price_max,
    }
    if profile.unit_cost_by_av:
        values["unit_cost_av_ids"] = list(profile.unit_cost_by_av)
        values["unit_cost_by_av"] = list(profile.unit_cost_by_av.values())
    return values


def leader_from_parameters(values: Mapping[str, Value]) -> LeaderProfile:
    """The profile that an RSU's parameters describe.

    Raises:
        ParameterError: parameters contradict each other.
    """
    profile = LeaderProfile(
        rsu_id=integer(values, "rsu_id"),
        quality=number(values, "quality"),
        unit_cost=number(values, "unit_cost"),
        price_max=number(values, "price_max"),
        unit_cost_by_av=_by_id(values, "unit_cost_av_ids", "unit_cost_by_av"),
    )
    if profile.price_max <= profile.price_min:
        raise ParameterError(
            f"price_max: must be > the unit cost ({profile.price_min:g} money/MHz), "
            f"got {profile.price_max:g}"
        )
    return profile


def follower_to_parameters(profile: FollowerProfile) -> dict[str, Value]:
    """The parameters that describe an AV."""
    values: dict[str, Value] = {
        "av_id": profile.av_id,
        "satisfaction": profile.satisfaction,
        "offset": profile.offset,
        "bandwidth_max": profile.bandwidth_max,
        "externality": profile.externality.value,
    }
    if profile.social:
        values["social_av_ids"] = list(profile.social)
        values["social"] = list(profile.social.values())
    pairs = {pair: eta for pair, eta in profile.service.items() if pair[0] < pair[1]}
    if pairs:
        values["service_rsu_ids"] = [rsu_id for pair in pairs for rsu_id in pair]
        values["service"] = list(pairs.values())
    if profile.delay is not None:
        rsu_ids = sorted(profile.delay.spectral_efficiency)
        values["delay_rsu_ids"] = rsu_ids
        values["delay_spectral_efficiency"] = [
            profile.delay.spectral_efficiency[rsu_id] for rsu_id in rsu_ids
        ]
        values["delay_base"] = [profile.delay.base_delay[rsu_id] for rsu_id in rsu_ids]
        values["delay_data"] = profile.delay.data
        values["delay_max"] = profile.delay.max_delay
    return values


def follower_from_parameters(values: Mapping[str, Value]) -> FollowerProfile:
    """The profile that an AV's parameters describe.

    Raises:
        ParameterError: parameters contradict each other.
    """
    bandwidth_max, offset = number(values, "bandwidth_max"), number(values, "offset")
    if bandwidth_max + offset <= 0:
        raise ParameterError(
            f"bandwidth_max: must be > -offset ({-offset:g} MHz), got {bandwidth_max:g}"
        )
    av_id = integer(values, "av_id")
    social = _by_id(values, "social_av_ids", "social")
    if av_id in social:
        raise ParameterError(f"social_av_ids: must not contain the AV itself ({av_id})")
    return FollowerProfile(
        av_id=av_id,
        satisfaction=number(values, "satisfaction"),
        offset=offset,
        bandwidth_max=bandwidth_max,
        social=social,
        service=_service(values),
        delay=_delay(values),
        externality=Externality(text(values, "externality")),
    )


def config_from_parameters(config: type[ConfigT], values: Mapping[str, Value]) -> ConfigT:
    """The settings of a state machine.

    Raises:
        ProtocolConfigError: settings contradict each other.
    """
    names = [field.name for field in dataclasses.fields(config)]
    settings = {name: values[name] for name in names}
    settings["peer_ids"] = tuple(integers(values, "peer_ids"))  # type: ignore[assignment]
    return config(**settings)  # type: ignore[arg-type]


def equilibrium_bandwidth(values: Mapping[str, Value]) -> dict[int, float] | None:
    """Demand of the policy 'equilibrium' by rsu_id [MHz]; None: not given."""
    return _by_id(values, "equilibrium_rsu_ids", "equilibrium_bandwidth") or None


def _by_id(values: Mapping[str, Value], ids_name: str, values_name: str) -> dict[int, float]:
    ids, items = integers(values, ids_name), numbers(values, values_name)
    _same_length(ids_name, len(ids), values_name, len(items))
    if len(set(ids)) != len(ids):
        raise ParameterError(f"{ids_name}: every id must appear once, got {ids}")
    return dict(zip(ids, items, strict=True))


def _same_length(ids_name: str, n_ids: int, values_name: str, n_values: int) -> None:
    if n_ids != n_values:
        raise ParameterError(
            f"{values_name}: must have one value for each of {ids_name} ({n_ids}), got {n_values}"
        )


def _service(values: Mapping[str, Value]) -> dict[tuple[int, int], float]:
    flat, etas = integers(values, "service_rsu_ids"), numbers(values, "service")
    if len(flat) != 2 * len(etas):
        raise ParameterError(
            f"service_rsu_ids: must have two ids for each value of service ({len(etas)}), "
            f"got {len(flat)} ids"
        )
    service: dict[tuple[int, int], float] = {}
    for j, s, eta in zip(flat[::2], flat[1::2], etas, strict=True):
        if j == s or (j, s) in service:
            raise ParameterError(
                f"service_rsu_ids: a pair must name two RSUs and appear once, got ({j}, {s})"
            )
        service[j, s] = service[s, j] = eta
    return service


def _delay(values: Mapping[str, Value]) -> FollowerDelay | None:
    rsu_ids = integers(values, "delay_rsu_ids")
    efficiency = _by_id(values, "delay_rsu_ids", "delay_spectral_efficiency")
    base = _by_id(values, "delay_rsu_ids", "delay_base")
    if not rsu_ids:
        return None
    data, limit = number(values, "delay_data"), number(values, "delay_max")
    for name, value in (("delay_data", data), ("delay_max", limit)):
        if math.isnan(value):
            raise ParameterError(f"{name}: missing; it is needed with delay_rsu_ids")
    return FollowerDelay(
        data=data, max_delay=limit, spectral_efficiency=efficiency, base_delay=base
    )
