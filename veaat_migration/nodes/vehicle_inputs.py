"""What the vehicle's own stack tells an AV: odometry and the task of its twin."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription

from veaat_migration import msg
from veaat_migration.game.delay import Channel
from veaat_migration.game.profiles import FollowerProfile
from veaat_migration.mobility.link import LinkModel
from veaat_migration.mobility.position_watch import PositionState, PositionWatch
from veaat_migration.nodes import qos
from veaat_migration.nodes.connections import subscribe_to
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.health import Health, Level, Section
from veaat_migration.nodes.odometry import Sample, read_odometry
from veaat_migration.nodes.specification import (
    ParameterError,
    Value,
    integers,
    number,
    numbers,
    text,
)
from veaat_migration.nodes.vehicle_state import Task, VehicleState
from veaat_migration.nodes.wire import WireError


def make_vehicle_state(values: Mapping[str, Value], profile: FollowerProfile) -> VehicleState:
    """What the parameters of :data:`.inference_parameters.VEHICLE` say.

    Raises:
        VeaatError: parameters contradict each other.
    """
    rsu_ids = integers(values, "link_rsu_ids")
    columns = {name: numbers(values, name) for name in ("link_x", "link_y", "link_base_delay")}
    for name, column in columns.items():
        if len(column) != len(rsu_ids) and not (name == "link_base_delay" and not column):
            raise ParameterError(
                f"{name}: must have one value for each of link_rsu_ids ({len(rsu_ids)}), "
                f"got {len(column)}"
            )
    links = None
    if rsu_ids:
        links = LinkModel(
            rsu_ids,
            list(zip(columns["link_x"], columns["link_y"], strict=True)),
            channel=Channel(
                antenna_gain=number(values, "antenna_gain"),
                carrier_frequency=number(values, "carrier_frequency"),
                transmit_power=number(values, "transmit_power"),
                noise_power=number(values, "noise_power"),
            ),
            coverage_radius=number(values, "coverage_radius"),
        )
    satisfaction, offset, delay_data, delay_max = (
        number(values, name) for name in ("satisfaction", "offset", "delay_data", "delay_max")
    )
    return VehicleState(
        profile,
        Task(satisfaction, offset, delay_data, delay_max),
        links=links,
        base_delay=dict(zip(rsu_ids, columns["link_base_delay"], strict=False)),
        watch=PositionWatch(
            timeout=number(values, "odometry_timeout"), max_speed=number(values, "max_speed")
        ),
        tolerance=number(values, "task_tolerance"),
    )


class VehicleInputs:
    """The topics ``odom`` and ``twin_task``."""

    def __init__(
        self,
        node: Node,
        state: VehicleState,
        stamp: Stamper,
        values: Mapping[str, Value],
        on_change: Callable[[], None],
    ) -> None:
        """Subscribe; ``on_change`` is called when ``state`` may have changed."""
        self._node = node
        self._state = state
        self._stamp = stamp
        self._on_change = on_change
        self._frame = text(values, "odometry_frame")
        self._foreign = self._unreadable = 0
        self._refused_before = 0
        self._subscriptions: list[Subscription] = [
            subscribe_to(node, msg.TwinTask, "twin_task", qos.ANSWERS, self._on_task)
        ]
        if state.links is not None:
            from nav_msgs.msg import Odometry

            self._odometry: Any = Odometry
            self._subscriptions.append(
                subscribe_to(
                    node, Odometry, "odom", qos_profile_sensor_data, self._on_odometry, raw=True
                )
            )

    def destroy(self) -> None:
        """Hear no more."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def section(self) -> Section:
        """What the diagnostics tell about the vehicle."""
        state, now = self._state, time.monotonic()
        position = state.watch.position
        values: dict[str, object] = {
            "tasks taken": state.tasks_taken,
            "tasks refused": state.tasks_refused,
            "last refused task": state.last_task_error,
        }
        if state.links is not None:
            values["position"] = "" if position is None else f"{position[0]:.1f} {position[1]:.1f}"
            values |= {
                f"odometry {verdict.value}": count
                for verdict, count in state.watch.verdicts.items()
                if count
            }
            values |= {
                "odometry of another frame": self._foreign,
                "odometry unreadable": self._unreadable,
            }
        health = self._health(state.unknown(now))
        self._refused_before = state.tasks_refused
        return Section("vehicle", health, values)

    def _health(self, unknown: str) -> Health:
        refused = self._state.tasks_refused - self._refused_before
        if refused > 0:
            error = self._state.last_task_error
            return Health(Level.WARN, f"{refused} tasks refused, the last: {error}")
        if unknown:
            return Health(Level.WARN, f"delays are unknown; {unknown}")
        if aside := self._state.aside:
            return Health(Level.WARN, aside)
        return Health(Level.OK, "ok")

    def _on_task(self, message: Any) -> None:
        task = Task(
            message.satisfaction,
            message.offset,
            message.delay_data,
            message.delay_max,
            frozenset(message.rsu_ids) if message.limited else None,
        )
        self._state.take_task(task)
        self._on_change()

    def _on_odometry(self, data: bytes) -> None:
        try:
            sample = read_odometry(data)
        except WireError:
            try:
                sample = self._deserialized(data)
            except Exception:  # of the RMW, unspecified
                self._unreadable += 1
                return
        if self._frame and sample.frame != self._frame:
            self._foreign += 1
            return
        clock = 1e-9 * self._stamp.nanoseconds()
        verdict = self._state.take_position(sample.position, sample.stamp, time.monotonic(), clock)
        if verdict is PositionState.JUMPED_BACK:
            self._node.get_logger().warning("odometry: time jumped back")
        self._on_change()

    def _deserialized(self, data: bytes) -> Sample:
        message = deserialize_message(data, self._odometry)
        place, stamp = message.pose.pose.position, message.header.stamp
        return Sample(
            stamp.sec + 1e-9 * stamp.nanosec, message.header.frame_id, (place.x, place.y, place.z)
        )
