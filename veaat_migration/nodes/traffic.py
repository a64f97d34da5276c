"""Replays a traffic trace as the odometry of some of its vehicles, at any speed, with pause.

Velocities are those of the wall clock: at twice the speed a vehicle is twice as fast, since that is
what its odometry shows. The parameters ``speed`` and ``paused`` can be set at any time.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nav_msgs.msg import Odometry
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data

from veaat_migration.mobility.clock import ReplayClock
from veaat_migration.mobility.fcd import read_fcd
from veaat_migration.mobility.replay import Replay
from veaat_migration.mobility.streams import between
from veaat_migration.mobility.traffic import TraceError
from veaat_migration.nodes import process
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.player import NAMESPACE
from veaat_migration.nodes.process import EXIT_FAILURE, ManagedNode
from veaat_migration.nodes.specification import ParameterError, integers, number, text
from veaat_migration.nodes.traffic_parameters import TRAFFIC


class Traffic(ManagedNode):
    """Publishes ``av_N/odom`` until the trace, or the part of it that is wanted, is over."""

    def __init__(self, name: str = "traffic", **node_options: Any) -> None:
        """Read the parameters of :data:`TRAFFIC` and the first step of the trace.

        Raises:
            VeaatError: a parameter has no meaning, or the trace cannot be read.
        """
        node_options.setdefault("namespace", NAMESPACE)
        super().__init__(name, **node_options)
        values = declare(self, TRAFFIC)
        self.executor_name = text(values, "executor")
        self._names = parse_vehicles(text(values, "vehicles"), integers(values, "av_ids"))
        start = number(values, "start")
        path = Path(text(values, "trace")).expanduser()
        begin = -math.inf if math.isnan(start) else start
        self._replay = Replay(between(read_fcd(path), begin, math.inf))
        self._end = self._replay.start + number(values, "duration")
        self._pace = ReplayClock(
            self._replay.start, speed=number(values, "speed"), paused=bool(values["paused"])
        )
        self._start_by = time.monotonic() + number(values, "patience")
        self._begun = False
        self._stamp = Stamper(self)
        self._frame = text(values, "frame")
        self._outputs: dict[str, Publisher] = {
            vehicle: self.create_publisher(Odometry, f"av_{av_id}/odom", qos_profile_sensor_data)
            for vehicle, av_id in self._names.items()
        }
        self.add_on_set_parameters_callback(self._on_parameters)
        self.create_timer(
            1.0 / number(values, "rate"),
            self._on_tick,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def _on_tick(self) -> None:
        if self.ended:
            return
        now = time.monotonic()
        if not self._begun and not self._is_heard() and now < self._start_by:
            return
        if not self._begun:
            self._begun = True
            self.get_logger().info(f"traffic begins at {self._replay.start:.1f} s of the trace")
        moment = self._pace.time(now)
        try:
            scene = None if moment > self._end else self._replay.at(moment)
        except TraceError as error:
            self.get_logger().error(f"the trace is damaged: {error}")
            self.exit_code = EXIT_FAILURE
            scene = None
        if scene is None:
            self.get_logger().info(f"traffic is over at {moment:.1f} s of the trace")
            self.end()
            return
        rows = {vehicle: row for row, vehicle in enumerate(scene.ids) if vehicle in self._outputs}
        pace = 0.0 if self._pace.paused else self._pace.speed
        for vehicle, row in rows.items():
            x, y = scene.positions[row].tolist()
            vx, vy = (pace * v for v in scene.velocities[row].tolist())
            self._outputs[vehicle].publish(self._odometry(vehicle, x, y, vx, vy))

    def _odometry(self, vehicle: str, x: float, y: float, vx: float, vy: float) -> Odometry:
        message = Odometry()
        self._stamp(message.header)
        message.header.frame_id = self._frame
        message.child_frame_id = f"av_{self._names[vehicle]}"
        message.pose.pose.position.x = x
        message.pose.pose.position.y = y
        if math.isfinite(vx) and math.isfinite(vy):
            half = 0.5 * math.atan2(vy, vx)
            message.pose.pose.orientation.z = math.sin(half)
            message.pose.pose.orientation.w = math.cos(half)
            message.twist.twist.linear.x = math.hypot(vx, vy)
        else:
            message.twist.twist.linear.x = math.nan
        return message

    def _is_heard(self) -> bool:
        return all(output.get_subscription_count() for output in self._outputs.values())

    def _on_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        now = time.monotonic()
        for parameter in parameters:
            if parameter.name == "speed":
                try:
                    self._pace.set_speed(parameter.value, now)
                except (TypeError, ValueError) as error:
                    return SetParametersResult(successful=False, reason=str(error))
            elif parameter.name == "paused" and parameter.value:
                self._pace.pause(now)
            elif parameter.name == "paused":
                self._pace.resume(now)
        return SetParametersResult(successful=True)


def parse_vehicles(content: str, av_ids: Sequence[int]) -> dict[str, int]:
    """AV by vehicle of the trace.

    Raises:
        ParameterError: not a JSON list of as many different texts as there are AVs.
    """
    try:
        vehicles = json.loads(content)
    except json.JSONDecodeError as error:
        raise ParameterError(f"vehicles: not JSON: {error}") from error
    if not isinstance(vehicles, list) or not all(isinstance(item, str) for item in vehicles):
        raise ParameterError("vehicles: must be a list of ids of the trace")
    if len(vehicles) != len(av_ids):
        raise ParameterError(
            f"vehicles: must name one vehicle for each of av_ids ({len(av_ids)}), "
            f"got {len(vehicles)}"
        )
    if len(set(vehicles)) != len(vehicles) or len(set(av_ids)) != len(av_ids):
        raise ParameterError("vehicles, av_ids: every one must appear once")
    return dict(zip(vehicles, av_ids, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay until the end of the trace or a signal; the exit status."""
    return process.run(lambda: [Traffic()], arguments)


if __name__ == "__main__":
    sys.exit(main())
