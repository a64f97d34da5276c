"""The markers node over DDS: what a viewer receives."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.ros


class Viewer:
    """A screen that does what markers say, and a city that says what is to be seen."""

    def __init__(self, listener: Any) -> None:
        from nav_msgs.msg import Odometry
        from rclpy.qos import qos_profile_sensor_data
        from visualization_msgs.msg import MarkerArray

        from veaat_migration import msg
        from veaat_migration.nodes import qos

        self._msg, self._odometry = msg, Odometry
        node = listener.node
        # As RViz subscribes by default: reliable and volatile.
        self.arrays = listener.listen("markers", MarkerArray, 10)
        self.hosts = node.create_publisher(msg.HostStatus, "host_status", qos.ANSWERS)
        self.twins = node.create_publisher(msg.TwinStatus, "twin_status", qos.ANSWERS)
        self.offers = node.create_publisher(msg.PriceOffer, "price_offers", qos.OFFER)
        self.odometry = node.create_publisher(Odometry, "av_7/odom", qos_profile_sensor_data)

    def say(self, **twin: Any) -> None:
        msg = self._msg
        for rsu_id in (1, 2):
            self.hosts.publish(
                msg.HostStatus(
                    rsu_id=rsu_id, x=300.0 * rsu_id, y=0.0, coverage_radius=200.0,
                    av_ids=[7], kinds=[4 if rsu_id == 1 else 1],
                )
            )  # fmt: skip
        self.offers.publish(msg.PriceOffer(rsu_id=1, price=4.5))
        self.twins.publish(msg.TwinStatus(av_id=7, x=math.nan, owner_rsu_id=1, **twin))

    def drive(self, x: float) -> None:
        message = self._odometry()
        message.header.frame_id = "map"
        message.pose.pose.position.x = x
        message.pose.pose.orientation.w = 1.0
        message.twist.twist.linear.x = 5.0
        self.odometry.publish(message)

    def screen(self) -> dict[tuple[str, int], Any]:
        """What is on the screen after all arrays so far."""
        shown: dict[tuple[str, int], Any] = {}
        for array in list(self.arrays):
            for marker in array.markers:
                if marker.action == marker.DELETEALL:
                    shown.clear()
                elif marker.action == marker.DELETE:
                    shown.pop((marker.ns, marker.id), None)
                else:
                    shown[marker.ns, marker.id] = marker
        return shown


@pytest.fixture
def viewer(listener: Any) -> Viewer:
    return Viewer(listener)


def test_a_transfer_is_drawn_and_what_is_gone_is_deleted(
    viewer: Viewer, start_node: Callable[..., Any], wait_until: Callable[..., None]
) -> None:
    node = start_node("markers", "markers", frame="city", rate=20.0, timeout=2.0, size=10.0)

    def transfer_is_shown() -> bool:
        viewer.say(phase=3, target_rsu_id=2, bytes_done=50, bytes_total=200)
        viewer.drive(123.0)
        shown = viewer.screen()
        vehicle = shown.get(("vehicles", 0))
        return ("transfers", 0) in shown and vehicle is not None and len(vehicle.points) == 3

    wait_until(transfer_is_shown, f"the transfer is drawn: {node.output}")
    shown = viewer.screen()
    assert {marker.header.frame_id for marker in shown.values()} == {"city"}
    assert shown["prices", 1].text.startswith("RSU 1\n4.50 money/MHz\n1 twin")
    assert shown["phases", 7].text == "25 %"
    assert shown["coverage", 2].scale.x == 400.0
    assert shown["coverage", 2].pose.position.x == 600.0
    twin = shown["twins", 0]
    assert 300.0 < twin.points[0].x < 420.0
    assert len(twin.colors) == 1
    assert shown["vehicles", 0].points[0].x == pytest.approx(129.0)
    lifetime = shown["rsus", 1].lifetime
    assert lifetime.sec + 1e-9 * lifetime.nanosec == 2.0

    # Silence: the AV goes, RSUs turn grey.
    wait_until(lambda: ("vehicles", 0) not in viewer.screen(), "the AV is deleted")
    wait_until(lambda: "silent" in viewer.screen()["prices", 1].text, "the RSU is told as silent")
    assert ("coverage", 1) not in viewer.screen()

    node.send(signal.SIGINT)
    assert node.end() == 0
    wait_until(lambda: viewer.screen() == {}, "the screen is cleared")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"odometry": "/odom"}, "odometry: must have one {}"),
        ({"rate": 0.0}, "rate: must be > 0"),
    ],
)
def test_parameters_without_sense_are_refused(
    start_node: Callable[..., Any], parameters: dict[str, Any], message: str
) -> None:
    node = start_node("markers", "markers", **parameters)
    assert node.end() == 2
    assert message in node.output
