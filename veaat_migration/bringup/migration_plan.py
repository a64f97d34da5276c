"""Which nodes a city with migrating twins runs: one plan for ``veaat migrate`` and its launch file.

Every RSU is a process with its player (``rsu_leader``) and its twins (``twin_host``), every AV one
with its player (``av_inference``) and its twin's arbiter (``twin_vehicle``); beside them traffic,
monitor and recorder. Pure: no ROS, no files, no processes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from veaat_migration.analysis.topics import DIAGNOSTICS_TOPIC, RECORDED_TOPICS
from veaat_migration.bringup.city import City
from veaat_migration.bringup.plan import (
    RECORDER,
    NodeSpec,
    Part,
    Plan,
    PlanError,
    check_namespace,
    player_seed,
)
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.profiles import follower_profile, leader_profile
from veaat_migration.nodes.profile_parameters import follower_to_parameters, leader_to_parameters
from veaat_migration.nodes.specification import Value
from veaat_migration.scenario.build import build_instance, links, qualities
from veaat_migration.scenario.parts import MeasuredQuality
from veaat_migration.scenario.schema import Scenario

TRAFFIC, MONITOR, MARKERS = "traffic", "migration_monitor", "markers"
BYTES_PER_MB = 1_000_000
SMALLEST_IMAGE = 1024


@dataclass(frozen=True)
class MigrationOptions:
    """How to run a city."""

    state: str
    """Folder for the twins and journals of all machines."""
    seed: int = 1
    speed: float = 1.0
    """Seconds of trace per second."""
    period: float = 0.2
    """Time between two rounds of the game [s]."""
    horizon: float = 10.0
    """An AV asks when it leaves coverage within this time [s]."""
    image_share: float = 1.0
    """Bytes that a twin really has, as a share of the data that its transfer counts as."""
    composed: bool = True
    """One process for each machine; false: one for each node."""
    bag: str | None = None
    """Folder for the recording; None: do not record."""
    markers: bool = False
    """Draw it for RViz and Foxglove."""
    namespace: str = "/veaat"
    executor: str = "events"


def make_migration_plan(city: City, options: MigrationOptions) -> Plan:
    """The nodes of a city.

    Raises:
        PlanError: a number is out of range.
    """
    _check(options)
    instance = build_instance(city.scenario)
    machines = [*_rsus(city.scenario, instance, options), *_avs(city.scenario, instance, options)]
    nodes = [_monitor(options), _traffic(city, options)]
    if options.markers:
        nodes.append(_markers(options))
    if options.bag is not None:
        nodes.insert(0, _recorder(city.scenario, options))
    for name, parts in machines:
        nodes += [_machine(name, parts, options)] if options.composed else parts
    return Plan(tuple(nodes))


def _check(options: MigrationOptions) -> None:
    check_namespace(options.namespace)
    if options.seed < 0:
        raise PlanError(f"seed: must be >= 0, got {options.seed}")
    for name, low, high in (
        ("speed", 0.0, 1000.0),
        ("period", 0.0, 3600.0),
        ("horizon", 0.0, 3600.0),
        ("image_share", 0.0, 1.0),
    ):
        value = getattr(options, name)
        if not low < value <= high:
            raise PlanError(f"{name}: must be > {low:g} and <= {high:g}, got {value:g}")


Machine = tuple[str, list[NodeSpec]]


def _rsus(
    scenario: Scenario, instance: GameInstance, options: MigrationOptions
) -> Iterator[Machine]:
    offered = qualities(scenario).tolist()
    law = scenario.reputation
    for j, rsu in enumerate(scenario.rsus):
        name = f"rsu_{j + 1}"
        player = leader_to_parameters(leader_profile(instance, j + 1)) | {
            "policy": "best_response",
            "seed": player_seed(options.seed, name),
            "round_period": float(options.period),
            "bandwidth_max": instance.bandwidth_max,
            "follow_quality": True,
            "observers": _observers(options),
            "executor": options.executor,
        }
        assert rsu.position is not None
        measured = isinstance(rsu.quality, MeasuredQuality)
        twins: dict[str, Value] = {
            "rsu_id": j + 1,
            "store": str(Path(options.state) / name),
            # One machine stands for all: a loss of power would end the whole city.
            "sync_writes": False,
            "arrival_rate": float(rsu.arrival_rate),
            "service_rate": float(rsu.service_rate),
            "compute": float(rsu.compute),
            "seed": player_seed(options.seed, f"{name}_twins") % 2**31,
            "x": float(rsu.position[0]),
            "y": float(rsu.position[1]),
            "coverage_radius": float(scenario.coverage_radius),
            "quality": offered[j],
            "merit": float(rsu.quality.migrations) if measured else 0.0,  # type: ignore[union-attr]
            "newcomer": float(law.newcomer),
            "highest": float(law.highest),
            "half_migrations": float(law.half_migrations),
            "executor": options.executor,
        }
        space = options.namespace
        yield (
            name,
            [
                NodeSpec("rsu_leader", name, space, player),
                NodeSpec("twin_host", f"{name}_twins", space, twins),
            ],
        )


def _avs(
    scenario: Scenario, instance: GameInstance, options: MigrationOptions
) -> Iterator[Machine]:
    radio = scenario.channel
    base_delay = links(scenario).base_delay
    sites = [rsu.position for rsu in scenario.rsus]
    places: dict[str, list[float]] = {
        "x": [float(site[0]) for site in sites if site is not None],
        "y": [float(site[1]) for site in sites if site is not None],
    }
    rsu_ids = list(range(1, len(sites) + 1))
    channel: dict[str, Value] = {
        "antenna_gain": float(radio.antenna_gain),
        "carrier_frequency": float(radio.carrier_frequency),
        "transmit_power": float(radio.transmit_power),
        "noise_power": float(radio.noise_power),
    }
    for i, av in enumerate(scenario.avs):
        name = f"av_{i + 1}"
        player = follower_to_parameters(follower_profile(instance, i + 1)) | {
            "policy_releases": False,
            "seed": player_seed(options.seed, name),
            "price_max": instance.price_max,
            "finish_when_closed": False,
            # Where the twin may go is a matter of the task; links are known everywhere.
            "link_rsu_ids": rsu_ids,
            "link_x": places["x"],
            "link_y": places["y"],
            "link_base_delay": base_delay[i].tolist(),
            "observers": _observers(options),
            "executor": options.executor,
            **channel,
        }
        size = max(int(av.data * BYTES_PER_MB * options.image_share), SMALLEST_IMAGE)
        twin: dict[str, Value] = {
            "av_id": i + 1,
            "journal": str(Path(options.state) / name / "twin.json"),
            "sync_writes": False,
            "new_twin": True,
            "image_size": size,
            "seed": player_seed(options.seed, f"{name}_twin") % 2**31,
            "data": 8.0 * float(av.data),
            "cycles": float(av.cycles),
            "rsu_ids": rsu_ids,
            "rsu_x": places["x"],
            "rsu_y": places["y"],
            "coverage_radius": float(scenario.coverage_radius),
            "horizon": float(options.horizon),
            "executor": options.executor,
            **channel,
        }
        own = {"odom": f"{name}/odom", "twin_task": f"{name}/twin_task"}
        space = options.namespace
        yield (
            name,
            [
                NodeSpec("av_inference", name, space, player, remappings=own),
                NodeSpec("twin_vehicle", f"{name}_twin", space, twin),
            ],
        )


def _machine(name: str, parts: list[NodeSpec], options: MigrationOptions) -> NodeSpec:
    """All nodes of a machine in one process."""
    listed = [part.to_mapping() for part in parts]
    parameters: dict[str, Value] = {
        "players": json.dumps(listed),
        "executor": options.executor,
    }
    return NodeSpec("composed", f"{name}_machine", options.namespace, parameters)


def _observers(options: MigrationOptions) -> str:
    return "" if options.bag is None else RECORDER


def _monitor(options: MigrationOptions) -> NodeSpec:
    parameters: dict[str, Value] = {"executor": options.executor}
    return NodeSpec(MONITOR, MONITOR, options.namespace, parameters, Part.MONITOR)


def _markers(options: MigrationOptions) -> NodeSpec:
    parameters: dict[str, Value] = {"executor": options.executor}
    return NodeSpec(MARKERS, MARKERS, options.namespace, parameters, Part.VIEWER)


def _traffic(city: City, options: MigrationOptions) -> NodeSpec:
    parameters: dict[str, Value] = {
        "trace": str(city.trace),
        "av_ids": list(range(1, len(city.vehicles) + 1)),
        "vehicles": json.dumps(city.vehicles),
        "start": float(city.start),
        "duration": float(city.duration),
        "speed": float(options.speed),
        "executor": options.executor,
    }
    return NodeSpec(TRAFFIC, TRAFFIC, options.namespace, parameters, Part.TRAFFIC)


def _recorder(scenario: Scenario, options: MigrationOptions) -> NodeSpec:
    assert options.bag is not None
    topics = [*RECORDED_TOPICS, DIAGNOSTICS_TOPIC]
    for i in range(1, len(scenario.avs) + 1):
        topics.append(f"av_{i}/odom=nav_msgs/msg/Odometry")
        topics.append(f"av_{i}/twin_actions=veaat_migration/msg/TwinAction")
    parameters: dict[str, Value] = {"output": options.bag, "topics": " ".join(topics)}
    return NodeSpec(RECORDER, RECORDER, options.namespace, parameters, Part.RECORDER)


def wall_time(city: City, options: MigrationOptions) -> float:
    """How long the traffic takes [s]."""
    return math.ceil(city.duration / options.speed)
