"""QoS events on Humble, where rclpy keeps their callbacks elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.ros
def test_nodes_import_where_rclpy_is_that_of_humble(tmp_path: Path):
    script = """
import sys
import rclpy.event_handler
import rclpy.node
sys.modules["rclpy.qos_event"] = sys.modules.pop("rclpy.event_handler")
sys.modules["rclpy.event_handler"] = None
from veaat_migration.nodes import connections, recorder
assert connections.PublisherEventCallbacks.__name__ == "PublisherEventCallbacks"
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
