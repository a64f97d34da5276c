"""Games played on paper and written to bags by the rosbags library."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.enums import CompressionMode

from veaat_migration.analysis.definitions import definition_text, typestore_from
from veaat_migration.analysis.topics import ALL_TOPICS
from veaat_migration.game.matching import matching_probability

sys.path.insert(0, str(Path(__file__).parent))

from twin_bags import TwinRun

START = 1_700_000_000_000_000_000
SESSION = 1_699_999_999_000_000_000

INSTANCE = {
    "V": 3,
    "R": 2,
    "delta": [20.0, 25.0, 30.0],
    "alpha": [1.5, 1.8, 2.0],
    "T_th": [1.0, 1.0, 1.0],
    "q": [1.0, 1.2],
    "c": [2.0, 2.5],
    "zeta": 0.02,
    "eta": 0.02,
    "p_max": 30.0,
    "b_max": 10.0,
}
EQUILIBRIUM_PRICES = np.array([4.3586, 5.3812])
EQUILIBRIUM_DEMAND = np.array([[3.7740, 2.7499], [5.3547, 4.0792], [6.8457, 5.3218]])

UNLEARNED: dict[str, Any] = {
    "policy_version": 0,
    "policy_sha256": "",
    "policy_decisions": 0,
    "policy_fallbacks": 0,
    "policy_errors": 0,
}
"""What a status says of a policy that was not learned."""


class Types:
    """Makes and serialises messages of the project from their .msg files."""

    def __init__(self) -> None:
        names = [*ALL_TOPICS.values(), "diagnostic_msgs/msg/DiagnosticArray"]
        self.definitions = {name: definition_text(name) for name in names if "veaat" in name}
        self.store, problems = typestore_from([(n, self.definitions.get(n, "")) for n in names])
        assert not problems

    def header(self, stamp: int) -> Any:
        time = self.store.types["builtin_interfaces/msg/Time"](
            sec=stamp // 10**9, nanosec=stamp % 10**9
        )
        return self.store.types["std_msgs/msg/Header"](stamp=time, frame_id="")

    def make(self, topic: str, stamp: int, **values: Any) -> Any:
        if topic == "node_status":
            values = UNLEARNED | values
        return self.store.types[ALL_TOPICS[topic]](header=self.header(stamp), **values)

    def serialise(self, topic: str, message: Any) -> bytes:
        return bytes(self.store.serialize_cdr(message, ALL_TOPICS[topic]))


@dataclass
class Entry:
    """One message to record."""

    topic: str
    receive_time: int
    message: Any
    namespace: str = "/veaat"
    remapped: str = ""
    """Last part of the topic's name, if it is not ``topic``."""


@dataclass
class Game:
    """A list of messages that tests change before they are written."""

    types: Types
    entries: list[Entry] = field(default_factory=list)

    def add(self, topic: str, time: int, **values: Any) -> Entry:
        """Append a message stamped ``time`` and received 0.5 ms later."""
        entry = Entry(topic, time + 500_000, self.types.make(topic, time, **values))
        self.entries.append(entry)
        return entry

    def of(self, topic: str) -> list[Any]:
        """Messages of a topic."""
        return [entry.message for entry in self.entries if entry.topic == topic]

    def remove(self, topic: str, which: Callable[[Any], bool] = bool) -> None:
        """Drop the messages of a topic (of which the test says so)."""
        self.entries = [e for e in self.entries if e.topic != topic or not which(e.message)]

    def write(
        self,
        folder: Path,
        *,
        storage: str = "mcap",
        compressed: bool = False,
        definitions: bool = True,
        foreign: int = 0,
    ) -> Path:
        """Write a rosbag2 folder with the rosbags library."""
        plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
        writer = Writer(folder, version=9, storage_plugin=plugin)
        if compressed:
            from rosbags.rosbag2.enums import CompressionFormat

            mode = CompressionMode.STORAGE if storage == "mcap" else CompressionMode.MESSAGE
            writer.set_compression(mode, CompressionFormat.ZSTD)
        with writer:
            connections: dict[str, Any] = {}
            for entry in self.entries:
                name = f"{entry.namespace}/{entry.remapped or entry.topic}"
                if name not in connections:
                    connections[name] = self._connect(writer, name, entry.topic, definitions)
                data = self.types.serialise(entry.topic, entry.message)
                writer.write(connections[name], entry.receive_time, data)
            for number in range(foreign):
                if "/chatter" not in connections:
                    connections["/chatter"] = writer.add_connection(
                        "/chatter", "std_msgs/msg/String", typestore=self.types.store
                    )
                text = self.types.store.types["std_msgs/msg/String"](data="x" * number)
                data = bytes(self.types.store.serialize_cdr(text, "std_msgs/msg/String"))
                writer.write(connections["/chatter"], START + number, data)
        return folder

    def _connect(self, writer: Writer, name: str, topic: str, definitions: bool) -> Any:
        kind = ALL_TOPICS[topic]
        text = self.types.definitions.get(kind)
        if text is None or not definitions:
            extra: dict[str, Any] = {"typestore": self.types.store}
        else:
            extra = {"msgdef": text, "rihs01": self.types.store.hash_rihs01(kind)}
        return writer.add_connection(name, kind, **extra)


