"""Run one node by the name of its executable where ``ros2 run`` is not at hand.

``python -m veaat_migration.nodes rsu_leader --ros-args --params-file config/rsu.example.yaml``
"""

from __future__ import annotations

import sys

from veaat_migration.nodes.start import EXECUTABLES, start


def main() -> int:
    """Run the node named by the first argument; the exit status."""
    name, arguments = sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:]
    if name not in EXECUTABLES:
        print(f"usage: python -m veaat_migration.nodes {{{','.join(EXECUTABLES)}}} ...")
        return 2
    return start(name, arguments)


if __name__ == "__main__":
    sys.exit(main())
