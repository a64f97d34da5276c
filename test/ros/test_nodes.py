"""Single nodes: imports, parameters, ends, strangers on the topics."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ros

HEAVY = ("torch", "scipy", "pydantic", "matplotlib", "rosbags", "rich")


@pytest.mark.parametrize("module", ["rsu_leader", "av_follower", "composed", "round_monitor"])
def test_a_node_loads_nothing_heavy(module: str, tmp_path: Path):
    program = (
        f"import sys, veaat_migration.nodes.{module}\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_the_trainer_s_node_leaves_pytorch_to_its_process(tmp_path: Path):
    program = (
        "import sys, veaat_migration.nodes.trainer\n"
        "print([name for name in ('torch', 'matplotlib', 'rosbags') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"quality": 0.0}, "quality: must be > 0, got 0"),
        ({"quality": 1}, "quality: must be a number with a decimal point (2.0, not 2), got 1"),
        ({"price_max": 1.5}, "price_max: must be > the unit cost (2 money/MHz), got 1.5"),
        ({"policy": "equilibrium"}, "policy 'equilibrium' needs the parameter equilibrium_price"),
        ({"peer_ids": [1, -2]}, "peer_ids[1]: must be >= 1"),
        ({"min_avs": 3, "peer_ids": [1]}, "min_avs: must be at most the number of peer_ids"),
    ],
)
def test_an_invalid_parameter_ends_the_node_with_a_message(
    start_node: Callable[..., Any], parameters: dict[str, Any], message: str
):
    valid = {"rsu_id": 1, "quality": 1.0, "unit_cost": 2.0, "price_max": 30.0}
    node = start_node("rsu_leader", "rsu_1", **(valid | parameters))
    assert node.end() == 2
    assert f"invalid configuration: {message}" in node.output
    assert "Traceback" not in node.output


def test_a_missing_parameter_is_explained(start_node: Callable[..., Any]):
    node = start_node("av_follower", "av_1", av_id=1)
    assert node.end() == 2
    assert "satisfaction: missing; give it in a parameters file or with -p" in node.output


def test_an_unknown_parameter_is_told(rsu: Callable[..., Any], av: Callable[..., Any]):
    leader = rsu(1, rounds=1, round_timout=3.0)
    av(1)
    assert leader.end() == 0
    expected = "round_timout: no such parameter; did you mean 'round_timeout'?"
    assert expected in leader.output


@pytest.mark.parametrize("executor", ["events", "single_threaded"])
def test_players_end_by_themselves_after_the_last_round(
    rsu: Callable[..., Any], av: Callable[..., Any], heard: Any,
    wait_until: Callable[..., None], executor: str,
):  # fmt: skip
    leaders = [rsu(n, rounds=20, min_avs=2, executor=executor) for n in (1, 2)]
    followers = [av(n, min_rsus=2, executor=executor) for n in (1, 2)]
    assert [node.end() for node in leaders + followers] == [0, 0, 0, 0]
    wait_until(lambda: len(heard.settlements) >= 40, "all settlements have come")
    told = sorted((s.rsu_id, s.round) for s in heard.settlements)
    assert told == [(rsu_id, number) for rsu_id in (1, 2) for number in range(1, 21)]
    assert all(list(s.av_ids) == [1, 2] for s in heard.settlements)


@pytest.mark.parametrize("executor", ["events", "single_threaded"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_players_with_a_goodbye(
    rsu: Callable[..., Any], av: Callable[..., Any], heard: Any,
    wait_until: Callable[..., None], executor: str, number: int,
):  # fmt: skip
    common = {"executor": executor}
    leader, follower = rsu(1, **common), av(1, finish_when_closed=False, **common)
    wait_until(lambda: len(heard.settlements) >= 10, "the game runs")
    leader.send(number)
    assert leader.end(seconds=10.0) == 0
    wait_until(lambda: any(offer.closing for offer in heard.offers), "the RSU says goodbye")
    assert follower.process.poll() is None
    follower.send(number)
    assert follower.end(seconds=10.0) == 0
    wait_until(lambda: any(bid.leaving for bid in heard.bids), "the AV says goodbye")
    last = max(s.round for s in heard.settlements)
    accepted = {(s.session, s.round) for s in heard.settlements}
    assert len(accepted) == len(heard.settlements)
    goodbye = next(offer for offer in heard.offers if offer.closing)
    assert goodbye.settled_round == last


def test_a_node_waits_for_its_observers_but_not_for_ever(
    rsu: Callable[..., Any], av: Callable[..., Any]
):
    leader = rsu(1, rounds=3, observers="nobody", observer_timeout=1.0)
    av(1)
    assert leader.end() == 0
    assert "started without nobody listening" in leader.output


def test_junk_disturbs_nobody_and_is_counted(
    rsu: Callable[..., Any], av: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None],
):  # fmt: skip
    from veaat_migration import msg
    from veaat_migration.nodes import qos

    say_bid = listener.node.create_publisher(msg.BandwidthBid, "bandwidth_bids", qos.ANSWERS)
    say_offer = listener.node.create_publisher(msg.PriceOffer, "price_offers", qos.OFFER)
    rsu(1, peer_ids=[1, 2], bandwidth_max=10.0, round_period=0.02, min_avs=2)
    for av_id in (1, 2):
        av(av_id, peer_ids=[1], price_max=30.0)
    wait_until(lambda: len(heard.settlements) >= 20, "the game runs")

    def bid(**changes: Any) -> msg.BandwidthBid:
        offer = heard.offers[-1]
        # Of AV 1 itself: a later session would be taken for its restart, and it for a ghost.
        session = next(b.session for b in reversed(heard.bids) if b.av_id == 1)
        fields = {
            "session": session, "round": offer.round, "av_id": 1, "rsu_ids": [1],
            "sessions": [offer.session], "prices": [offer.price], "qualities": [offer.quality],
            "bandwidth": [1.0],
        }  # fmt: skip
        return msg.BandwidthBid(**(fields | changes))

    def offer(**changes: Any) -> msg.PriceOffer:
        real = heard.offers[-1]
        fields = {
            "session": real.session, "round": real.round, "rsu_id": 1, "price": 5.0,
            "quality": 1.0,
        }  # fmt: skip
        return msg.PriceOffer(**(fields | changes))

    junk_bids = {
        "not_finite": lambda: bid(bandwidth=[math.nan]),
        "malformed": lambda: bid(bandwidth=[1.0, 2.0]),
        "out_of_range": lambda: bid(bandwidth=[-1.0]),
        "unknown_id": lambda: bid(av_id=77),
        "stale_round": lambda: bid(round=1),
        "future_round": lambda: bid(round=2**40),
        "stale_session": lambda: bid(session=5),
        "duplicate": lambda: heard.bids[-1],
    }
    junk_offers = {
        "not_finite": lambda: offer(price=math.inf),
        "malformed": lambda: offer(settled_av_ids=[1], settled_bandwidth=[]),
        "out_of_range": lambda: offer(price=31.0),
        "unknown_id": lambda: offer(rsu_id=9),
        "stale_session": lambda: offer(session=5),
        "future_round": lambda: offer(round=2**40),
    }
    before = len(heard.settlements)

    def counted(role: int, player_id: int) -> dict[str, int]:
        ours = [s for s in heard.statuses if (s.role, s.player_id) == (role, player_id)]
        if not ours:
            return {}
        return dict(zip(ours[-1].rejection_reasons, ours[-1].rejection_counts, strict=True))

    def all_counted() -> bool:
        for make in junk_bids.values():
            say_bid.publish(make())
        for make in junk_offers.values():
            say_offer.publish(make())
        leader, follower = counted(1, 1), counted(2, 1)
        return set(junk_bids) <= set(leader) and set(junk_offers) <= set(follower)

    wait_until(all_counted, "all kinds of junk are counted")
    wait_until(lambda: len(heard.settlements) >= before + 50, "the game goes on")
    made = {(b.av_id, b.round): list(b.bandwidth) for b in heard.bids if b.av_id in (1, 2)}
    for settlement in heard.settlements[before:]:
        assert list(settlement.av_ids) == [1, 2]
        assert settlement.price != 5.0
        assert all(math.isfinite(b) and b >= 0 for b in settlement.bandwidth)
        assert settlement.bandwidth[1] == made[2, settlement.round][0]


def test_a_second_node_of_the_same_id_is_detected(
    rsu: Callable[..., Any], av: Callable[..., Any], start_node: Callable[..., Any],
    listener: Any, heard: Any, wait_until: Callable[..., None],
):  # fmt: skip
    from diagnostic_msgs.msg import DiagnosticArray

    diagnostics = listener.listen("/diagnostics", DiagnosticArray, 100)
    parameters = {"round_period": 0.05, "status_period": 0.2}
    rsu(1, **parameters)
    av(1)
    wait_until(lambda: len(heard.settlements) >= 5, "the game runs")
    start_node(
        "rsu_leader", "impostor", rsu_id=1, quality=1.0, unit_cost=2.0, price_max=30.0, **parameters
    )

    def told() -> bool:
        levels = [status for array in list(diagnostics) for status in array.status]
        return any(
            status.level == b"\x02" and "another node uses rsu_id 1" in status.message
            for status in levels
        )

    wait_until(told, "the id that is used twice is reported")


def test_an_incompatible_topic_is_explained(
    rsu: Callable[..., Any], listener: Any, wait_until: Callable[..., None]
):
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    from veaat_migration import msg

    listener.node.create_publisher(
        msg.BandwidthBid,
        "bandwidth_bids",
        QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
    )
    leader = rsu(1)
    expected = "a publisher of /veaat/bandwidth_bids does not connect: its RELIABILITY"
    wait_until(lambda: expected in leader.output, "the RSU explains it")


def test_quality_of_service_can_be_overridden(
    start_node: Callable[..., Any], listener: Any, wait_until: Callable[..., None]
):
    from veaat_migration.bringup.scenarios import find_config

    start_node(
        "rsu_leader", "rsu_1", rsu_id=1, quality=1.0, unit_cost=2.0, price_max=30.0,
        qos_overrides={"/veaat/price_offers": {"publisher": {"durability": "volatile"}}},
    )  # fmt: skip

    def durabilities() -> list[str]:
        infos = listener.node.get_publishers_info_by_topic("/veaat/price_offers")
        return [info.qos_profile.durability.name for info in infos]

    wait_until(lambda: durabilities() == ["VOLATILE"], "the offers are volatile")
    assert find_config("qos_overrides.example.yaml").is_file()


@pytest.mark.parametrize("name", ["rsu", "av"])
def test_the_example_parameters_start_a_node(
    environment: dict[str, str], name: str, tmp_path: Path, wait_until: Callable[..., None]
):
    from veaat_migration.bringup.scenarios import find_config

    executable = {"rsu": "rsu_leader", "av": "av_follower"}[name]
    log = tmp_path / "out.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "veaat_migration.nodes", executable, "--ros-args",
                "--params-file", str(find_config(f"{name}.example.yaml")),
                "--params-file", str(find_config("qos_overrides.example.yaml")),
            ],
            env=environment, cwd=tmp_path, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        wait_until(lambda: "waiting" in log.read_text(), "the node reports")
        assert "no such parameter" not in log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20.0) == 0
    finally:
        process.kill()
        process.wait()


STUCK = """
import ctypes
from veaat_migration.nodes import process

class Stuck(process.ManagedNode):
    def __init__(self):
        super().__init__("stuck")
        self.create_timer(0.1, lambda: print("ready", flush=True))

    def leave(self):
        print("goodbye", flush=True)

    def destroy_node(self):
        ctypes.PyDLL(None).sleep(60)  # with the interpreter's lock, as a deadlock in DDS has it

process.run(lambda: [Stuck()], [])
"""


def test_signals_that_come_while_it_ends_do_not_count(environment: dict[str, str], tmp_path: Path):
    program = STUCK.replace("ctypes.PyDLL(None).sleep(60)", "super().destroy_node()")
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program], env=environment, cwd=tmp_path,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            deadline = time.monotonic() + 20.0
            while process.poll() is None and time.monotonic() < deadline:
                process.send_signal(signal.SIGINT)
                time.sleep(0.001)
        finally:
            process.kill()
        assert process.returncode == 0


def test_a_process_that_hangs_at_its_end_is_ended_and_says_where(
    environment: dict[str, str], tmp_path: Path
):
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK], env=environment, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20.0)
    finally:
        process.kill()
    assert out.endswith("goodbye\n")
    assert process.returncode == 1
    assert "destroy_node" in err
