"""How fast and how small an inference node is, beside plain rclpy nodes in the same run.

The driver plays two RSUs against one AV. It sends each round to one node after the other, so that
all of them meet the same machine at the same time:

  inference  our av_inference with a learned policy, and what it publishes besides the bid
  echo       a plain rclpy node: the same messages, deserialized, answered with a constant bid;
             same executor and QoS

  answer     from the last needed offer in the node's hands, still serialized, to the return of
             the bid's publish (the echo deserializes it with rclpy's own function in its callback,
             since rclpy tells nobody when it does so before one)
  round trip from the driver's publish of that offer to the arrival of the bid
  actor      one decision of the actor inside the node

Memory is the resident size after all rounds, that of an empty rclpy node for comparison. Start is
from the start of the process to the arrival of its first bid, with offers already on the network.

Example:
  tools/run python benchmarks/inference_node.py --policies runs/train-base/seed-1/policies
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from veaat_migration.bringup.environment import ros_environment
from veaat_migration.bringup.plan import Options, make_plan
from veaat_migration.bringup.policies import SHIPPED, find_policies
from veaat_migration.bringup.scenarios import find_scenario
from veaat_migration.scenario.load import load_game

WARM_UP = 200
WAIT = 20.0
"""Longest wait for an answer [s]."""
KINDS = ("inference", "echo")
PRICES = {1: 4.4, 2: 5.35}


# Children --------------------------------------------------------------------------------------


class Stopwatch:
    """In a child: the time from the last needed offer's arrival to the bid."""

    def __init__(self, rounds: int, report: Callable[[], dict[str, Any]]) -> None:
        """Print what was measured after ``rounds`` rounds."""
        self.arrived = 0
        self._left = rounds
        self._lasted: list[int] = []
        self._report = report

    def published(self) -> None:
        """The bid is out."""
        self._lasted.append(time.perf_counter_ns() - self.arrived)
        self._left -= 1
        if self._left == 0:
            print(json.dumps({"answer": self._lasted, **self._report()}), flush=True)


def be_inference(rounds: int, arguments: Sequence[str]) -> int:
    """Our node with a stopwatch around its callback, its bids and its actor."""
    from veaat_migration.nodes import av_inference, topics
    from veaat_migration.policy.runtime import NumpyActor

    decisions: list[int] = []
    last = 0
    watch = Stopwatch(rounds, lambda: {"actor": decisions})
    subscribe, publish, act = (
        topics.subscribe_to,
        topics.FollowerTopics.publish,
        NumpyActor.act_on_record,
    )

    def timed_subscribe(*args: Any, **options: Any) -> Any:
        callback = args[4]

        def noted(data: bytes) -> None:
            watch.arrived = time.perf_counter_ns()
            callback(data)

        return subscribe(*args[:4], noted, **options)

    def timed_publish(self: Any, outputs: Any) -> None:
        publish(self, outputs)
        watch.published()
        decisions.append(last)

    def timed_act(self: Any, record: Any) -> Any:
        nonlocal last
        before = time.perf_counter_ns()
        answer = act(self, record)
        last = time.perf_counter_ns() - before
        return answer

    topics.subscribe_to = timed_subscribe
    topics.FollowerTopics.publish = timed_publish  # type: ignore[method-assign]
    NumpyActor.act_on_record = timed_act  # type: ignore[method-assign]
    return av_inference.main(arguments)


def be_plain(rounds: int, *, echo: bool) -> int:
    """A plain rclpy node that answers, or does nothing."""
    import rclpy
    from rclpy.experimental import EventsExecutor

    rclpy.init()
    node = rclpy.create_node("plain", namespace="echo" if echo else "empty")
    if echo:
        make_echo(node, rounds)
    runner = EventsExecutor()
    runner.add_node(node)
    gc.freeze()
    while True:
        runner.spin_until_future_complete(rclpy.task.Future(), 60.0)


def make_echo(node: Any, rounds: int) -> None:
    """Answer when both RSUs were heard."""
    from rclpy.serialization import deserialize_message

    from veaat_migration import msg
    from veaat_migration.nodes import qos

    watch = Stopwatch(rounds, dict)
    bids = node.create_publisher(msg.BandwidthBid, "bandwidth_bids", qos.ANSWERS)
    heard: dict[int, Any] = {}

    def on_offer(data: bytes) -> None:
        arrived = time.perf_counter_ns()
        offer = deserialize_message(data, msg.PriceOffer)
        heard[offer.rsu_id] = offer
        if len(heard) < len(PRICES) or len({o.round for o in heard.values()}) > 1:
            return
        watch.arrived = arrived
        offers = [heard[rsu] for rsu in sorted(heard)]
        bid = msg.BandwidthBid()
        bid.header.stamp = node.get_clock().now().to_msg()
        bid.session = 1
        bid.round = offer.round
        bid.av_id = 1
        bid.rsu_ids = [o.rsu_id for o in offers]
        bid.sessions = [o.session for o in offers]
        bid.prices = [o.price for o in offers]
        bid.qualities = [o.quality for o in offers]
        bid.bandwidth = [3.7, 2.7]
        bids.publish(bid)
        watch.published()

    node.create_subscription(msg.PriceOffer, "price_offers", on_offer, qos.OFFERS, raw=True)


