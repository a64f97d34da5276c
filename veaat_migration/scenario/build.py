"""From a scenario (positions, radio, queues, tasks) to the numbers of the game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veaat_migration.game import delay as physics
from veaat_migration.game.experience import Reputation, quality_of_experience
from veaat_migration.game.instance import DelayConstraint, GameInstance, InstanceError
from veaat_migration.scenario.couplings import share_of_total
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.parts import (
    Coupling,
    DistanceCoupling,
    MeasuredQuality,
    Player,
    TotalCoupling,
    offset,
)
from veaat_migration.scenario.schema import Scenario

FloatArray = npt.NDArray[np.float64]

MEGABIT_PER_MEGABYTE = 8.0


@dataclass(frozen=True)
class Links:
    """Radio and delay of every AV-RSU pair; arrays of shape [V, R]."""

    distance: FloatArray
    """[m]"""
    snr: FloatArray
    """Linear [-], fading included."""
    spectral_efficiency: FloatArray
    """[bit/s/Hz]"""
    base_delay: FloatArray
    """Queueing plus re-instantiation [s]."""

    @property
    def snr_db(self) -> FloatArray:
        """SNR [dB]."""
        return np.asarray(10.0 * np.log10(self.snr))


def build_instance(scenario: Scenario) -> GameInstance:
    """The game that a scenario describes; the same scenario always gives the same game.

    Raises:
        ScenarioError: the numbers together make no game (for instance a link without signal).
    """
    try:
        return GameInstance.create(
            satisfaction=[av.satisfaction for av in scenario.avs],
            offset=[offset(av) for av in scenario.avs],
            quality=qualities(scenario),
            cost=[rsu.cost for rsu in scenario.rsus],
            social=_coupling(scenario.social_coupling, scenario.avs),
            service=_coupling(scenario.service_coupling, scenario.rsus),
            price_max=scenario.price_max,
            bandwidth_max=scenario.bandwidth_max,
            delay=_delay_constraint(scenario) if scenario.delay.enforce else None,
            externality=scenario.externality,
            capacity=_capacities(scenario),
        )
    except InstanceError as error:
        raise ScenarioError(str(error)) from error


def links(scenario: Scenario) -> Links:
    """Distances, SNR, spectral efficiency and base delay of every AV-RSU pair."""
    radio = scenario.channel
    channel = physics.Channel(
        antenna_gain=radio.antenna_gain,
        carrier_frequency=radio.carrier_frequency,
        transmit_power=radio.transmit_power,
        noise_power=radio.noise_power,
    )
    distance = _distances(scenario)
    gain = physics.channel_gain(
        np.maximum(distance, radio.min_distance), channel, _fading(scenario)
    )
    snr = physics.signal_to_noise(gain, channel)
    queue = physics.queueing_delay(
        [rsu.arrival_rate for rsu in scenario.rsus], [rsu.service_rate for rsu in scenario.rsus]
    )
    compute = physics.reinstantiation_delay(
        np.array([av.cycles for av in scenario.avs])[:, None],
        [rsu.compute for rsu in scenario.rsus],
    )
    return Links(distance, snr, physics.spectral_efficiency(snr), queue + compute)


def migration_delays(scenario: Scenario, bandwidth: float | FloatArray) -> FloatArray:
    """T_ij [s], shape [V, R], of a demand [MHz], a number or [V, R]."""
    link = links(scenario)
    delays: FloatArray = physics.migration_delay(
        data_megabits(scenario), bandwidth, link.spectral_efficiency, link.base_delay
    )
    return delays


def shortest_delays(scenario: Scenario) -> FloatArray:
    """T_ij with b_max from every RSU [s], shape [V, R]: no demand makes a migration faster."""
    return migration_delays(scenario, scenario.bandwidth_max)


def data_megabits(scenario: Scenario) -> FloatArray:
    """D_i, the twins' sizes [Mbit], shape [V]."""
    return np.array([av.data * MEGABIT_PER_MEGABYTE for av in scenario.avs])


def qualities(scenario: Scenario) -> FloatArray:
    """q_j, given or computed by Eq. (4), shape [R]."""
    law = Reputation(**scenario.reputation.model_dump())
    values = []
    for rsu in scenario.rsus:
        quality = rsu.quality
        if isinstance(quality, MeasuredQuality):
            k = law.after(quality.migrations)
            quality = quality_of_experience(quality.distortion, quality.distortion_threshold, k)
        values.append(quality)
    return np.array(values)


def _capacities(scenario: Scenario) -> FloatArray | None:
    """C_j, shape [R]; None if no RSU is limited."""
    limits = [rsu.capacity for rsu in scenario.rsus]
    if all(limit is None for limit in limits):
        return None
    # No expected load is larger than what all AVs may buy together.
    unlimited = len(scenario.avs) * scenario.bandwidth_max
    return np.array([unlimited if limit is None else limit for limit in limits])


def _delay_constraint(scenario: Scenario) -> DelayConstraint:
    link = links(scenario)
    return DelayConstraint.create(
        len(scenario.avs),
        len(scenario.rsus),
        data=data_megabits(scenario),
        spectral_efficiency=link.spectral_efficiency,
        base_delay=link.base_delay,
        max_delay=[av.max_delay for av in scenario.avs],
    )


def positions(members: Sequence[Player]) -> FloatArray:
    """Positions of AVs or RSUs [m], shape [n, 2]; NaN where none is given."""
    return np.array([member.position or (np.nan, np.nan) for member in members])


def _distances(scenario: Scenario) -> FloatArray:
    between = _pairwise(positions(scenario.avs), positions(scenario.rsus))
    return np.where(np.isnan(between), scenario.channel.distance, between)


def _pairwise(first: FloatArray, second: FloatArray) -> FloatArray:
    difference = first[:, None, :] - second[None, :, :]
    return np.asarray(np.hypot(difference[..., 0], difference[..., 1]))


def _fading(scenario: Scenario) -> FloatArray:
    """Fading power [V, R]. Adding AVs or RSUs at the end leaves the others' draws as they are."""
    shape = (len(scenario.avs), len(scenario.rsus))
    if scenario.channel.fading == "none":
        return np.ones(shape)
    rows = [
        physics.rayleigh_fading(shape[1], np.random.default_rng([scenario.seed, i]))
        for i in range(shape[0])
    ]
    return np.array(rows)


def _coupling(
    coupling: Coupling,
    members: Sequence[Player],
) -> float | FloatArray:
    if isinstance(coupling, TotalCoupling):
        return share_of_total(coupling.total, len(members))
    if isinstance(coupling, DistanceCoupling):
        places = positions(members)
        matrix = coupling.strength * np.exp(-_pairwise(places, places) / coupling.range)
        np.fill_diagonal(matrix, 0.0)
        return np.asarray(matrix)
    return np.array(coupling) if isinstance(coupling, tuple) else coupling
