"""Bags in every shape they come in."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from veaat_migration.analysis.reading import Recording, read_bag
from veaat_migration.analysis.storage import BagError

ALL = {"price_offers": 80, "bandwidth_bids": 120, "settlements": 80, "node_status": 5,
       "game_instance": 1}  # fmt: skip


def counts(recording: Recording) -> dict[str, int]:
    return {name: len(found) for name, found in recording.messages.items() if found}


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compressed", [False, True])
def test_every_message_comes_back(game: Any, tmp_path: Path, storage: str, compressed: bool):
    bag = game.write(tmp_path / "bag", storage=storage, compressed=compressed, foreign=7)
    recording = read_bag(bag)
    assert counts(recording) == ALL
    assert recording.problems == []
    assert recording.missing_topics == ["round_status"]
    assert recording.topics["/chatter"] == ("std_msgs/msg/String", 7)
    first, sent = recording.messages["settlements"][0], game.of("settlements")[0]
    assert first.message.price == sent.price
    assert np.array_equal(first.message.bandwidth, sent.bandwidth)
    assert first.receive_time - first.stamp == 500_000


def test_a_storage_file_alone_is_a_bag(game: Any, tmp_path: Path):
    bag = game.write(tmp_path / "bag")
    recording = read_bag(bag / "bag.mcap")
    assert counts(recording) == ALL
    assert recording.expected_messages is None


def test_a_folder_with_one_bag_in_it_is_that_bag(game: Any, tmp_path: Path):
    bag = game.write(tmp_path / "run" / "bag")
    assert read_bag(tmp_path / "run").path == bag
    game.write(tmp_path / "run" / "other")
    with pytest.raises(BagError, match=r"several bags.*run/bag, .*run/other"):
        read_bag(tmp_path / "run")


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_without_metadata_everything_is_read_and_the_user_is_told(
    game: Any, tmp_path: Path, storage: str
):
    bag = game.write(tmp_path / "bag", storage=storage)
    (bag / "metadata.yaml").unlink()
    recording = read_bag(bag)
    assert counts(recording) == ALL
    assert any("metadata.yaml: missing" in problem for problem in recording.problems)


@pytest.mark.parametrize("content", ["", "a: [", "rosbag2_bagfile_information: 3\n", "\x00\x01"])
def test_damaged_metadata_does_not_hide_the_messages(game: Any, tmp_path: Path, content: str):
    bag = game.write(tmp_path / "bag")
    (bag / "metadata.yaml").write_text(content)
    recording = read_bag(bag)
    assert counts(recording) == ALL
    assert any("metadata.yaml" in problem for problem in recording.problems)


def test_definitions_that_the_bag_lacks_come_from_the_package(game: Any, tmp_path: Path):
    bag = game.write(tmp_path / "bag", storage="sqlite3")
    with sqlite3.connect(bag / "bag.db3") as database:
        database.execute("DROP TABLE message_definitions")
    database.close()
    assert counts(read_bag(bag)) == ALL


def test_splits_are_read_in_order(make_game: Any, tmp_path: Path):
    whole = make_game(20)
    bag = tmp_path / "bag"
    names = []
    for number, part in enumerate((whole.entries[:80], whole.entries[80:])):
        piece = make_game(1)
        piece.entries = part
        source = piece.write(tmp_path / f"part{number}")
        bag.mkdir(exist_ok=True)
        names.append(f"bag_{number}.mcap")
        shutil.copy(source / f"part{number}.mcap", bag / names[-1])
    information = yaml.safe_load((tmp_path / "part0" / "metadata.yaml").read_text())
    listed = information["rosbag2_bagfile_information"]
    listed["relative_file_paths"] = names
    listed["message_count"] = len(whole.entries)
    (bag / "metadata.yaml").write_text(yaml.safe_dump(information))
    recording = read_bag(bag)
    assert recording.problems == []
    rounds = [received.message.round for received in recording.messages["settlements"]]
    assert rounds == sorted(rounds)
    assert len(rounds) == 40
    (bag / names[1]).unlink()
    recording = read_bag(bag)
    assert len(recording.messages["settlements"]) < 40
    assert any("bag_1.mcap: is listed" in problem for problem in recording.problems)


def test_a_foreign_bag_is_named_as_such(make_game: Any, tmp_path: Path):
    game = make_game(1)
    game.entries = []
    with pytest.raises(BagError) as caught:
        read_bag(game.write(tmp_path / "bag", foreign=3))
    text = str(caught.value)
    assert "price_offers" in text
    assert "/chatter (std_msgs/msg/String, 3)" in text


def test_an_empty_bag_is_named_as_such(make_game: Any, tmp_path: Path):
    game = make_game(1)
    game.entries = []
    with pytest.raises(BagError, match="holds no complete message"):
        read_bag(game.write(tmp_path / "bag"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent", None, "no such file or folder"),
        ("notes.txt", b"hello", "is not a bag"),
        ("old.bag", b"#ROSBAG V2.0", "ROS 1 bag"),
        ("empty.mcap", b"", "is empty"),
        ("wrong.mcap", b"hello hello", "does not begin like an MCAP file"),
        ("wrong.db3", b"hello hello hello", "cannot be read further"),
    ],
)
def test_what_is_no_bag_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes | None, message: str
):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BagError, match=message):
        read_bag(path)


def test_a_folder_without_bag_says_what_was_expected(tmp_path: Path):
    with pytest.raises(BagError, match=r"expected metadata\.yaml or"):
        read_bag(tmp_path)


def test_several_games_need_a_namespace(make_game: Any, tmp_path: Path):
    game = make_game(5, namespace="/north/veaat")
    game.entries += make_game(8, namespace="/south/veaat").entries
    bag = game.write(tmp_path / "bag")
    with pytest.raises(BagError, match=r"--namespace: /north/veaat, /south/veaat"):
        read_bag(bag)
    assert len(read_bag(bag, "/south/veaat").messages["settlements"]) == 16
    assert len(read_bag(bag, "north/veaat/").messages["settlements"]) == 10
    with pytest.raises(BagError, match=r"no game in namespace /west; there is /north"):
        read_bag(bag, "west")


def test_remapped_topics_are_found_by_type(game: Any, tmp_path: Path):
    for entry in game.entries:
        if entry.topic == "settlements":
            entry.remapped = "accounts"
    assert len(read_bag(game.write(tmp_path / "bag")).messages["settlements"]) == 80


def test_messages_with_damaged_content_are_counted_and_left_out(game: Any, tmp_path: Path):
    bag = game.write(tmp_path / "bag", storage="sqlite3")
    with sqlite3.connect(bag / "bag.db3") as database:
        topic = "SELECT id FROM topics WHERE name = '/veaat/settlements'"
        database.execute(
            f"UPDATE messages SET data = x'0001000001' WHERE topic_id = ({topic}) AND id % 2"
        )
    database.close()
    recording = read_bag(bag)
    kept = len(recording.messages["settlements"])
    assert 0 < kept < 80
    assert f"/veaat/settlements: {80 - kept} messages cannot be decoded" in recording.problems
