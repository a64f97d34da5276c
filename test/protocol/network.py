"""A simulated network of machines: random delays, losses, duplicates, restarts, pauses.

Time is simulated, so a run is exactly repeatable from its seed, and nothing sleeps.
"""

from __future__ import annotations

import copy
import dataclasses
import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from veaat_migration.game.profiles import FollowerProfile, LeaderProfile
from veaat_migration.policy.interface import FollowerObservation, LeaderObservation
from veaat_migration.protocol.config import FollowerConfig, LeaderConfig
from veaat_migration.protocol.follower import FollowerMachine
from veaat_migration.protocol.leader import LeaderMachine
from veaat_migration.protocol.messages import Bid, Offer, Settlement

PRICE_MAX = 30.0
BANDWIDTH_MAX = 10.0


class LeaderStub:
    """A policy that is cheap, deterministic and asks another price each round."""

    name = "stub"

    def act(self, observation: LeaderObservation) -> float:
        """Ask a price that depends on round and demand."""
        assert observation.prices.shape == observation.qualities.shape
        assert observation.demand.shape == (len(observation.av_ids), len(observation.rsu_ids))
        return 3.0 + observation.round % 7 + 0.01 * float(observation.demand.sum())


class FollowerStub:
    """A policy that is cheap and deterministic."""

    name = "stub"

    def act(self, observation: FollowerObservation) -> Any:
        """Buy less at higher prices and more when others buy more."""
        assert observation.other_demand.shape == (
            len(observation.other_av_ids),
            len(observation.rsu_ids),
        )
        return 20.0 / observation.prices + 0.01 * observation.other_demand.sum(axis=0) - 1.0


@dataclass
class Faults:
    """What the network does to messages while it is not healed. Times in seconds."""

    loss: float = 0.0
    duplication: float = 0.0
    corruption: float = 0.0
    delay: tuple[float, float] = (0.005, 0.02)
    cut_links: set[tuple[tuple[str, int], tuple[str, int]]] = field(default_factory=set)
    """Links from a sender to a receiver that carry nothing in this direction."""
    queue_depth: int = 1000
    """Messages that wait for a paused node; the oldest are lost."""


@dataclass
class Node:
    """One process: a machine that may be killed, paused or replaced."""

    key: tuple[str, int]
    machine: LeaderMachine | FollowerMachine | None = None
    paused: bool = False
    backlog: list[Offer | Bid] = field(default_factory=list)
    lives: int = 0


