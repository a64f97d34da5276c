"""What each player knows of itself: the private part of a game instance.

A node is given its own profile and nothing else; it learns the rest from messages.
Players are numbered from 1, in the order of the instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from veaat_migration.game.instance import Externality, GameInstance


@dataclass(frozen=True)
class LeaderProfile:
    """Private data of one RSU."""

    rsu_id: int
    quality: float
    """q_j [-]; public once offered."""
    unit_cost: float
    """c_j for AVs without an entry in ``unit_cost_by_av`` [money/MHz]."""
    price_max: float
    """[money/MHz]"""
    unit_cost_by_av: Mapping[int, float] = field(default_factory=dict)
    """c_ij where it differs from ``unit_cost`` [money/MHz]."""

    @property
    def price_min(self) -> float:
        """Lowest price worth asking [money/MHz]."""
        return min([self.unit_cost, *self.unit_cost_by_av.values()])

    def cost_of(self, av_id: int) -> float:
        """c_ij [money/MHz]."""
        return self.unit_cost_by_av.get(av_id, self.unit_cost)


@dataclass(frozen=True)
class FollowerDelay:
    """One AV's side of the delay constraint of P1 (Eq. 11)."""

    data: float
    """D_i [Mbit]"""
    max_delay: float
    """T_i^max [s]"""
    spectral_efficiency: Mapping[int, float]
    """s_ij by rsu_id [bit/s/Hz]"""
    base_delay: Mapping[int, float]
    """T0_ij by rsu_id [s]"""


@dataclass(frozen=True)
class FollowerProfile:
    """Private data of one AV."""

    av_id: int
    satisfaction: float
    """delta_i [money]"""
    offset: float
    """E_i = e - alpha_i T_i^th [MHz]"""
    bandwidth_max: float
    """[MHz]"""
    social: Mapping[int, float] = field(default_factory=dict)
    """zeta_ik by av_id k (Eq. 7); absent means 0 [money/MHz^2]"""
    service: Mapping[tuple[int, int], float] = field(default_factory=dict)
    """eta_js by (rsu_id, rsu_id), both orders present (Eq. 8); absent means 0 [money/MHz^2]"""
    delay: FollowerDelay | None = None
    externality: Externality = Externality.ADDITIVE


def leader_profile(instance: GameInstance, rsu_id: int) -> LeaderProfile:
    """The private data of RSU ``rsu_id`` (counted from 1)."""
    j = rsu_id - 1
    column = instance.cost[:, j]
    base = float(column[0])
    return LeaderProfile(
        rsu_id=rsu_id,
        quality=float(instance.quality[j]),
        unit_cost=base,
        price_max=instance.price_max,
        unit_cost_by_av={i + 1: float(c) for i, c in enumerate(column) if c != base},
    )


def follower_profile(instance: GameInstance, av_id: int) -> FollowerProfile:
    """The private data of AV ``av_id`` (counted from 1)."""
    i = av_id - 1
    delay = instance.delay
    return FollowerProfile(
        av_id=av_id,
        satisfaction=float(instance.satisfaction[i]),
        offset=float(instance.offset[i]),
        bandwidth_max=instance.bandwidth_max,
        social={k + 1: float(z) for k, z in enumerate(instance.social[i]) if z},
        service={
            (j + 1, s + 1): float(eta)
            for j, row in enumerate(instance.service)
            for s, eta in enumerate(row)
            if eta
        },
        delay=None
        if delay is None
        else FollowerDelay(
            data=float(delay.data[i]),
            max_delay=float(delay.max_delay[i]),
            spectral_efficiency={
                j + 1: float(s) for j, s in enumerate(delay.spectral_efficiency[i])
            },
            base_delay={j + 1: float(t) for j, t in enumerate(delay.base_delay[i])},
        ),
        externality=instance.externality,
    )
