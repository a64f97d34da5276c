"""Writes a rosbag2 folder with MCAP storage, as ``ros2 bag record`` would.

What has been flushed survives the death of the process: each flush closes one chunk, which a
reader can use without the index that only :meth:`BagWriter.close` writes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Any

import yaml
from mcap.writer import CompressionType, Writer

from veaat_migration.errors import VeaatError

METADATA_VERSION = 9
"""rosbag2's version of metadata.yaml since Jazzy."""
CHUNK_SIZE = 1 << 20
"""Most bytes that wait in memory for the next flush."""
OVERRUNS = "recorder_overruns"
"""Key of metadata.yaml's custom data: how often so much was waiting that some may be lost."""

_COMPRESSIONS = {"none": CompressionType.NONE, "zstd": CompressionType.ZSTD}
COMPRESSIONS = tuple(_COMPRESSIONS)


class BagWriteError(VeaatError):
    """A bag that cannot be created."""


@dataclass
class _Topic:
    name: str
    message_type: str
    qos: list[Mapping[str, Any]]
    type_hash: str
    messages: int = 0


class BagWriter:
    """One rosbag2 folder: ``metadata.yaml`` and one MCAP file.

    Args:
        folder: folder to create; must not exist.
        compression: of the chunks, one of :data:`COMPRESSIONS`.

    Raises:
        BagWriteError: the folder exists or cannot be created.
    """

    def __init__(self, folder: Path, *, compression: str = "none") -> None:
        if compression not in _COMPRESSIONS:
            raise BagWriteError(
                f"compression: must be one of {', '.join(COMPRESSIONS)}, got {compression!r}"
            )
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise BagWriteError(
                f"{folder} exists already and is not overwritten; choose another output folder"
            ) from None
        except OSError as error:
            raise BagWriteError(f"{folder}: cannot be created ({error.strerror})") from error
        self.folder = folder
        self.path = folder / f"{folder.name}_0.mcap"
        self._topics: list[_Topic] = []
        self._schemas: dict[str, int] = {}
        self._first: int | None = None
        self._last = 0
        self._unflushed = False
        self._stream: BufferedWriter = self.path.open("xb")
        self._mcap = Writer(
            self._stream, chunk_size=CHUNK_SIZE, compression=_COMPRESSIONS[compression]
        )
        self._mcap.start(profile="ros2", library="veaat_migration")
        self._stream.flush()

    @property
    def message_count(self) -> int:
        """Messages written so far."""
        return sum(topic.messages for topic in self._topics)

    def add_topic(
        self,
        name: str,
        message_type: str,
        *,
        definition: str,
        type_hash: str = "",
        qos: Sequence[Mapping[str, Any]] = (),
    ) -> int:
        """Announce a topic; returns the number to pass to :meth:`write`.

        Args:
            name: full topic name.
            message_type: ``package/msg/Type``.
            definition: its text with all contained types (``definitions.definition_text``).
            type_hash: RIHS01 hash; "" if not known.
            qos: offered QoS profiles in the form of rosbag2's metadata.
        """
        if message_type not in self._schemas:
            self._schemas[message_type] = self._mcap.register_schema(
                message_type, "ros2msg", definition.encode()
            )
        profiles = [dict(profile) for profile in qos]
        metadata = {"offered_qos_profiles": _dump(profiles) if profiles else ""}
        if type_hash:
            metadata["topic_type_hash"] = type_hash
        number = self._mcap.register_channel(name, "cdr", self._schemas[message_type], metadata)
        self._topics.append(_Topic(name, message_type, list(profiles), type_hash))
        return number

    def write(self, topic: int, data: bytes, receive_time: int, publish_time: int) -> None:
        """Append one serialised message; times in nanoseconds since the epoch."""
        self._mcap.add_message(topic, receive_time, data, publish_time)
        self._topics[topic - 1].messages += 1
        self._first = receive_time if self._first is None else min(self._first, receive_time)
        self._last = max(self._last, receive_time)
        self._unflushed = True

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        if self._unflushed:
            self._mcap.flush()  # type: ignore[no-untyped-call]
            self._unflushed = False

    def close(self, custom_data: Mapping[str, str] | None = None) -> None:
        """Write the index and ``metadata.yaml``; closing twice does nothing.

        Args:
            custom_data: free text by key, kept in ``metadata.yaml``.
        """
        if self._stream.closed:
            return
        information = self._information(custom_data)
        self._mcap.add_metadata("rosbag2", {"serialized_metadata": _dump(information)})
        self._mcap.finish()  # type: ignore[no-untyped-call]
        self._stream.close()
        temporary = self.folder / "metadata.yaml.tmp"
        temporary.write_text(_dump({"rosbag2_bagfile_information": information}), encoding="utf-8")
        temporary.replace(self.folder / "metadata.yaml")

    def _information(self, custom_data: Mapping[str, str] | None) -> dict[str, Any]:
        duration = {"nanoseconds": 0 if self._first is None else self._last - self._first}
        start = {"nanoseconds_since_epoch": self._first or 0}
        return {
            "version": METADATA_VERSION,
            "storage_identifier": "mcap",
            "duration": duration,
            "starting_time": start,
            "message_count": self.message_count,
            "topics_with_message_count": [
                {
                    "topic_metadata": {
                        "name": topic.name,
                        "type": topic.message_type,
                        "serialization_format": "cdr",
                        "offered_qos_profiles": topic.qos,
                        "type_description_hash": topic.type_hash,
                    },
                    "message_count": topic.messages,
                }
                for topic in self._topics
            ],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [self.path.name],
            "files": [
                {
                    "path": self.path.name,
                    "starting_time": dict(start),
                    "duration": dict(duration),
                    "message_count": self.message_count,
                }
            ],
            "custom_data": dict(custom_data) if custom_data else None,
            "ros_distro": os.environ.get("ROS_DISTRO", "unknown"),
        }


class _Dumper(yaml.SafeDumper):
    """Writes repeated values out: rosbag2's parser is not asked to follow YAML anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)
