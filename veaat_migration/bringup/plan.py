"""Which nodes a simulation runs, with which parameters: one plan for every front end.

``sim.launch.py`` and the starter behind ``veaat sim`` both start what :func:`make_plan`
returns. Pure: no ROS, no files, no processes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np

from veaat_migration.errors import VeaatError
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.profiles import follower_profile, leader_profile
from veaat_migration.nodes.profile_parameters import follower_to_parameters, leader_to_parameters
from veaat_migration.nodes.specification import Value
from veaat_migration.policy.factory import POLICIES as UNLEARNED
from veaat_migration.protocol.config import FollowerConfig, LeaderConfig
from veaat_migration.scenario.instance_file import instance_to_mapping

MONITOR, RECORDER, PLAYERS = "round_monitor", "recorder", "players"
LEARNED = "learned"
"""Policy of players that are inference nodes."""
POLICIES = (*UNLEARNED, LEARNED)
SOLVED_QUICKLY = 60
"""Pairs of RSU and AV up to which a game is solved while it is played."""


_NAMESPACE = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")


class PlanError(VeaatError, ValueError):
    """A wish that no plan can fulfil; the message says which and why."""


class Part(str, Enum):
    """What a node is for: decides when it is stopped and what its end means."""

    PLAYER = "player"
    MONITOR = "monitor"
    """Follows the game; the simulation is over when it ends."""
    TRAFFIC = "traffic"
    """Leads the run, which is over when it ends, however it ends."""
    VIEWER = "viewer"
    """Shows what goes on; nobody needs it."""
    RECORDER = "recorder"
    """Must be stopped last."""


@dataclass(frozen=True)
class NodeSpec:
    """One process to start."""

    executable: str
    name: str
    namespace: str
    parameters: Mapping[str, Value]
    part: Part = Part.PLAYER
    remappings: Mapping[str, str] = field(default_factory=dict)
    """Other names of topics, by name."""

    def to_mapping(self) -> dict[str, Any]:
        """As plain data."""
        mapping = {
            "executable": self.executable,
            "name": self.name,
            "namespace": self.namespace,
            "part": self.part.value,
            "parameters": dict(self.parameters),
        }
        return mapping | ({"remappings": dict(self.remappings)} if self.remappings else {})


@dataclass(frozen=True)
class Plan:
    """Everything to start, in this order (which does not matter for the game)."""

    nodes: tuple[NodeSpec, ...]

    def to_mapping(self) -> dict[str, Any]:
        """As plain data, for a file."""
        return {"nodes": [node.to_mapping() for node in self.nodes]}


@dataclass(frozen=True)
class Options:
    """How to play a game."""

    rounds: int = 200
    """0: until stopped."""
    seed: int = 1
    leader_policy: str = "best_response"
    follower_policy: str = "best_response"
    policies: Mapping[str, str] = field(default_factory=dict)
    """Policy of single players by node name (``rsu_1``, ``av_3``)."""
    bundle: str = ""
    """Folder of the policies of players that are ``learned``."""
    period: float = 0.0
    """Time between two rounds [s]; 0: as fast as the players answer."""
    composed: bool = False
    """All players in one process instead of one process each."""
    bag: str | None = None
    """Folder for the recording; None: do not record."""
    namespace: str = "/veaat"
    executor: str = "events"


def make_plan(
    instance: GameInstance,
    options: Options,
    *,
    equilibrium: tuple[FloatArray, FloatArray] | None = None,
) -> Plan:
    """The nodes that play ``instance``.

    A player's parameters hold nothing but its own profile, public bounds and settings.

    Args:
        instance: the game.
        options: how to play it.
        equilibrium: prices [R] and demand [V, R] for the policy ``equilibrium``; None: solved
            here if a player needs it.

    Raises:
        PlanError: unknown policy or player, a number out of range, limited RSUs, or no bundle
            for players that are to use one.
    """
    if instance.capacity is not None:
        raise PlanError(
            "capacity: this game limits what RSUs can carry, and nodes do not ration bandwidth "
            "yet; play it without capacity (veaat solve and veaat sweep reckon with it)"
        )
    policies = _policies(instance, options)
    if equilibrium is None and "equilibrium" in policies.values():
        equilibrium = _solve(instance)
    observers = MONITOR if options.bag is None else f"{MONITOR} {RECORDER}"
    timing = _Timing.of(instance)
    players = [
        *_leaders(instance, options, policies, equilibrium, timing, observers),
        *_followers(instance, options, policies, equilibrium, timing, observers),
    ]
    nodes = [_monitor(instance, options)]
    if options.bag is not None:
        nodes.insert(0, _recorder(options))
    nodes += [_composed(players, options)] if options.composed else players
    return Plan(tuple(nodes))


@dataclass(frozen=True)
class _Timing:
    """Deadlines that grow with the game: a round of V x R messages takes its time to handle."""

    retransmit_period: float
    offer_timeout: float
    round_timeout: float

    @classmethod
    def of(cls, instance: GameInstance) -> _Timing:
        work = 1e-3 * instance.n_avs * instance.n_rsus
        return cls(
            retransmit_period=LeaderConfig.retransmit_period + work,
            offer_timeout=FollowerConfig.offer_timeout + 2 * work,
            round_timeout=LeaderConfig.round_timeout + 5 * work,
        )


def solved_quickly(instance: GameInstance) -> bool:
    """Whether the equilibrium is found within a second or so."""
    return instance.n_avs * instance.n_rsus <= SOLVED_QUICKLY


def player_names(instance: GameInstance) -> tuple[list[str], list[str]]:
    """Node names of the leaders and of the followers, in the order of their ids."""
    return (
        [f"rsu_{j + 1}" for j in range(instance.n_rsus)],
        [f"av_{i + 1}" for i in range(instance.n_avs)],
    )


def check_namespace(namespace: str) -> None:
    """Check the namespace of all nodes.

    Raises:
        PlanError: it is none.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise PlanError(
            "namespace: must be names of letters, digits and _ such as /veaat or /town/veaat, "
            f"got {namespace!r}"
        )


