"""Tells a person what becomes of migrations while they run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from veaat_migration import msg
from veaat_migration.nodes import process, qos
from veaat_migration.nodes.common_parameters import EXECUTOR
from veaat_migration.nodes.connections import subscribe_to
from veaat_migration.nodes.migration_lines import MigrationLines
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.player import NAMESPACE
from veaat_migration.nodes.process import ManagedNode
from veaat_migration.nodes.specification import ParameterSpec, text

PARAMETERS: tuple[ParameterSpec, ...] = (EXECUTOR,)


class MigrationMonitor(ManagedNode):
    """Listens to ``twin_status`` and ``migration_reports``, writes lines to standard output."""

    def __init__(self, name: str = "migration_monitor", **node_options: Any) -> None:
        """Read the parameters of :data:`PARAMETERS`.

        Raises:
            VeaatError: a parameter has no meaning.
        """
        node_options.setdefault("namespace", NAMESPACE)
        super().__init__(name, **node_options)
        self.executor_name = text(declare(self, PARAMETERS), EXECUTOR.name)
        lines = MigrationLines(sys.stdout, time.monotonic())
        subscribe_to(
            self,
            msg.TwinStatus,
            "twin_status",
            qos.ANSWERS,
            lambda status: lines.status(status, time.monotonic()),
        )
        subscribe_to(
            self,
            msg.MigrationReport,
            "migration_reports",
            qos.ANSWERS,
            lambda report: lines.report(report, time.monotonic()),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow migrations until a signal; the exit status."""
    return process.run(lambda: [MigrationMonitor()], arguments)


if __name__ == "__main__":
    sys.exit(main())
