"""Utilities, distance from equilibrium, convergence and times."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veaat_migration.analysis.history import History
from veaat_migration.analysis.metrics import (
    PolicyUse,
    convergence_round,
    deviations,
    latencies,
    percentiles,
    player_counts,
    policy_use,
    round_rate,
    utilities_of,
)
from veaat_migration.analysis.reading import read_bag
from veaat_migration.analysis.report import write_report
from veaat_migration.analysis.summary import format_summary
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.utilities import follower_utilities, leader_utilities

INSTANCE = GameInstance.create(
    satisfaction=[20.0, 25.0, 30.0],
    offset=[1.2, 0.9, 0.7],
    quality=[1.0, 1.2, 0.8],
    cost=[2.0, 2.5, 1.0],
    social=0.02,
    service=0.02,
    price_max=30.0,
    bandwidth_max=10.0,
)


def a_history(rounds: int = 10, seed: int = 1) -> History:
    random = np.random.default_rng(seed)
    return History(
        rounds=np.arange(5, 5 + rounds),
        rsu_ids=np.arange(1, 4),
        av_ids=np.arange(1, 4),
        prices=random.uniform(3.0, 9.0, (rounds, 3)),
        demand=random.uniform(0.0, 8.0, (rounds, 3, 3)),
        start=np.arange(rounds) * 0.1,
        end=np.arange(rounds) * 0.1 + 0.08,
    )


def test_utilities_of_complete_rounds_are_those_of_the_model():
    history = a_history()
    utilities = utilities_of(INSTANCE, history)
    assert np.array_equal(utilities.rsu, leader_utilities(INSTANCE, history.prices, history.demand))
    assert np.array_equal(
        utilities.av, follower_utilities(INSTANCE, history.prices, history.demand)
    )


def test_a_round_without_an_rsu_is_the_game_of_the_others():
    history = a_history()
    history.prices[4, 1] = np.nan
    history.demand[4, :, 1] = np.nan
    smaller = GameInstance.create(
        satisfaction=INSTANCE.satisfaction,
        offset=INSTANCE.offset,
        quality=INSTANCE.quality[[0, 2]],
        cost=INSTANCE.cost[:, [0, 2]],
        social=0.02,
        service=0.02,
        price_max=30.0,
        bandwidth_max=10.0,
    )
    prices, demand = history.prices[4, [0, 2]], history.demand[4][:, [0, 2]]
    utilities = utilities_of(INSTANCE, history)
    assert utilities.rsu[4, [0, 2]] == pytest.approx(leader_utilities(smaller, prices, demand))
    assert math.isnan(utilities.rsu[4, 1])
    assert utilities.av[4] == pytest.approx(follower_utilities(smaller, prices, demand))
    assert np.isfinite(utilities.rsu[[3, 5]]).all()


def test_an_av_that_bought_nowhere_has_no_utility():
    history = a_history()
    history.demand[2, 1] = np.nan
    history.demand[3, 1, 0] = np.nan
    utilities = utilities_of(INSTANCE, history)
    assert math.isnan(utilities.av[2, 1])
    assert np.isfinite(utilities.av[3]).all()


def test_deviation_is_relative_and_survives_a_utility_of_zero():
    found = deviations(np.array([[11.0, 0.0, 0.5]]), np.array([10.0, 0.0, 0.0]))
    assert found[0, 0] == pytest.approx(0.1)
    assert found[0, 1] == 0.0
    assert found[0, 2] > 100


@pytest.mark.parametrize(
    ("outside", "expected"),
    [([], 5), ([0, 1, 2], 8), ([0, 6], 12), ([9], None), ([0, 1, 2, 8], 14)],
)
def test_convergence_is_the_first_round_after_the_last_one_outside(
    outside: list[int], expected: int | None
):
    deviation = np.full((10, 2), 0.009)
    deviation[outside, 1] = -0.011
    assert convergence_round(a_history(), deviation, 0.01) == expected


def test_a_round_with_a_missing_player_is_no_convergence():
    history = a_history()
    history.demand[6, 2, 0] = np.nan
    assert convergence_round(history, np.zeros((10, 6)), 0.01) == 12
    unknown = np.zeros((10, 6))
    unknown[7, 3] = np.nan
    assert convergence_round(a_history(), unknown, 0.01) == 13


def test_percentiles_leave_out_what_is_not_known():
    found = percentiles([1.0, 2.0, float("nan"), 3.0])
    assert (found.count, found.p50, found.max) == (3, 2.0, 3.0)
    assert percentiles([]).count == 0
    assert math.isnan(percentiles([]).p50)


def test_the_rate_counts_rounds_not_settlements():
    history = a_history()
    assert round_rate(history) == pytest.approx(10.0)
    assert math.isnan(round_rate(replace(history, rounds=history.rounds[:1])))


def test_latency_is_reception_minus_stamp(game: Any, tmp_path: Path):
    found = latencies(read_bag(game.write(tmp_path / "bag")))
    assert set(found) == {"price_offers", "bandwidth_bids", "settlements", "node_status"}
    assert found["settlements"].p50 == pytest.approx(0.5)


def test_counters_of_all_lives_are_added(game: Any, tmp_path: Path):
    status = next(m for m in game.of("node_status") if (m.role, m.player_id) == (2, 3))
    late = game.add("node_status", 1_700_000_009_000_000_000, **{
        name: getattr(status, name) for name in status.__dataclass_fields__
        if name not in ("header", "__msgtype__") and not name.isupper()
    })  # fmt: skip
    late.message.session = status.session + 5_000_000_000
    late.message.rejection_counts = np.array([10, 20], np.uint64)
    counts = player_counts(read_bag(game.write(tmp_path / "bag")))
    assert counts.rejections_by_player["av 3"] == {"duplicate": 13, "late": 21}
    assert counts.rejections == {"late": 25, "duplicate": 19}
    assert counts.restarts == {"av 3": 1}
    assert counts.messages_accepted == 6 * 120


def test_a_session_begun_anew_in_the_same_process_counts_on(game: Any, tmp_path: Path):
    status = next(m for m in game.of("node_status") if (m.role, m.player_id) == (2, 3))
    status.session += 1
    earlier = game.add("node_status", 1_700_000_000_000_000_000, **{
        name: getattr(status, name) for name in status.__dataclass_fields__
        if name not in ("header", "__msgtype__") and not name.isupper()
    })  # fmt: skip
    earlier.message.session -= 1
    counts = player_counts(read_bag(game.write(tmp_path / "bag")))
    assert counts.rejections_by_player["av 3"] == {"duplicate": 3, "late": 1}
    assert counts.restarts == {}


def test_the_use_of_learned_policies_is_added_over_all_lives(game: Any, tmp_path: Path):
    status = next(m for m in game.of("node_status") if (m.role, m.player_id) == (2, 3))
    status.policy, status.policy_version, status.policy_sha256 = "learned", 7, "ab" * 32
    status.policy_decisions, status.policy_fallbacks, status.policy_errors = 30, 4, 1
    late = game.add("node_status", 1_700_000_009_000_000_000, **{
        name: getattr(status, name) for name in status.__dataclass_fields__
        if name not in ("header", "__msgtype__") and not name.isupper()
    })  # fmt: skip
    late.message.session = status.session + 5_000_000_000
    late.message.policy_version, late.message.policy_sha256 = 9, "cd" * 32
    use = policy_use(read_bag(game.write(tmp_path / "bag")))
    assert list(use) == ["rsu 1", "rsu 2", "av 1", "av 2", "av 3"]
    assert use["av 3"] == PolicyUse(
        policy="learned", version=9, sha256="cd" * 32, decisions=60, fallbacks=8, errors=2,
        versions=2,
    )  # fmt: skip
    assert (use["av 1"].policy, use["av 1"].version, use["av 1"].versions) == (
        "best_response", 0, 0
    )  # fmt: skip


def test_the_summary_names_learned_policies_only_where_there_are_some(game: Any, tmp_path: Path):
    plain = write_report(game.write(tmp_path / "plain"), tmp_path / "out", plots=False)
    assert "Learned policies" not in format_summary(plain)
    for status in game.of("node_status"):
        if status.role == 1:
            status.policy_version, status.policy_sha256 = 12, "ef" * 32
            status.policy_decisions, status.policy_fallbacks = 36, 4
    learned = write_report(game.write(tmp_path / "bag"), tmp_path / "out", plots=False)
    lines = [" ".join(line.split()) for line in format_summary(learned).splitlines()]
    begin = lines.index("Learned policies")
    assert lines[begin + 1 : begin + 5] == [
        "version sha256 decisions best response failed",
        "RSU 1 12 efefefefefef 36 4 0",
        "RSU 2 12 efefefefefef 36 4 0",
        "",
    ]