def play(types: Types, rounds: int = 40, *, namespace: str = "/veaat") -> Game:
    """Base case: prices approach the equilibrium and demands with them."""
    game = Game(types)
    game.entries.append(
        Entry("game_instance", START, _string(types, json.dumps(INSTANCE)), namespace)
    )
    qualities = np.array(INSTANCE["q"])
    receipt: list[dict[str, Any]] = [{}, {}]
    for n in range(1, rounds + 1):
        prices = EQUILIBRIUM_PRICES * (1.0 + 0.9 * 0.8**n * np.array([1.0, -0.4]))
        theta = matching_probability(prices, qualities)
        demand = EQUILIBRIUM_DEMAND * EQUILIBRIUM_PRICES / prices
        time = START + n * 10_000_000
        for j in range(2):
            game.add(
                "price_offers", time + j, session=SESSION + j, round=n, rsu_id=j + 1,
                price=prices[j], quality=qualities[j], closing=False,
                **{"settled_round": 0, "settled_av_ids": np.zeros(0, np.uint32),
                   "settled_bandwidth": np.zeros(0), **receipt[j]},
            )  # fmt: skip
        for i in range(3):
            game.add(
                "bandwidth_bids", time + 2_000_000 + i, session=SESSION, round=n, av_id=i + 1,
                leaving=False, rsu_ids=np.array([1, 2], np.uint32),
                sessions=np.array([SESSION, SESSION + 1], np.uint64), prices=prices,
                qualities=qualities, bandwidth=demand[i],
            )  # fmt: skip
        for j in range(2):
            game.add(
                "settlements", time + 4_000_000 + j, session=SESSION + j, round=n,
                rsu_id=j + 1, price=prices[j], quality=qualities[j],
                av_ids=np.array([1, 2, 3], np.uint32), bandwidth=demand[:, j].copy(),
                matching_probability=np.full(3, theta[j]),
                payment=theta[j] * prices[j] * demand[:, j],
                missing_av_ids=np.zeros(0, np.uint32), duration=0.004,
            )  # fmt: skip
            receipt[j] = {
                "settled_round": n,
                "settled_av_ids": np.array([1, 2, 3], np.uint32),
                "settled_bandwidth": demand[:, j].copy(),
            }
    add_statuses(game, rounds)
    for entry in game.entries:
        entry.namespace = namespace
    return game


def add_statuses(game: Game, rounds: int) -> None:
    """One status of every player at the end."""
    for role, player in [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]:
        game.add(
            "node_status", START + (rounds + 1) * 10_000_000, role=role, player_id=player,
            session=SESSION, state=3, round=rounds, rounds_completed=rounds,
            policy="best_response", peer_ids=np.array([1, 2], np.uint32),
            messages_accepted=3 * rounds, deadline_misses=1, retransmissions=2,
            rejection_reasons=["duplicate", "late"],
            rejection_counts=np.array([player, 1], np.uint64),
        )  # fmt: skip


def _string(types: Types, text: str) -> Any:
    return types.store.types["std_msgs/msg/String"](data=text)


@pytest.fixture(scope="session")
def types() -> Types:
    """The project's message types."""
    return Types()


@pytest.fixture
def game(types: Types) -> Game:
    """Forty rounds of the base case, to be changed by the test."""
    return play(types)


@pytest.fixture
def make_game(types: Types) -> Iterator[Callable[..., Game]]:
    """Plays games of other lengths and namespaces."""

    def make(rounds: int = 40, namespace: str = "/veaat") -> Game:
        return play(types, rounds, namespace=namespace)

    return make


@pytest.fixture
def twin_run(types: Types) -> TwinRun:
    """Three twins that follow their AVs past three RSUs, to be changed by the test."""
    return TwinRun(types)
