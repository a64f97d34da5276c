"""Rounds as the settlements tell them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veaat_migration.analysis.history import History, history_of
from veaat_migration.analysis.reading import read_bag
from veaat_migration.scenario import instance_from_mapping


def history(game: Any, tmp_path: Path, instance: Any = None) -> History:
    return history_of(read_bag(game.write(tmp_path / "bag")), instance)


def test_prices_and_demands_are_those_settled(game: Any, tmp_path: Path):
    result = history(game, tmp_path)
    assert result.rounds.tolist() == list(range(1, 41))
    assert (result.rsu_ids.tolist(), result.av_ids.tolist()) == ([1, 2], [1, 2, 3])
    for message in game.of("settlements"):
        n, j = message.round - 1, message.rsu_id - 1
        assert result.prices[n, j] == message.price
        assert np.array_equal(result.demand[n, :, j], message.bandwidth)
    assert result.complete.all()
    assert result.durations == pytest.approx(np.full(40, 0.004), abs=1e-6)


def test_players_of_the_game_that_never_came_have_empty_rows(game: Any, tmp_path: Path):
    values = {"delta": [1.0] * 4, "E": [0.0] * 4, "q": [1.0] * 3, "c": 0.0}
    instance = instance_from_mapping({**values, "p_max": 9.0, "b_max": 9.0})
    result = history(game, tmp_path, instance)
    assert result.demand.shape == (40, 4, 3)
    assert np.isnan(result.prices[:, 2]).all()
    assert np.isnan(result.demand[:, 3]).all()
    assert not result.complete.any()


def test_strangers_are_counted_and_left_out(game: Any, tmp_path: Path):
    values = {"delta": [1.0] * 2, "E": [0.0] * 2, "q": [1.0], "c": 0.0}
    instance = instance_from_mapping({**values, "p_max": 9.0, "b_max": 9.0})
    result = history(game, tmp_path, instance)
    assert result.demand.shape == (40, 2, 1)
    assert result.strangers == 40 + 40


def test_a_missing_bid_leaves_a_hole(game: Any, tmp_path: Path):
    message = game.of("settlements")[12]
    message.av_ids, message.bandwidth = message.av_ids[1:], message.bandwidth[1:]
    message.missing_av_ids = np.array([1], np.uint32)
    result = history(game, tmp_path)
    n, j = message.round - 1, message.rsu_id - 1
    assert np.isnan(result.demand[n, 0, j])
    assert np.isfinite(result.demand[n, 1:, j]).all()
    assert np.flatnonzero(~result.complete).tolist() == [n]


def test_the_first_of_two_settlements_counts(game: Any, tmp_path: Path):
    (entry,) = [
        e for e in game.entries
        if e.topic == "settlements" and (e.message.round, e.message.rsu_id) == (9, 1)
    ]  # fmt: skip
    again = copy.copy(entry)
    again.message = copy.copy(entry.message)
    again.message.price = 99.0
    again.receive_time += 1_000_000
    game.entries.append(again)
    assert history(game, tmp_path).prices[8, 0] == entry.message.price


def test_a_round_cut_off_by_the_end_of_the_recording_is_not_judged(game: Any, tmp_path: Path):
    game.remove("settlements", lambda m: (m.round, m.rsu_id) == (40, 2))
    result = history(game, tmp_path)
    assert result.unfinished_round == 40
    assert result.rounds[-1] == 39


def test_an_rsu_that_died_long_before_the_end_is_judged(game: Any, tmp_path: Path):
    game.remove("settlements", lambda m: m.rsu_id == 2 and m.round > 30)
    result = history(game, tmp_path)
    assert result.unfinished_round is None
    assert result.rounds[-1] == 40
    assert np.flatnonzero(~result.complete).tolist() == list(range(30, 40))


def test_without_settlements_there_are_no_rounds(game: Any, tmp_path: Path):
    game.remove("settlements")
    result = history(game, tmp_path)
    assert len(result.rounds) == 0
    assert len(result.complete) == 0
