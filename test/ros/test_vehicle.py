"""The inference node in a vehicle: its states, its inputs, and where it sends its twin."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from artifacts import make_artifact
from releaser import Releaser

pytestmark = pytest.mark.ros

AV = {
    "satisfaction": 25.0,
    "offset": 1.0,
    "bandwidth_max": 10.0,
    "status_period": 0.1,
    "observers": "test",
}
LINKS = {
    "link_rsu_ids": [1],
    "link_x": [0.0],
    "link_y": [0.0],
    "link_base_delay": [0.25],
    "coverage_radius": 300.0,
    "delay_data": 8.0,
    "delay_max": 2.0,
    "odometry_timeout": 0.5,
}


class Vehicle:
    """The stack of a vehicle with one AV."""

    def __init__(self, listener: Any, start: Callable[..., Any]) -> None:
        from lifecycle_msgs.srv import ChangeState, GetState
        from nav_msgs.msg import Odometry
        from rclpy.qos import qos_profile_sensor_data

        from veaat_migration import msg
        from veaat_migration.nodes import qos

        self._start = start
        self._node = listener.node
        self._odometry, self._task = Odometry, msg.TwinTask
        self.decisions = listener.listen("migration_decision", msg.MigrationDecision, qos.ANSWERS)
        self._odom = self._node.create_publisher(Odometry, "odom", qos_profile_sensor_data)
        self._tasks = self._node.create_publisher(msg.TwinTask, "twin_task", qos.ANSWERS)
        self._change = self._node.create_client(ChangeState, "av_1/change_state")
        self._state = self._node.create_client(GetState, "av_1/get_state")
        self._requests = (ChangeState.Request, GetState.Request)

    def start(self, **parameters: Any) -> Any:
        return self._start("av_inference", "av_1", av_id=1, **{**AV, **parameters})

    def drive(self, x: float, *, stamp: float | None = None, frame: str = "map") -> None:
        message = self._odometry()
        stamp = time.time() if stamp is None else stamp
        message.header.stamp.sec = int(stamp)
        message.header.stamp.nanosec = int(1e9 * (stamp % 1.0))
        message.header.frame_id = frame
        message.child_frame_id = "base_link"
        message.pose.pose.position.x = x
        self._odom.publish(message)

    def set_task(self, **values: float) -> None:
        fields = dict.fromkeys(("satisfaction", "offset", "delay_data", "delay_max"), math.nan)
        self._tasks.publish(self._task(**(fields | values)))

    def change(self, transition: int) -> bool:
        assert self._change.wait_for_service(20.0)
        request = self._requests[0]()
        request.transition.id = transition
        return bool(self._answer(self._change.call_async(request)).success)

    def state(self) -> str:
        assert self._state.wait_for_service(20.0)
        call = self._state.call_async(self._requests[1]())
        return str(self._answer(call).current_state.label)

    def _answer(self, call: Any) -> Any:
        deadline = time.monotonic() + 20.0
        while not call.done():
            assert time.monotonic() < deadline, "no answer of the node"
            time.sleep(0.01)
        return call.result()


@pytest.fixture
def vehicle(listener: Any, start_node: Callable[..., Any], heard: Any) -> Iterator[Vehicle]:
    assert heard is not None
    return Vehicle(listener, start_node)


CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE, SHUTDOWN = 1, 2, 3, 4, 7


@pytest.mark.parametrize("executor", ["events", "single_threaded"])
def test_a_lifecycle_manager_leads_the_node_through_its_states(
    vehicle: Vehicle, rsu: Callable[..., Any], heard: Any, wait_until: Callable[..., None],
    executor: str,
):  # fmt: skip
    rsu(1, round_period=0.01)
    node = vehicle.start(autostart=False, finish_when_closed=False, executor=executor)
    assert vehicle.state() == "unconfigured"
    assert not vehicle.change(ACTIVATE), "not before it is configured"
    assert vehicle.change(CONFIGURE)
    assert vehicle.state() == "inactive"
    time.sleep(0.5)
    assert not heard.bids
    assert vehicle.change(ACTIVATE)
    wait_until(lambda: len(heard.bids) > 20, "it plays")

    assert vehicle.change(DEACTIVATE)
    wait_until(lambda: heard.bids[-1].leaving, "it says goodbye")
    time.sleep(0.3)
    told, statuses = len(heard.bids), len([s for s in heard.statuses if s.role == 2])
    time.sleep(0.7)
    assert len(heard.bids) == told, "it is silent"
    assert len([s for s in heard.statuses if s.role == 2]) == statuses

    former = heard.bids[-1].session
    assert vehicle.change(ACTIVATE)
    wait_until(lambda: len(heard.bids) > told + 20, "it plays again")
    assert heard.bids[-1].session > former
    assert vehicle.change(DEACTIVATE)
    assert vehicle.change(CLEANUP)
    assert vehicle.state() == "unconfigured"
    assert vehicle.change(CONFIGURE)
    assert vehicle.change(ACTIVATE)
    told = len(heard.bids)
    wait_until(lambda: len(heard.bids) > told + 20, "it plays after a cleanup")
    assert vehicle.change(SHUTDOWN)
    assert node.end() == 0
    assert "Traceback" not in node.output


def test_each_bid_is_followed_by_a_decision(
    vehicle: Vehicle, rsu: Callable[..., Any], heard: Any, wait_until: Callable[..., None]
):
    rsu(1, round_period=0.02)
    vehicle.start()
    wait_until(lambda: len(vehicle.decisions) > 20, "decisions come")
    bids = {bid.round: bid for bid in list(heard.bids)}
    rounds = [decision.round for decision in vehicle.decisions[:20]]
    assert rounds == list(range(rounds[0], rounds[0] + 20))
    for decision in vehicle.decisions[5:20]:
        bid = bids[decision.round]
        assert (decision.session, decision.av_id) == (bid.session, 1)
        assert decision.target_rsu_id == 1
        assert decision.bandwidth == bid.bandwidth[0] > 0.0
        assert list(decision.prices) == list(bid.prices)
        assert decision.source == decision.SOURCE_FALLBACK
        assert decision.reason == "no policy is loaded"
        assert (decision.policy_version, decision.policy_sha256) == (0, "")
        assert math.isfinite(decision.expected_utility)
        assert math.isnan(decision.expected_delay)
        assert 0.0 < decision.decision_time < 0.5


def test_delays_come_from_fresh_odometry_only(
    vehicle: Vehicle, rsu: Callable[..., Any], wait_until: Callable[..., None]
):
    rsu(1, round_period=0.02)
    node = vehicle.start(**LINKS, odometry_frame="map")

    def last() -> Any:
        return vehicle.decisions[-1]

    wait_until(lambda: len(vehicle.decisions) > 5, "decisions come")
    assert math.isnan(last().expected_delay)
    assert "no position was received yet" in last().reason

    def driving(x: float, condition: Callable[[], bool], **sample: Any) -> Callable[[], bool]:
        def step() -> bool:
            vehicle.drive(x, **sample)
            return condition()

        return step

    wait_until(driving(50.0, lambda: math.isfinite(last().expected_delay)), "the delay is known")
    near = last().expected_delay
    assert near > 0.25
    assert last().delay_margin == pytest.approx(2.0 - near)
    assert "odometry" not in last().reason
    wait_until(driving(290.0, lambda: last().expected_delay > near), "it is larger further away")
    wait_until(driving(900.0, lambda: last().target_rsu_id == 0), "no RSU covers the vehicle")
    assert "no RSU with bandwidth has a usable link" in last().reason
    wait_until(driving(50.0, lambda: last().target_rsu_id == 1), "back in coverage")
    # Neither a position without meaning nor one of another frame keeps it fresh.
    wait_until(
        driving(math.nan, lambda: "stale" in last().reason), "what is not finite does not count"
    )
    wait_until(driving(50.0, lambda: math.isfinite(last().expected_delay)), "fresh again")
    wait_until(
        driving(50.0, lambda: "stale" in last().reason, frame="odom"), "another frame is not taken"
    )
    wait_until(driving(50.0, lambda: math.isfinite(last().expected_delay)), "fresh again")
    assert node.process.poll() is None


def test_a_task_changes_the_bids_and_an_absurd_one_does_not(
    vehicle: Vehicle, rsu: Callable[..., Any], listener: Any, wait_until: Callable[..., None]
):
    releaser = Releaser(listener.node)
    for rsu_id in (1, 2):
        rsu(rsu_id, round_period=0.02, min_avs=3)
    for av_id in (2, 3):
        vehicle._start("av_follower", f"av_{av_id}", av_id=av_id, **AV)
    vehicle.start(min_rsus=2)
    releaser.release([make_artifact("follower", 1, policy_version=4)])

    def last() -> Any:
        return vehicle.decisions[-1] if vehicle.decisions else None

    wait_until(lambda: last() and last().source == 1, "the learned policy decides")
    assert last().policy_version == 4
    vehicle.set_task(satisfaction=0.0)
    vehicle.set_task(offset=-50.0)
    vehicle.set_task(satisfaction=math.inf)
    told = len(vehicle.decisions)
    wait_until(lambda: len(vehicle.decisions) > told + 10, "rounds go on")
    assert {d.source for d in vehicle.decisions[told:]} == {1}, "absurd tasks change nothing"
    vehicle.set_task(satisfaction=60.0)
    wait_until(lambda: last().source == 2, "the best response answers another task")
    assert "the task differs from the one that the policy was trained for" in last().reason
    vehicle.set_task(satisfaction=25.0)
    wait_until(lambda: last().source == 1, "the learned policy answers its own task again")


def test_a_decision_is_withdrawn_when_offers_become_stale(
    vehicle: Vehicle, rsu: Callable[..., Any], wait_until: Callable[..., None]
):
    leader = rsu(1, round_period=0.02)
    vehicle.start(offers_timeout=0.5, finish_when_closed=False)
    wait_until(lambda: len(vehicle.decisions) > 10, "decisions come")
    leader.process.kill()
    wait_until(lambda: vehicle.decisions[-1].target_rsu_id == 0, "the decision is withdrawn")
    assert vehicle.decisions[-1].reason == "no new round for 0.5 s: offers are stale"
    told = len(vehicle.decisions)
    time.sleep(1.5)
    assert len(vehicle.decisions) == told, "it is said once"


def test_a_simulated_clock_that_jumps_back_does_not_stop_the_game(
    vehicle: Vehicle, rsu: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None],
):  # fmt: skip
    from rosgraph_msgs.msg import Clock

    clock = listener.node.create_publisher(Clock, "/clock", 10)

    def tell(seconds: int) -> None:
        message = Clock()
        message.clock.sec = seconds
        clock.publish(message)

    rsu(1, round_period=0.02)
    node = vehicle.start(**LINKS, use_sim_time=True)
    wait_until(lambda: (tell(1000), len(heard.bids) > 20)[1], "it plays")
    wait_until(lambda: (tell(1000), heard.bids[-1].header.stamp.sec == 1000)[1], "simulated time")
    told = len(heard.bids)
    wait_until(lambda: (tell(5), heard.bids[-1].header.stamp.sec == 5)[1], "time jumps back")
    wait_until(lambda: len(heard.bids) > told + 40, "it goes on")
    rounds = sorted({bid.round for bid in heard.bids})
    assert rounds == list(range(rounds[0], rounds[-1] + 1))

    def near() -> bool:
        vehicle.drive(50.0, stamp=5.0)
        return math.isfinite(vehicle.decisions[-1].expected_delay)

    wait_until(near, "odometry of that time counts")
    assert node.process.poll() is None