def child(arguments: Sequence[str]) -> int:
    """What a process of this benchmark does: KIND ROUNDS ..."""
    kind, rounds, *rest = arguments
    if kind == "inference":
        return be_inference(int(rounds), rest)
    return be_plain(int(rounds), echo=kind == "echo")


# Driver ----------------------------------------------------------------------------------------


class Game:
    """Two RSUs in this process, in one namespace."""

    def __init__(self, node: Any, gap: float) -> None:
        """Create the topics on ``node``; ``gap`` lies between two offers [s]."""
        from veaat_migration import msg
        from veaat_migration.nodes import qos
        from veaat_migration.nodes.wire import Codec

        self._codec, self._decode = Codec(msg.PriceOffer), Codec(msg.BandwidthBid).decode
        self._publishers = {
            rsu: node.create_publisher(msg.PriceOffer, "price_offers", qos.OFFER) for rsu in PRICES
        }
        node.create_subscription(
            msg.BandwidthBid, "bandwidth_bids", self._on_bid, qos.ANSWERS, raw=True
        )
        self._gap = gap
        self._session = time.time_ns()
        self._answer = threading.Event()
        self._wanted = 0
        self._own = (3.7, 2.7)
        self.came = 0.0

    def _on_bid(self, data: bytes) -> None:
        came = time.perf_counter()
        bid = self._decode(data)
        if bid.round == self._wanted and len(bid.rsu_ids) == len(PRICES):
            self.came, self._own = came, bid.bandwidth
            self._answer.set()

    def offer(self, number: int, rsu: int) -> None:
        """Publish the offer of an RSU with the receipt of the round before."""
        others = ((3.72, 5.3, 6.79), (2.77, 4.11, 5.37))[rsu - 1]
        sold = () if number == 1 else (self._own[rsu - 1], *others[1:])
        fields = (
            self._session, number, rsu, PRICES[rsu] * (1.0 + 0.01 * (number % 3)),
            (1.0, 1.2)[rsu - 1], False, number - 1, () if number == 1 else (1, 2, 3), sold,
        )  # fmt: skip
        self._publishers[rsu].publish(self._codec.encode(time.time_ns(), fields))

    def play(self, number: int, wait: float = WAIT) -> float:
        """One round; how long the answer took [s]."""
        self._answer.clear()
        self._wanted = number
        self.offer(number, 1)
        time.sleep(self._gap)  # the first offer is not the needed one
        begin = time.perf_counter()
        self.offer(number, 2)
        if not self._answer.wait(wait):
            raise SystemExit(f"no answer in round {number}; see the node's message above")
        return self.came - begin

    def wait_first(self) -> float:
        """Time at which the first bid came, to offers that are on the network already."""
        self._wanted = 1
        for rsu in PRICES:
            self.offer(1, rsu)
        if not self._answer.wait(WAIT):
            raise SystemExit("no first answer; see the node's message above")
        return self.came


@contextmanager
def driver_games(names: Sequence[str], gap: float) -> Iterator[dict[str, Game]]:
    """A game in each namespace, spun by a thread."""
    import rclpy
    from rclpy.experimental import EventsExecutor

    rclpy.init()
    runner = EventsExecutor()
    nodes = {name: rclpy.create_node("driver", namespace=name) for name in names}
    games = {name: Game(node, gap) for name, node in nodes.items()}
    for node in nodes.values():
        runner.add_node(node)
    ending = rclpy.task.Future()
    thread = threading.Thread(target=runner.spin_until_future_complete, args=(ending, 3600.0))
    thread.start()
    try:
        yield games
    finally:
        runner.create_task(ending.set_result, None)
        thread.join()
        rclpy.shutdown()


def commands(rounds: int, policies: Path, folder: Path) -> dict[str, list[str]]:
    """Command line of each child."""
    us = [sys.executable, str(Path(__file__).resolve()), "--child"]
    options = Options(follower_policy="learned", bundle=str(policies))
    plan = make_plan(load_game(find_scenario("base")), options)
    (spec,) = [node for node in plan.nodes if node.name == "av_1"]
    file = folder / "av_1.yaml"
    parameters = {**spec.parameters, "observers": "", "offer_timeout": 5.0}
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}), encoding="utf-8")
    ros = ["--ros-args", "-r", "__node:=av_1", "-r", "__ns:=/inference", "--params-file", str(file)]
    return {
        "inference": [*us, "inference", str(rounds), *ros, "--log-level", "error"],
        "echo": [*us, "echo", str(rounds)],
        "empty": [*us, "empty", "0"],
    }


