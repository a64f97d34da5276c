"""Topics of the service (Step 5): telemetry to an owner, actions to an AV.

Each receiver has a topic of its own: telemetry comes many times a second, and one RSU needs it.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data

from veaat_migration import msg
from veaat_migration.nodes import qos
from veaat_migration.nodes.connections import publish_on
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.service.desk import Served


def telemetry_topic(rsu_id: int) -> str:
    """Where an RSU hears the AVs whose twins it owns."""
    return f"rsu_{rsu_id}/twin_telemetry"


def actions_topic(av_id: int) -> str:
    """Where an AV hears its twin."""
    return f"av_{av_id}/twin_actions"


class ActionTopics:
    """From one RSU to the AVs whose twins it owns; :meth:`publish` from any one thread."""

    def __init__(self, node: Node, stamp: Stamper, rsu_id: int) -> None:
        """Begin without AVs."""
        self._node = node
        self._stamp = stamp
        self._rsu_id = rsu_id
        self._publishers: dict[int, Publisher] = {}
        self._wanted: set[int] = set()

    def publish(self, av_id: int, served: Served) -> None:
        """Tell an AV what its twin wants; lost as long as the executor makes the publisher."""
        publisher = self._publishers.get(av_id)
        if publisher is None:
            self.connect(av_id)
            return
        action = served.action
        message = msg.TwinAction(
            av_id=av_id,
            rsu_id=self._rsu_id,
            epoch=served.epoch,
            version=served.version,
            state=served.state,
            previous_state=served.previous_state,
            session=action.session,
            sequence=action.sequence,
            speed=action.speed,
            heading=action.heading,
        )
        self._stamp(message.header)
        publisher.publish(message)

    def connect(self, av_id: int) -> None:
        """Prepare for an AV whose twin is here, or coming."""
        executor = self._node.executor
        if executor is not None and av_id not in self._publishers and av_id not in self._wanted:
            self._wanted.add(av_id)
            executor.create_task(self._open, av_id)

    def _open(self, av_id: int) -> None:
        topic = actions_topic(av_id)
        self._publishers[av_id] = publish_on(self._node, msg.TwinAction, topic, qos.ANSWERS)
        self._wanted.discard(av_id)


class TelemetryTopics:
    """From one AV to the RSUs that own its twin, one after the other."""

    def __init__(self, node: Node, stamp: Stamper, av_id: int, session: int) -> None:
        """Begin without RSUs."""
        self._node = node
        self._stamp = stamp
        self._av_id = av_id
        self._session = session
        self._publishers: dict[int, Publisher] = {}

    def connect(self, rsu_id: int) -> Publisher:
        """Prepare to send to an RSU, which takes some time to be found."""
        publisher = self._publishers.get(rsu_id)
        if publisher is None:
            publisher = publish_on(
                self._node, msg.TwinTelemetry, telemetry_topic(rsu_id), qos_profile_sensor_data
            )
            self._publishers[rsu_id] = publisher
        return publisher

    def publish(
        self,
        rsu_id: int,
        sequence: int,
        position: tuple[float, float],
        velocity: tuple[float, float],
    ) -> None:
        """Tell an owner where the AV is [m] and how it moves [m/s]."""
        message = msg.TwinTelemetry(
            av_id=self._av_id,
            session=self._session,
            sequence=sequence,
            rsu_id=rsu_id,
            x=position[0],
            y=position[1],
            vx=velocity[0],
            vy=velocity[1],
        )
        self._stamp(message.header)
        self.connect(rsu_id).publish(message)
