"""Reads a bag into decoded messages by topic, without ROS, as far as the bag goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veaat_migration.analysis.bag_files import BagFiles, find_bag, read_file
from veaat_migration.analysis.definitions import typestore_from
from veaat_migration.analysis.storage import BagError, Channel, FileReport, RawMessage
from veaat_migration.analysis.topics import ALL_TOPICS, GAME_TOPICS, identify


@dataclass(frozen=True, slots=True)
class Received:
    """One decoded message and when the recorder received it."""

    receive_time: int
    """[ns since the epoch]"""
    message: Any
    """Has the fields of its ``.msg`` file; arrays are numpy arrays or lists."""

    @property
    def stamp(self) -> int | None:
        """Data time of the header [ns since the epoch]; None: the type has no header."""
        header = getattr(self.message, "header", None)
        if header is None:
            return None
        return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


@dataclass
class Recording:
    """The game's messages in one bag, by topic name of ``topics.ALL_TOPICS``."""

    path: Path
    namespace: str
    messages: dict[str, list[Received]]
    """In the order of reception; a topic that is not in the bag has an empty list."""
    topics: dict[str, tuple[str, int]]
    """Message type and number of messages of every topic in the bag."""
    expected_messages: int | None = None
    """Messages of all topics that the recorder counted; None: not known."""
    custom_data: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """What is wrong with the bag, in words; empty: all of it was read."""

    @property
    def total_messages(self) -> int:
        """Complete messages of all topics in the bag."""
        return sum(count for _, count in self.topics.values())

    @property
    def missing_topics(self) -> list[str]:
        """Topics of the game without a message."""
        return [name for name in GAME_TOPICS if not self.messages[name]]


def read_bag(path: Path | str, namespace: str | None = None) -> Recording:
    """Read all that is readable of a rosbag2 folder or storage file.

    Args:
        path: bag folder, a folder with one bag in it, or an MCAP or SQLite file.
        namespace: namespace of the game to read; may be left out if the bag holds only one.

    Raises:
        BagError: there is no bag, nothing in it can be read, it holds no game, or several
            games and no namespace is given.
    """
    bag = find_bag(Path(path))
    raw, reports = _read_raw(bag)
    topics = _topics(reports)
    problems = [*bag.problems, *(text for report in reports for text in report.problems)]
    total = sum(count for _, count in topics.values())
    if bag.expected_messages is not None and total < bag.expected_messages:
        problems.append(
            f"{bag.expected_messages - total} of the {bag.expected_messages} messages that "
            "metadata.yaml counts are missing"
        )
    if not total:
        raise BagError(_with_reasons(f"{bag.path}: holds no complete message", problems))
    chosen = _choose_namespace(bag.path, topics, namespace, problems)
    messages, undecodable = _decode(raw, _chosen_topics(topics, chosen))
    return Recording(
        path=bag.path,
        namespace=chosen,
        messages=messages,
        topics=topics,
        expected_messages=bag.expected_messages,
        custom_data=bag.custom_data,
        problems=problems + undecodable,
    )


def _is_game_topic(channel: Channel) -> bool:
    return channel.encoding == "cdr" and identify(channel.topic, channel.message_type) is not None


def _read_raw(bag: BagFiles) -> tuple[list[RawMessage], list[FileReport]]:
    raw: list[RawMessage] = []
    reports = []
    for path in bag.files:
        report = FileReport(path, 0)
        try:
            report.size = path.stat().st_size
            raw.extend(
                read_file(path, report, _is_game_topic, messages_compressed=bag.messages_compressed)
            )
        except OSError as error:
            report.add_problem(f"cannot be read ({error.strerror})")
        reports.append(report)
    raw.sort(key=lambda message: message.receive_time)
    return raw, reports


def _topics(reports: Iterable[FileReport]) -> dict[str, tuple[str, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    for report in reports:
        counts.update(report.counts)
    return {topic: (kind, count) for (topic, kind), count in sorted(counts.items())}


def _with_reasons(text: str, reasons: Iterable[str]) -> str:
    return "\n  - ".join([text, *reasons])


def _choose_namespace(
    path: Path, topics: dict[str, tuple[str, int]], wanted: str | None, problems: list[str]
) -> str:
    found = {
        identity[0]
        for topic, (kind, _) in topics.items()
        if kind.startswith("veaat_migration/") and (identity := identify(topic, kind))
    }
    if not found:
        held = [f"it holds {topic} ({kind}, {count})" for topic, (kind, count) in topics.items()]
        expected = ", ".join(GAME_TOPICS)
        raise BagError(
            _with_reasons(
                f"{path}: holds no message of the game; none of the topics {expected} "
                "(types veaat_migration/msg/...) is in it",
                [*held, *problems],
            )
        )
    names = ", ".join(sorted(found))
    if wanted is not None:
        name = "/" + wanted.strip("/")
        if name not in found:
            raise BagError(f"{path}: holds no game in namespace {name}; there is {names}")
        return name
    if len(found) > 1:
        raise BagError(f"{path}: holds several games; choose one with --namespace: {names}")
    return found.pop()


def _chosen_topics(topics: dict[str, tuple[str, int]], namespace: str) -> dict[str, str]:
    """Names in the recording of the topics to decode, by topic.

    A topic that carries the standard name wins over others of the same type.
    """
    candidates: dict[str, list[str]] = {}
    for topic, (kind, _) in topics.items():
        identity = identify(topic, kind)
        if identity is not None and identity[0] in ("", namespace):
            candidates.setdefault(identity[1], []).append(topic)
    chosen: dict[str, str] = {}
    for name, found in candidates.items():
        exact = [topic for topic in found if topic.rpartition("/")[2] == name]
        chosen.update(dict.fromkeys(exact or found, name))
    return chosen


def _decode(
    raw: Iterable[RawMessage], chosen: dict[str, str]
) -> tuple[dict[str, list[Received]], list[str]]:
    selected = [message for message in raw if message.channel.topic in chosen]
    definitions: dict[str, str] = {}
    for message in selected:
        channel = message.channel
        definitions[channel.message_type] = (
            definitions.get(channel.message_type) or channel.definition
        )
    store, problems = typestore_from(definitions.items())
    decoded: dict[str, list[Received]] = {name: [] for name in (*ALL_TOPICS, "diagnostics")}
    failures: Counter[str] = Counter()
    for message in selected:
        topic = message.channel.topic
        try:
            content = store.deserialize_cdr(message.data, message.channel.message_type)
        except Exception:
            # Damaged bytes make the generated decoders fail in many ways; all are counted.
            failures[topic] += 1
            continue
        decoded[chosen[topic]].append(Received(message.receive_time, content))
    for topic, count in failures.items():
        problems.append(f"{topic}: {count} messages cannot be decoded")
    return decoded, problems
