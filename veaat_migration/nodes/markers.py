"""Draws the migration for RViz and Foxglove: RSUs, vehicles, twins, transfers, prices.

Listens to what all may hear and decides nothing. Every array holds the whole picture, so a viewer
may come at any time, and each marker fades by itself when this node ends.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.qos import qos_profile_sensor_data
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from veaat_migration import msg
from veaat_migration.nodes import process, qos
from veaat_migration.nodes.connections import publish_on, subscribe_to
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.marker_scene import MOST, Canvas, Look, Scene
from veaat_migration.nodes.marker_shapes import Colour, Key, Shape
from veaat_migration.nodes.markers_parameters import MARKERS
from veaat_migration.nodes.odometry import read_odometry
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.player import NAMESPACE
from veaat_migration.nodes.process import ManagedNode
from veaat_migration.nodes.specification import ParameterError, number, text
from veaat_migration.nodes.wire import WireError

TOPIC = "markers"
FADING = 2.0
"""A marker that is not drawn again vanishes after this [s], or three arrays."""


class Markers(ManagedNode):
    """Publishes ``markers`` (``visualization_msgs/MarkerArray``)."""

    def __init__(self, name: str = "markers", **node_options: Any) -> None:
        """Read the parameters of :data:`.markers_parameters.MARKERS`.

        Raises:
            VeaatError: a parameter has no meaning.
        """
        node_options.setdefault("namespace", NAMESPACE)
        super().__init__(name, **node_options)
        values = declare(self, MARKERS)
        self.executor_name = text(values, "executor")
        self._odometry = text(values, "odometry")
        if self._odometry.count("{}") != bool(self._odometry):
            raise ParameterError(
                f"odometry: must have one {{}} for the AV's id, got {self._odometry!r}"
            )
        self._scene = Scene(
            Look(
                number(values, "size"),
                number(values, "timeout"),
                number(values, "forget"),
                bool(values["labels"]),
            )
        )
        self._canvas = Canvas()
        self._followed: set[int] = set()
        self._heard = False
        self._frame = text(values, "frame")
        self._stamp = Stamper(self)
        period = 1.0 / number(values, "rate")
        lifetime = max(FADING, 3.0 * period)
        self._lifetime = Duration(sec=int(lifetime), nanosec=int(lifetime % 1.0 * 1e9))
        self._output = publish_on(self, MarkerArray, TOPIC, qos.LATCHED)
        scene = self._scene
        self._listen(msg.HostStatus, "host_status", qos.ANSWERS, scene.on_host)
        self._listen(msg.PriceOffer, "price_offers", qos.OFFERS, scene.on_offer)
        self._listen(msg.TwinStatus, "twin_status", qos.ANSWERS, self._on_twin)
        self.create_timer(period, self._draw, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def leave(self) -> None:
        """Clear the screens."""
        self._output.publish(MarkerArray(markers=[self._marker(action=Marker.DELETEALL)]))

    def publishers_to_flush(self) -> Sequence[Any]:
        """What must still arrive."""
        return (self._output,)

    def _listen(
        self, kind: type[Any], topic: str, profile: Any, take: Callable[[Any, float], None]
    ) -> None:
        subscribe_to(self, kind, topic, profile, lambda message: take(message, time.monotonic()))

    def _on_twin(self, status: msg.TwinStatus, now: float) -> None:
        self._scene.on_twin(status, now)
        av_id = int(status.av_id)
        new = av_id not in self._followed and len(self._followed) < MOST
        if self._odometry and new:
            self._followed.add(av_id)
            self._follow(av_id)

    def _follow(self, av_id: int) -> None:
        """Listen to the odometry of an AV that was heard of."""

        def on_odometry(data: bytes) -> None:
            try:
                sample = read_odometry(data)
            except WireError:
                return  # its status says where it is
            x, y, _ = sample.position
            self._scene.on_odometry(av_id, x, y, sample.velocity, time.monotonic())

        topic = self._odometry.replace("{}", str(av_id))
        subscribe_to(self, Odometry, topic, qos_profile_sensor_data, on_odometry, raw=True)

    def _draw(self) -> None:
        """Publish the whole picture, if anybody looks at it."""
        heard = self._output.get_subscription_count() > 0
        if not heard:
            self._heard = False
            return
        shapes = self._scene.shapes(time.monotonic())
        gone = self._canvas.update(shapes)
        markers = [self._deletion(key) for key in gone]
        if not self._heard:
            # A viewer may still show what a former life of this node drew.
            self._heard = True
            markers.append(self._marker(action=Marker.DELETEALL))
        markers += [self._shown(shape) for shape in shapes]
        if markers:
            self._output.publish(MarkerArray(markers=markers))

    def _marker(self, **values: Any) -> Marker:
        header = Header(frame_id=self._frame)
        self._stamp(header)
        return Marker(header=header, **values)

    def _deletion(self, key: Key) -> Marker:
        return self._marker(action=Marker.DELETE, ns=key[0], id=_int32(key[1]))

    def _shown(self, shape: Shape) -> Marker:
        marker = self._marker(
            action=Marker.ADD,
            ns=shape.namespace,
            id=_int32(shape.number),
            type=int(shape.form),
            lifetime=self._lifetime,
            color=_colour(shape.colour),
            text=shape.text,
            points=[Point(x=x, y=y, z=z) for x, y, z in shape.points],
        )
        if shape.colours:
            known = {colour: _colour(colour) for colour in set(shape.colours)}
            marker.colors = [known[colour] for colour in shape.colours]
        place, scale = marker.pose.position, marker.scale
        place.x, place.y, place.z = shape.place
        scale.x, scale.y, scale.z = shape.scale
        marker.pose.orientation.w = 1.0
        return marker


def _int32(number: int) -> int:
    """Ids of AVs and RSUs are unsigned, those of markers signed: the same bits."""
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >= 1 << 31 else number


def _colour(colour: Colour) -> ColorRGBA:
    red, green, blue, opacity = colour
    return ColorRGBA(r=red, g=green, b=blue, a=opacity)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw until a signal; the exit status."""
    return process.run(lambda: [Markers()], arguments)


if __name__ == "__main__":
    sys.exit(main())
