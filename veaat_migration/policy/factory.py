"""Policies by name, as a node's parameter ``policy`` gives it."""

from __future__ import annotations

from collections.abc import Mapping

from veaat_migration.errors import VeaatError
from veaat_migration.game.profiles import FollowerProfile, LeaderProfile
from veaat_migration.policy.baselines import (
    FixedFollower,
    FixedLeader,
    GreedyFollower,
    GreedyLeader,
    RandomFollower,
    RandomLeader,
)
from veaat_migration.policy.best_response import BestResponseFollower, BestResponseLeader
from veaat_migration.policy.interface import FollowerPolicy, LeaderPolicy

POLICIES = ("best_response", "equilibrium", "greedy", "random")


class PolicyError(VeaatError, ValueError):
    """A policy that does not exist or lacks something it needs."""


def make_leader_policy(
    name: str,
    profile: LeaderProfile,
    *,
    seed: int,
    equilibrium_price: float | None = None,
) -> LeaderPolicy:
    """The leader policy ``name`` of :data:`POLICIES`.

    Args:
        name: which policy.
        profile: the RSU's private data.
        seed: of the policy's own random numbers.
        equilibrium_price: price that ``equilibrium`` asks [money/MHz].

    Raises:
        PolicyError: unknown name, or ``equilibrium`` without a price.
    """
    if name == "best_response":
        return BestResponseLeader(profile, seed=seed)
    if name == "greedy":
        return GreedyLeader(profile, seed=seed)
    if name == "random":
        return RandomLeader(profile, seed=seed)
    if name == "equilibrium":
        if equilibrium_price is None:
            raise PolicyError("policy 'equilibrium' needs the parameter equilibrium_price")
        return FixedLeader(equilibrium_price)
    raise _unknown(name)


def make_follower_policy(
    name: str,
    profile: FollowerProfile,
    *,
    seed: int,
    equilibrium_bandwidth: Mapping[int, float] | None = None,
) -> FollowerPolicy:
    """The follower policy ``name`` of :data:`POLICIES`.

    Args:
        name: which policy.
        profile: the AV's private data.
        seed: of the policy's own random numbers.
        equilibrium_bandwidth: demand by rsu_id that ``equilibrium`` asks [MHz].

    Raises:
        PolicyError: unknown name, or ``equilibrium`` without a demand.
    """
    if name == "best_response":
        return BestResponseFollower(profile)
    if name == "greedy":
        return GreedyFollower(profile, seed=seed)
    if name == "random":
        return RandomFollower(profile, seed=seed)
    if name == "equilibrium":
        if equilibrium_bandwidth is None:
            raise PolicyError("policy 'equilibrium' needs the parameter equilibrium_bandwidth")
        return FixedFollower(equilibrium_bandwidth)
    raise _unknown(name)


def _unknown(name: str) -> PolicyError:
    return PolicyError(f"policy: must be one of {', '.join(POLICIES)}; got {name!r}")