def policies_by_player(entries: Iterable[str]) -> dict[str, str]:
    """Policies of single players from entries such as ``rsu_1=random``.

    Raises:
        PlanError: an entry has another form.
    """
    policies = {}
    for entry in entries:
        name, separator, policy = entry.partition("=")
        if not separator:
            raise PlanError(f"player {entry}: must be NODE=POLICY, such as rsu_1=random")
        policies[name] = policy
    return policies


def player_seed(seed: int, name: str) -> int:
    """The seed of one player, independent of which others there are."""
    key = tuple(name.encode())
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0])


def _policies(instance: GameInstance, options: Options) -> dict[str, str]:
    leaders, followers = player_names(instance)
    policies = dict.fromkeys(leaders, options.leader_policy)
    policies |= dict.fromkeys(followers, options.follower_policy)
    for name in options.policies:
        if name not in policies:
            raise PlanError(
                f"no player {name!r}; there are rsu_1 to {leaders[-1]} and av_1 to {followers[-1]}"
            )
    policies |= options.policies
    for name, policy in policies.items():
        if policy not in POLICIES:
            raise PlanError(
                f"policy of {name}: must be one of {', '.join(POLICIES)}; got {policy!r}"
            )
    for number, value in (("rounds", options.rounds), ("seed", options.seed)):
        if value < 0:
            raise PlanError(f"{number}: must be >= 0, got {value}")
    check_namespace(options.namespace)
    if LEARNED in policies.values() and not options.bundle:
        raise PlanError("policy learned: needs the folder of a bundle; name one with --policies")
    if not 0 <= options.period <= 3600:
        raise PlanError(f"period: must be between 0 and 3600 s, got {options.period:g}")
    return policies


def _solve(instance: GameInstance) -> tuple[FloatArray, FloatArray]:
    from veaat_migration.game.equilibrium import solve  # scipy: only where it is needed

    solution = solve(instance, certify=False)
    return solution.prices, solution.demand


def _leaders(
    instance: GameInstance,
    options: Options,
    policies: Mapping[str, str],
    equilibrium: tuple[FloatArray, FloatArray] | None,
    timing: _Timing,
    observers: str,
) -> Iterable[NodeSpec]:
    for j, name in enumerate(player_names(instance)[0]):
        parameters = leader_to_parameters(leader_profile(instance, j + 1)) | {
            **_policy(policies[name], options),
            "seed": player_seed(options.seed, name),
            "rounds": options.rounds,
            "round_period": float(options.period),
            "round_timeout": timing.round_timeout,
            "retransmit_period": timing.retransmit_period,
            "min_avs": instance.n_avs,
            "bandwidth_max": instance.bandwidth_max,
            "observers": observers,
            "executor": options.executor,
        }
        if policies[name] == "equilibrium" and equilibrium is not None:
            parameters["equilibrium_price"] = float(equilibrium[0][j])
        executable = "rsu_inference" if policies[name] == LEARNED else "rsu_leader"
        yield NodeSpec(executable, name, options.namespace, parameters)


def _followers(
    instance: GameInstance,
    options: Options,
    policies: Mapping[str, str],
    equilibrium: tuple[FloatArray, FloatArray] | None,
    timing: _Timing,
    observers: str,
) -> Iterable[NodeSpec]:
    for i, name in enumerate(player_names(instance)[1]):
        parameters = follower_to_parameters(follower_profile(instance, i + 1)) | {
            **_policy(policies[name], options),
            "seed": player_seed(options.seed, name),
            "offer_timeout": timing.offer_timeout,
            "retransmit_period": timing.retransmit_period,
            "min_rsus": instance.n_rsus,
            "price_max": instance.price_max,
            "observers": observers,
            "executor": options.executor,
        }
        if policies[name] == "equilibrium" and equilibrium is not None:
            parameters["equilibrium_rsu_ids"] = list(range(1, instance.n_rsus + 1))
            parameters["equilibrium_bandwidth"] = equilibrium[1][i].tolist()
        executable = "av_inference" if policies[name] == LEARNED else "av_follower"
        yield NodeSpec(executable, name, options.namespace, parameters)


def _policy(name: str, options: Options) -> dict[str, Value]:
    """The parameters that say how a player decides."""
    return {"policy_path": options.bundle} if name == LEARNED else {"policy": name}


def _monitor(instance: GameInstance, options: Options) -> NodeSpec:
    parameters: dict[str, Value] = {
        "instance": json.dumps(instance_to_mapping(instance)),
        "rounds": options.rounds,
        "equilibrium": solved_quickly(instance),
        "executor": options.executor,
    }
    return NodeSpec(MONITOR, MONITOR, options.namespace, parameters, Part.MONITOR)


def _recorder(options: Options) -> NodeSpec:
    assert options.bag is not None
    parameters: dict[str, Value] = {"output": options.bag}
    return NodeSpec(RECORDER, RECORDER, options.namespace, parameters, Part.RECORDER)


def _composed(players: Iterable[NodeSpec], options: Options) -> NodeSpec:
    listed = [replace(player, part=Part.PLAYER).to_mapping() for player in players]
    parameters: dict[str, Value] = {
        "players": json.dumps(listed),
        "executor": options.executor,
    }
    return NodeSpec("composed", PLAYERS, options.namespace, parameters)
