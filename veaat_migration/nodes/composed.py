"""Any number of players on one executor in one process."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rclpy.parameter import Parameter

from veaat_migration.errors import VeaatError
from veaat_migration.nodes import process
from veaat_migration.nodes.common_parameters import EXECUTOR
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.player import NAMESPACE
from veaat_migration.nodes.process import ManagedNode
from veaat_migration.nodes.specification import Kind, ParameterError, ParameterSpec, text

PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "players",
        Kind.STRING,
        "the nodes as a JSON list of {executable: rsu_leader, av_follower, rsu_inference, "
        "av_inference, twin_host or twin_vehicle, name, namespace, parameters: {...}, remappings: "
        "{from: to}}; namespace and remappings may be left out",
    ),
    EXECUTOR,
)
_CLASSES = {
    "rsu_leader": "RsuLeader",
    "av_follower": "AvFollower",
    "rsu_inference": "RsuInference",
    "av_inference": "AvInference",
    "twin_host": "TwinHost",
    "twin_vehicle": "TwinVehicle",
}
"""Classes by executable, which is also the name of the module; imported when needed."""


class Host(ManagedNode):
    """Reads which players to host; has no work of its own."""

    def __init__(self) -> None:
        """Read the parameters of :data:`PARAMETERS`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        super().__init__("players", namespace=NAMESPACE)
        values = declare(self, PARAMETERS)
        self.executor_name = text(values, EXECUTOR.name)
        self.specs = parse_players(text(values, "players"))
        self.end()


def parse_players(content: str) -> list[dict[str, Any]]:
    """The list of the parameter ``players``, checked as far as it is not a matter of the nodes.

    Raises:
        ParameterError: not a JSON list of nodes, or two nodes of the same name.
    """
    try:
        specs = json.loads(content)
    except json.JSONDecodeError as error:
        raise ParameterError(f"players: not JSON: {error}") from error
    if not isinstance(specs, list) or not specs:
        raise ParameterError("players: must be a list of at least one node")
    names = set()
    for index, spec in enumerate(specs):
        where = f"players[{index}]"
        if not isinstance(spec, dict) or not isinstance(spec.get("parameters"), dict):
            raise ParameterError(f"{where}: must have executable, name and parameters")
        if spec.get("executable") not in _CLASSES:
            raise ParameterError(
                f"{where}.executable: must be one of {', '.join(_CLASSES)}, "
                f"got {spec.get('executable')!r}"
            )
        remappings = spec.get("remappings", {})
        if not isinstance(remappings, dict) or not all(
            isinstance(name, str) for pair in remappings.items() for name in pair
        ):
            raise ParameterError(f"{where}.remappings: must be topics by topic")
        if not isinstance(spec.get("name"), str) or spec["name"] in names:
            raise ParameterError(f"{where}.name: must be a name that no other node has")
        names.add(spec["name"])
    return specs


def make_player(spec: Mapping[str, Any]) -> ManagedNode:
    """One player; its parameters are its own, not those of the command line.

    Raises:
        VeaatError: a parameter is missing or has no meaning.
    """
    overrides = [
        Parameter(name, value=value) for name, value in spec["parameters"].items() if value != []
    ]
    executable = spec["executable"]
    module = importlib.import_module(f"veaat_migration.nodes.{executable}")
    player: type[ManagedNode] = getattr(module, _CLASSES[executable])
    try:
        return player(
            spec["name"],
            namespace=spec.get("namespace", NAMESPACE),
            parameter_overrides=overrides,
            use_global_arguments=False,
            cli_args=remapping_arguments(spec.get("remappings", {})),
        )
    except VeaatError as error:
        raise ParameterError(f"{spec['name']}: {error}") from error


def remapping_arguments(remappings: Mapping[str, str]) -> list[str]:
    """Topics of other names, as arguments of a command line."""
    if not remappings:
        return []
    rules = [word for name, other in remappings.items() for word in ("-r", f"{name}:={other}")]
    return ["--ros-args", *rules]


def create() -> list[ManagedNode]:
    """The host and its players.

    Raises:
        VeaatError: a parameter is missing or has no meaning.
    """
    host = Host()
    return [host, *(make_player(spec) for spec in host.specs)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all players until their last round or a signal; the exit status."""
    return process.run(create, arguments)


if __name__ == "__main__":
    sys.exit(main())
