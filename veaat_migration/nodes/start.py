"""Starting an executable: take the signals first, import rclpy and the rest afterwards."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from veaat_migration.nodes.parent import end_with_parent
from veaat_migration.nodes.stop_signals import stop_watch

EXECUTABLES = (
    "av_follower",
    "av_inference",
    "composed",
    "markers",
    "migration_monitor",
    "recorder",
    "round_monitor",
    "rsu_inference",
    "rsu_leader",
    "traffic",
    "trainer",
    "twin_host",
    "twin_vehicle",
)


def start(executable: str, arguments: Sequence[str] | None = None) -> int:
    """Run the node of one of :data:`EXECUTABLES`; the exit status.

    Args:
        executable: which one.
        arguments: command line without the program's name; None: that of this process.
    """
    end_with_parent()
    stop_watch()
    if executable.endswith("_inference"):
        # Networks this small gain nothing from more threads, whose stacks and buffers cost memory
        # on a processor with many cores. Read by numpy when it is imported, below.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    module = importlib.import_module(f"veaat_migration.nodes.{executable}")
    status: int = module.main(sys.argv[1:] if arguments is None else arguments)
    return status
