"""What both players have in common: parameters, one life, and the end of the node with it."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic

from rclpy.publisher import Publisher

from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.life import Life
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.process import ManagedNode
from veaat_migration.nodes.reporting import Reporter
from veaat_migration.nodes.specification import ParameterSpec, Value, number, text
from veaat_migration.nodes.topics import MachineT, Topics

NAMESPACE = "veaat"
"""Namespace of every node unless another one is given (``-r __ns:=/other``)."""


class PlayerNode(ManagedNode, Generic[MachineT]):
    """Plays from its construction on until the game is over or it is told to stop."""

    def __init__(self, name: str, specs: Sequence[ParameterSpec], **node_options: Any) -> None:
        """Read the parameters and prepare to play.

        Args:
            name: name of the node.
            specs: its parameters.
            node_options: of :class:`rclpy.node.Node`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        node_options.setdefault("namespace", NAMESPACE)
        super().__init__(name, **node_options)
        self.values = values = declare(self, specs)
        self.executor_name = text(values, "executor")
        stamp = Stamper(self)
        machine = self._make_machine(values, time.time_ns())
        topics = self._make_topics(stamp)
        reporter = Reporter(self, stamp, self.get_name())
        self._publishers_to_flush = (*topics.publishers, reporter.publisher)
        self._life: Life[MachineT] = Life(
            self,
            machine,
            topics,
            reporter,
            publishers=self._publishers_to_flush,
            **life_settings(values),
            on_finished=self._finished,
        )

    @abstractmethod
    def _make_machine(self, values: dict[str, Value], session: int) -> MachineT:
        """The state machine of these parameters."""

    @abstractmethod
    def _make_topics(self, stamp: Stamper) -> Topics[MachineT]:
        """The topics of the role."""

    def publishers_to_flush(self) -> Sequence[Publisher]:
        """Everything this node says matters to the record."""
        return self._publishers_to_flush

    def leave(self) -> None:
        """Say goodbye; the others stop waiting for this player at once."""
        self._life.leave()

    def _finished(self) -> None:
        if not self.ended:
            self.end()


def life_settings(values: dict[str, Value]) -> dict[str, Any]:
    """Of :class:`Life`, as parameters of a player give them."""
    return {
        "observers": text(values, "observers"),
        "observer_timeout": number(values, "observer_timeout"),
        "status_period": number(values, "status_period"),
    }
