"""Run one node by the name of its executable where ``ros2 run`` is not at hand.

``python -m veaat_migration.nodes rsu_leader --ros-args --params-file config/rsu.example.yaml``
"""

from __future__ import annotations

import importlib
import sys

EXECUTABLES = ("av_follower", "composed", "recorder", "round_monitor", "rsu_leader")


def main() -> int:
    """Run the node named by the first argument; the exit status."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in EXECUTABLES:
        print(f"usage: python -m veaat_migration.nodes {{{','.join(EXECUTABLES)}}} ...")
        return 2
    module = importlib.import_module(f"veaat_migration.nodes.{name}")
    status: int = module.main(sys.argv[2:])
    return status


if __name__ == "__main__":
    sys.exit(main())
