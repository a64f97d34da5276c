"""Time of one message in the state machines of the protocol, without ROS.

    python benchmarks/protocol_speed.py            # 3 AVs x 2 RSUs
    python benchmarks/protocol_speed.py 100 10     # 100 AVs x 10 RSUs

Messages hold ``array.array`` fields as rclpy delivers them. The policies are constants, so the
last message of a round shows settlement, observation and the next offer or bid, not a decision.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from array import array
from collections import defaultdict
from typing import Any

import numpy as np

from veaat_migration.game.profiles import FollowerProfile, LeaderProfile
from veaat_migration.protocol.config import FollowerConfig, LeaderConfig
from veaat_migration.protocol.follower import FollowerMachine
from veaat_migration.protocol.leader import LeaderMachine
from veaat_migration.protocol.messages import Bid, Offer

CODES = {"rsu_ids": "I", "settled_av_ids": "I", "sessions": "Q"}


class ConstantPrice:
    """Asks the same price every round."""

    name = "constant"

    def act(self, _: Any) -> float:
        """5 money/MHz."""
        return 5.0


class ConstantDemand:
    """Demands the same bandwidth every round."""

    name = "constant"

    def act(self, observation: Any) -> Any:
        """1 MHz from each RSU."""
        return np.ones(len(observation.rsu_ids))


def as_received(message: Offer | Bid) -> Offer | Bid:
    """The message with arrays in place of tuples."""
    fields = {item.name: getattr(message, item.name) for item in dataclasses.fields(message)}
    for name, value in fields.items():
        if isinstance(value, tuple):
            fields[name] = array(CODES.get(name, "d"), value)
    return type(message)(**fields)


def measure(n_avs: int, n_rsus: int, rounds: int) -> dict[str, list[float]]:
    """Durations of single calls [s], by kind of call."""
    leaders = [
        LeaderMachine(
            LeaderConfig(rounds=rounds, join_listen=0.0, min_avs=n_avs),
            LeaderProfile(j, 1.0, 2.0, 30.0),
            ConstantPrice(),
            session=1,
        )
        for j in range(1, n_rsus + 1)
    ]
    followers = [
        FollowerMachine(
            FollowerConfig(min_rsus=n_rsus),
            FollowerProfile(i, 20.0, 1.0, 10.0),
            ConstantDemand(),
            session=1,
        )
        for i in range(1, n_avs + 1)
    ]
    durations: dict[str, list[float]] = defaultdict(list)
    messages: list[Any] = [output for leader in leaders for output in leader.start(0.0)]
    now = 0.0
    while messages:
        now += 0.001
        answers: list[Any] = []
        for message in messages:
            if not isinstance(message, Offer | Bid):
                continue
            received = as_received(message)
            offered = isinstance(message, Offer)
            calls: list[Any] = [leader.on_bid for leader in leaders]
            if offered:
                calls = [follower.on_offer for follower in followers]
            for call in calls:
                begin = time.perf_counter()
                outputs = call(received, now)
                elapsed = time.perf_counter() - begin
                kind = "on_offer" if offered else "on_bid"
                durations[f"{kind}, {'last' if outputs else 'other'} of a round"].append(elapsed)
                answers += outputs
        messages = answers
    return durations


def main() -> None:
    """Print the median of each kind of call."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("avs", nargs="?", type=int, default=3)
    parser.add_argument("rsus", nargs="?", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=0, help="default: about 20000 messages")
    options = parser.parse_args()
    rounds = options.rounds or max(5, 10_000 // (options.avs * options.rsus))
    print(f"{options.avs} AVs x {options.rsus} RSUs, {rounds} rounds; median time of a call")
    for kind, values in sorted(measure(options.avs, options.rsus, rounds).items()):
        print(f"  {kind:28s} {1e6 * statistics.median(values):8.1f} us")


if __name__ == "__main__":
    main()
