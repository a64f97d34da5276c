"""Who takes part: the private data of AVs and RSUs, drawn by seed and name.

A vehicle's draw depends on its name and the seed alone, so that every policy meets the same fleet
whoever comes and goes. Ranges are those of docs/model.md, with satisfactions for which a twin of
25 to 100 MB moves in a few seconds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from veaat_migration.fleet.settings import IMAGE_SIZE
from veaat_migration.game.delay import queueing_delay
from veaat_migration.game.experience import quality_of_experience
from veaat_migration.protocol.migration.simulation.world import Server
from veaat_migration.protocol.migration.twin import Twin

MEGABIT_PER_MEGABYTE = 8.0
PRICE_MAX, BANDWIDTH_MAX = 60.0, 30.0
"""p_max [money/MHz] and b_max [MHz] without a scenario."""
CAPACITY = (60.0, 120.0)
"""Range of an RSU's capacity without a scenario [MHz]."""


@dataclass(frozen=True)
class Av:
    """One AV and its twin."""

    satisfaction: float
    """delta_i [money]"""
    offset: float
    """E_i = e - alpha_i T_i^th [MHz]"""
    data: float
    """D_i [Mbit]"""
    cycles: float
    """C_i [Gcycles]"""
    max_delay: float
    """T_i^max [s]"""


@dataclass(frozen=True)
class Rsu:
    """One RSU."""

    name: str
    x: float
    """[m]"""
    y: float
    """[m]"""
    radius: float
    """Of its coverage [m]."""
    cost: float
    """c_j [money/MHz]"""
    capacity: float
    """Bandwidth that may be in use for transfers to it at once [MHz]."""
    server: Server
    """Its queue and compute."""
    quality: float
    """q_j of a newcomer (k_j = 1): ln((1 - D_j) / (1 - D_th)), or as the scenario has it [-]."""

    @property
    def wait(self) -> float:
        """Mean wait in its queue [s]."""
        return float(queueing_delay(self.server.arrival_rate, self.server.service_rate))


@dataclass(frozen=True)
class City:
    """RSUs, the kinds of AVs, and the market's bounds."""

    rsus: tuple[Rsu, ...]
    kinds: tuple[Av, ...] = ()
    """Each vehicle is one of these; none: drawn from ranges."""
    price_max: float = PRICE_MAX
    bandwidth_max: float = BANDWIDTH_MAX


def draw_av(seed: int, name: str, kinds: Sequence[Av] = ()) -> tuple[Av, Twin]:
    """The AV of a vehicle and its twin as it is before its first deployment."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    draw = np.random.default_rng([seed, int.from_bytes(digest, "big")])
    if kinds:
        av = kinds[int(draw.integers(len(kinds)))]
    else:
        sensitivity, threshold = draw.uniform(1.5, 2.0), 1.0
        av = Av(
            satisfaction=float(draw.uniform(60.0, 180.0)),
            offset=float(math.e - sensitivity * threshold),
            data=float(draw.uniform(25.0, 100.0)) * MEGABIT_PER_MEGABYTE,
            cycles=float(draw.uniform(2.0, 20.0)),
            max_delay=float(draw.uniform(8.0, 20.0)),
        )
    return av, Twin(draw.bytes(IMAGE_SIZE), live=b"\0" * 8, data=av.data, cycles=av.cycles)


def draw_rsus(seed: int, sites: Sequence[Sequence[float]], radius: float) -> tuple[Rsu, ...]:
    """RSUs at these places [m], each with its own draw."""
    digits = len(str(len(sites)))
    made = []
    for j, (x, y) in enumerate(sites, start=1):
        draw = np.random.default_rng([seed, j])
        server = Server(
            arrival_rate=float(draw.uniform(2.0, 6.0)),
            service_rate=float(draw.uniform(8.0, 12.0)),
            compute=float(draw.uniform(20.0, 60.0)),
        )
        made.append(
            Rsu(
                name=f"rsu{j:0{digits}}",
                x=float(x),
                y=float(y),
                radius=radius,
                cost=float(draw.uniform(2.0, 3.0)),
                capacity=float(draw.uniform(*CAPACITY)),
                server=server,
                quality=quality_of_experience(float(draw.uniform(0.2, 0.4)), 0.6),
            )
        )
    return tuple(made)


def reseeded(city: City, seed: int, *, given: bool) -> City:
    """The city of a seed: RSUs that a scenario gives keep their numbers, others are drawn."""
    if given:
        return city
    sites = [(rsu.x, rsu.y) for rsu in city.rsus]
    return replace(city, rsus=draw_rsus(seed, sites, city.rsus[0].radius))