def resident(pid: int) -> float:
    """Resident memory of a process [MiB]."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(pid)


def cpu_time(pid: int) -> float:
    """User and system time of a process so far [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """The 50 % and the 99 % percentile."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run all children side by side, one round to each in turn."""
    policies = find_policies(options.policies).resolve()
    total = WARM_UP + options.rounds
    environment, about = ros_environment()
    os.environ.update(environment)
    print(f"{os.cpu_count()} CPUs, {about}, {options.rounds} rounds, {policies}")
    children: dict[str, subprocess.Popen[str]] = {}
    with tempfile.TemporaryDirectory() as folder, driver_games(KINDS, options.gap) as games:
        line = commands(total, policies, Path(folder))
        try:
            starts = {}
            spent = {}
            for kind in (*KINDS, "empty"):  # one after the other: they must not share a start
                began = time.perf_counter()
                children[kind] = subprocess.Popen(
                    line[kind], stdout=subprocess.PIPE, text=True, cwd="/", env=os.environ
                )
                if kind in games:
                    starts[kind] = games[kind].wait_first() - began
                    spent[kind] = cpu_time(children[kind].pid)
            trips: dict[str, list[float]] = {kind: [] for kind in KINDS}
            # The first round was the first decision's.
            for number in range(2, total + 1):
                for kind in KINDS if number % 2 else reversed(KINDS):
                    trips[kind].append(games[kind].play(number))
                    time.sleep(options.pause)
            memory = {kind: resident(process.pid) for kind, process in children.items()}
            inside = {}
            for kind in KINDS:
                stream = children[kind].stdout
                assert stream is not None
                inside[kind] = json.loads(stream.readline())
        finally:
            for process in children.values():
                process.send_signal(signal.SIGKILL)
                process.wait()
    return {"start": starts, "start_cpu": spent, "memory": memory, "trips": trips, "inside": inside}


def show(found: dict[str, Any]) -> bool:
    """Print figures and bars; whether all bars are met."""
    met = []

    def bar(text: str, value: float, limit: float, unit: str = "") -> None:
        met.append(value <= limit)
        verdict = "met" if met[-1] else "MISSED"
        print(f"  {text:42} {value:8.3g}{unit}  (bar {limit:g}{unit}: {verdict})")

    answer = {
        k: percentiles([1e-3 * t for t in found["inside"][k]["answer"][WARM_UP:]]) for k in KINDS
    }
    trips = {k: percentiles([1e6 * t for t in found["trips"][k][WARM_UP:]]) for k in KINDS}
    for name, values in (("answer", answer), ("round trip", trips)):
        for kind in KINDS:
            p50, p99 = values[kind]
            print(f"{name:10} {kind:10} 50 % {p50:7.1f} us   99 % {p99:7.1f} us")
    for kind, size in found["memory"].items():
        print(f"{'memory':10} {kind:10} {size:.1f} MiB")
    for k, limit in ((0, 1.3), (1, 2.0)):
        share = ("50 %", "99 %")[k]
        bar(f"answer {share}, inference / echo", answer["inference"][k] / answer["echo"][k], limit)
        ratio = trips["inference"][k] / trips["echo"][k]
        print(f"  {f'round trip {share}, inference / echo':42} {ratio:8.3g}")
    actor = percentiles([1e-3 * t for t in found["inside"]["inference"]["actor"][WARM_UP:]])
    bar("actor 50 %", actor[0], 10.0, " us")
    print(f"  {'actor 99 %':42} {actor[1]:8.3g} us")
    bar("memory, inference / empty", found["memory"]["inference"] / found["memory"]["empty"], 1.3)
    bar("start to first decision", found["start"]["inference"], 2.0, " s")
    print(f"  {'start to first answer of the echo':42} {found['start']['echo']:8.3g} s")
    for kind, seconds in found["start_cpu"].items():
        print(f"  {f'CPU time of that start, {kind}':42} {seconds:8.3g} s")
    return all(met)


def main() -> int:
    """Measure and print; 1 if a bar is missed."""
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2000, help="default: %(default)s")
    parser.add_argument(
        "--pause", type=float, default=0.002, metavar="SECONDS",
        help="between two rounds, so that each begins with idle nodes (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--gap", type=float, default=0.0002, metavar="SECONDS",
        help="between the two offers of a round (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--policies", default=SHIPPED, metavar="DIR", help="bundle (default: %(default)s)"
    )
    return 0 if show(measure(parser.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
