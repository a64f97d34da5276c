"""What the recorder writes is what other tools expect of a rosbag2 folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from veaat_migration.analysis.bag_writer import BagWriteError, BagWriter
from veaat_migration.analysis.definitions import definition_text
from veaat_migration.analysis.topics import GAME_TOPICS

INFINITE = {"sec": 9223372036, "nsec": 854775807}
QOS = {
    "history": "keep_last",
    "depth": 1,
    "reliability": "reliable",
    "durability": "transient_local",
    "deadline": INFINITE,
    "lifespan": INFINITE,
    "liveliness": "automatic",
    "liveliness_lease_duration": INFINITE,
    "avoid_ros_namespace_conventions": False,
}


def write(game: Any, folder: Path, **options: Any) -> BagWriter:
    writer = BagWriter(folder, **options)
    topics = {
        name: writer.add_topic(
            f"/veaat/{name}",
            kind,
            definition=definition_text(kind),
            type_hash=game.types.store.hash_rihs01(kind),
            qos=[QOS],
        )
        for name, kind in GAME_TOPICS.items()
    }
    for entry in game.entries:
        data = game.types.serialise(entry.topic, entry.message)
        writer.write(topics[entry.topic], data, entry.receive_time, entry.receive_time - 1000)
    return writer


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_rosbags_reads_every_message_with_the_types_in_the_bag(
    game: Any, tmp_path: Path, compression: str
):
    write(game, tmp_path / "bag", compression=compression).close({"note": "x"})
    with AnyReader([tmp_path / "bag"]) as reader:
        assert reader.message_count == len(game.entries)
        (offers,) = [c for c in reader.connections if c.topic == "/veaat/price_offers"]
        assert offers.ext.offered_qos_profiles[0].depth == 1
        prices = [
            reader.deserialize(data, connection.msgtype).price
            for connection, _, data in reader.messages([offers])
        ]
    assert prices == [message.price for message in game.of("price_offers")]


def test_the_mcap_library_reads_it_through_its_index(game: Any, tmp_path: Path):
    writer = write(game, tmp_path / "bag")
    writer.close()
    with writer.path.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == len(game.entries)
        assert len(summary.chunk_indexes) > 0
        messages = list(reader.iter_messages())
    times = [(message.log_time, message.publish_time) for _, _, message in messages]
    received = sorted(entry.receive_time for entry in game.entries)
    assert times == [(time, time - 1000) for time in received]


def test_metadata_names_topics_types_counts_and_times(game: Any, tmp_path: Path):
    write(game, tmp_path / "bag").close({"note": "x"})
    text = (tmp_path / "bag" / "metadata.yaml").read_text()
    assert "&id" not in text
    information = yaml.safe_load(text)["rosbag2_bagfile_information"]
    assert information["storage_identifier"] == "mcap"
    assert information["relative_file_paths"] == ["bag_0.mcap"]
    assert information["message_count"] == len(game.entries)
    assert information["custom_data"] == {"note": "x"}
    listed = {
        topic["topic_metadata"]["name"]: topic for topic in information["topics_with_message_count"]
    }
    assert listed["/veaat/settlements"]["message_count"] == 80
    assert listed["/veaat/settlements"]["topic_metadata"]["offered_qos_profiles"] == [QOS]
    start = information["starting_time"]["nanoseconds_since_epoch"]
    assert start == min(entry.receive_time for entry in game.entries)


def test_an_existing_folder_is_not_overwritten(tmp_path: Path):
    with pytest.raises(BagWriteError, match="exists already and is not overwritten"):
        BagWriter(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BagWriteError, match=r"file/bag: cannot be created"):
        BagWriter(tmp_path / "file" / "bag")


def test_an_unknown_compression_is_refused_before_anything_is_created(tmp_path: Path):
    with pytest.raises(BagWriteError, match="compression: must be one of none, zstd"):
        BagWriter(tmp_path / "bag", compression="rar")
    assert not (tmp_path / "bag").exists()


def test_an_empty_bag_is_closed_in_order(tmp_path: Path):
    writer = BagWriter(tmp_path / "bag")
    writer.flush()
    writer.close()
    writer.close()
    with AnyReader([tmp_path / "bag"]) as reader:
        assert reader.message_count == 0
