"""One point: what is kept of an answer, and of the lack of one."""

import json
import math
from typing import Any

import numpy as np
import pytest

from veaat_migration.game.equilibrium import solve
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.studies import evaluate as module
from veaat_migration.studies.evaluate import METRICS, Record, evaluate, game_of

GAME: dict[str, Any] = {
    "delta": [20, 25, 30, 20, 25, 30], "E": [1.2, 0.9, 0.7] * 2, "q": [1.0, 1.2], "c": [2.0, 2.5],
    "p_max": 30, "b_max": 10, "capacity": 10,
}  # fmt: skip


def test_what_is_kept_agrees_with_the_solution() -> None:
    record = evaluate(GAME, certify=True, time_limit=10.0)
    game = game_of(GAME)
    solution = solve(game)
    assert (record.status, record.n_avs, record.n_rsus) == ("certified", 6, 2)
    assert set(record.metrics) == set(METRICS)
    metrics, lists = record.metrics, record.lists
    np.testing.assert_allclose(lists["price"], solution.prices, rtol=1e-9)
    np.testing.assert_allclose(
        lists["rsu_utility"], leader_utilities(game, solution.prices, solution.demand), rtol=1e-9
    )
    np.testing.assert_allclose(
        lists["av_utility"], follower_utilities(game, solution.prices, solution.demand), rtol=1e-9
    )
    assert metrics["welfare"] == pytest.approx(sum(lists["av_utility"]) + sum(lists["rsu_utility"]))
    delivered = [load * r for load, r in zip(lists["load"], lists["delivered_share"], strict=True)]
    assert metrics["bandwidth"] == pytest.approx(sum(delivered))
    assert max(delivered) <= 10.0 + 1e-9
    # What RSUs earn is what is paid for delivered bandwidth, less its cost.
    paid = metrics["price_paid"] * metrics["bandwidth"]
    cost = 2.0 * delivered[0] + 2.5 * delivered[1]
    assert metrics["rsu_utility_total"] == pytest.approx(paid - cost)


def test_without_a_certificate_what_it_would_tell_is_unknown() -> None:
    record = evaluate(GAME, certify=False, time_limit=10.0)
    assert record.status == "unchecked"
    assert math.isnan(record.metrics["exploitability"])


def test_records_survive_text() -> None:
    record = evaluate(GAME, certify=True, time_limit=10.0)
    assert Record.from_mapping(json.loads(json.dumps(record.to_mapping()))) == record


def test_no_game_and_a_crash_are_records_too(monkeypatch: pytest.MonkeyPatch) -> None:
    record = evaluate({**GAME, "c": [2, 40]}, certify=True, time_limit=10.0)
    assert record == Record("invalid", "p_max: must be > every unit cost (40), got 30")

    def crash(*_: Any, **__: Any) -> None:
        raise FloatingPointError("nothing left")

    monkeypatch.setattr(module, "solve", crash)
    record = evaluate(GAME, certify=True, time_limit=10.0)
    assert record == Record("failed", "FloatingPointError: nothing left", 6, 2)