class Network:
    """Leaders and followers that exchange messages over an unreliable network."""

    def __init__(
        self,
        n_avs: int,
        n_rsus: int,
        *,
        seed: int = 0,
        leader_config: LeaderConfig | None = None,
        follower_config: FollowerConfig | None = None,
        faults: Faults | None = None,
    ) -> None:
        """Make the nodes; nothing runs before :meth:`start`."""
        self.rng = random.Random(seed)
        self.leader_config = leader_config or LeaderConfig(
            peer_ids=tuple(range(1, n_avs + 1)), bandwidth_max=BANDWIDTH_MAX
        )
        self.follower_config = follower_config or FollowerConfig(
            peer_ids=tuple(range(1, n_rsus + 1)), price_max=PRICE_MAX
        )
        self.faults = faults or Faults()
        self.now = 0.0
        self.nodes = {("rsu", j): Node(("rsu", j)) for j in range(1, n_rsus + 1)}
        self.nodes.update({("av", i): Node(("av", i)) for i in range(1, n_avs + 1)})
        self.offers: list[Offer] = []
        self.bids: list[Bid] = []
        self.settlements: list[tuple[float, Settlement]] = []
        self.errors: list[str] = []
        self.deliveries = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._session = 1000

    # Control ---------------------------------------------------------------------------------

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._events, (max(time, self.now), next(self._count), action))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()
        self.now = until

    def run_until(self, condition: Callable[[], bool], limit: float) -> bool:
        """Let time pass until ``condition``, checked after each event; false at the limit."""
        while not condition():
            if not self._events or self._events[0][0] > limit:
                return False
            self.now, _, action = heapq.heappop(self._events)
            action()
        return True

    def start_all(self, spread: float = 0.0) -> None:
        """Start every node at a random time within ``spread``."""
        for key in self.nodes:
            self.at(self.now + self.rng.uniform(0.0, spread), lambda key=key: self.start(key))

    def start(self, key: tuple[str, int]) -> None:
        """Start a node, or restart it: the old life ends without a word."""
        node = self.nodes[key]
        self._session += 10
        role, number = key
        if role == "rsu":
            node.machine = LeaderMachine(
                self.leader_config,
                LeaderProfile(number, 0.8 + 0.2 * number, 2.0, PRICE_MAX),
                LeaderStub(),
                session=self._session,
            )
        else:
            node.machine = FollowerMachine(
                self.follower_config,
                FollowerProfile(number, 20.0, 1.0, BANDWIDTH_MAX),
                FollowerStub(),
                session=self._session,
            )
        node.lives += 1
        node.paused = False
        node.backlog = []
        self._publish(node, node.machine.start(self.now))

    def kill(self, key: tuple[str, int]) -> None:
        """End a node without a word."""
        self.nodes[key].machine = None

    def leave(self, key: tuple[str, int]) -> None:
        """Let a node say goodbye and end."""
        node = self.nodes[key]
        if node.machine is not None:
            self._publish(node, node.machine.leave(self.now))
            node.machine = None

    def pause(self, key: tuple[str, int]) -> None:
        """Stop a process; what arrives waits in its queue."""
        self.nodes[key].paused = True

    def resume(self, key: tuple[str, int]) -> None:
        """Let a paused process go on."""
        node = self.nodes[key]
        if node.machine is None or not node.paused:
            return
        node.paused = False
        backlog, node.backlog = node.backlog, []
        for message in backlog:
            self._handle(node, message)
        if node.machine is not None:
            self._publish(node, node.machine.on_timer(self.now))

    def leaders(self) -> list[LeaderMachine]:
        """The leaders that live."""
        return [n.machine for n in self.nodes.values() if isinstance(n.machine, LeaderMachine)]

    def followers(self) -> list[FollowerMachine]:
        """The followers that live."""
        return [n.machine for n in self.nodes.values() if isinstance(n.machine, FollowerMachine)]

    def settled(self, rsu_id: int) -> list[Settlement]:
        """All accounts of one RSU, over its lives."""
        return [s for _, s in self.settlements if s.rsu_id == rsu_id]

    # Delivery --------------------------------------------------------------------------------

    def _publish(self, node: Node, outputs: list[Any]) -> None:
        kinds = [type(output) for output in outputs]
        if Settlement in kinds and Offer in kinds and kinds.index(Settlement) < kinds.index(Offer):
            self.errors.append(f"{node.key}: settlement before offer")
        for output in outputs:
            if isinstance(output, Settlement):
                self.settlements.append((self.now, copy.deepcopy(output)))
                continue
            receivers = "av" if isinstance(output, Offer) else "rsu"
            (self.offers if isinstance(output, Offer) else self.bids).append(copy.deepcopy(output))
            for key in self.nodes:
                if key[0] == receivers:
                    self._send(node.key, key, output)
        self._arm(node)

    def _send(self, sender: tuple[str, int], receiver: tuple[str, int], message: Any) -> None:
        faults = self.faults
        copies = 1 + (self.rng.random() < faults.duplication)
        for _ in range(copies):
            if (sender, receiver) in faults.cut_links or self.rng.random() < faults.loss:
                continue
            arriving = copy.copy(message)
            if self.rng.random() < faults.corruption:
                arriving = corrupt(self.rng, message)
            self.at(
                self.now + self.rng.uniform(*faults.delay),
                lambda arriving=arriving: self._arrive(receiver, arriving),
            )

    def _arrive(self, receiver: tuple[str, int], message: Any) -> None:
        node = self.nodes[receiver]
        if node.machine is None:
            return
        if node.paused:
            node.backlog = [*node.backlog, message][-self.faults.queue_depth :]
            return
        self._handle(node, message)

    def _handle(self, node: Node, message: Any) -> None:
        self.deliveries += 1
        machine = node.machine
        if isinstance(machine, LeaderMachine):
            self._publish(node, machine.on_bid(message, self.now))
        elif machine is not None:
            self._publish(node, machine.on_offer(message, self.now))

    def _arm(self, node: Node) -> None:
        machine = node.machine
        if machine is None or machine.next_wakeup is None:
            return
        due = machine.next_wakeup

        def wake() -> None:
            # A later message may have moved the alarm, another life may have begun.
            if node.machine is machine and not node.paused and machine.next_wakeup == due:
                self._publish(node, machine.on_timer(self.now))
                if machine.next_wakeup is not None and machine.next_wakeup <= self.now:
                    self.errors.append(f"{node.key}: on_timer did not do what was due")

        self.at(due, wake)


GARBAGE: tuple[Any, ...] = (None, "7", 1.5, -1, math.nan, math.inf, [], 2**70, "x" * 9, b"1")


def corrupt(rng: random.Random, message: Any) -> Any:
    """A message that some software fault has damaged.

    Amounts are only damaged so that it shows (length, sign, NaN): a plausible other bandwidth,
    price of a competitor, or id of another AV that takes part, cannot be told from an honest
    bid without a signature.
    """
    damaged = copy.copy(message)
    names = [f.name for f in dataclasses.fields(message)]
    name = rng.choice(names)
    value = getattr(damaged, name)
    if name == "round":
        value = rng.choice([*GARBAGE, 0, 1, value + rng.randint(-70, 70), value + 10**9, 2**60])
    elif name == "session":
        value = rng.choice([*GARBAGE, 0, value + rng.choice([-3, -1, 1, 10**6]), 2**64 - 1])
    elif name in ("av_id", "rsu_id"):
        value = rng.choice([*GARBAGE, 0, 10**6])
    elif name in ("price", "quality"):
        value = rng.choice([*GARBAGE, value * 1.01, 0.0, 1e300, 5e-324])
    elif name in ("closing", "leaving"):
        value = not value
    elif name == "settled_round":
        value = rng.choice([*GARBAGE, value + 1, value + 1000])
    elif not len(value):
        value = rng.choice([(1,), (math.nan,), None])
    else:
        items = list(value)
        k = rng.randrange(len(items))
        choices: list[Any] = [items[:-1], [*items, items[-1]], [*items[::-1], 3], None, "12", 5]
        broken: list[Any] = [*(g for g in GARBAGE if g != 1.5), -abs(items[k]) - 1]
        if name == "sessions":
            broken.append(items[k] + 1)
        for item in broken:
            choices.append([*items[:k], item, *items[k + 1 :]])
        choices.append(np.array([[1.0, 2.0]]))
        value = rng.choice(choices)
    setattr(damaged, name, value)
    return damaged
