"""Very small games in plain numbers give what arrays give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game import tiny
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.kernel import Cases, equilibria
from veaat_migration.game.stack import stack_games


def small_game(rng: np.random.Generator) -> GameInstance:
    v, r = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    return GameInstance.create(
        satisfaction=rng.uniform(5.0, 40.0, v),
        offset=rng.uniform(-1.0, 2.0, v),
        quality=rng.uniform(0.5, 1.5, r),
        cost=rng.uniform(0.5, 3.0, r),
        social=rng.uniform(-0.05, 0.05),
        service=rng.uniform(-0.03, 0.03),
        price_max=30.0,
        bandwidth_max=float(rng.uniform(2.0, 20.0)),
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_both_ways_lead_to_the_same_demand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    game = small_game(rng)
    prices = rng.uniform(1.0, 25.0, (1, game.n_rsus))
    cases = Cases(stack_games([game]), prices)
    start = np.zeros((1, game.n_avs, game.n_rsus))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "LARGEST", 0)
        expected, converged = equilibria(cases, start)
    found, settled = equilibria(cases, start)
    if converged[0] and settled[0]:
        assert found == pytest.approx(expected, abs=1e-11 * game.bandwidth_max)
        assert cases.reply(found) == pytest.approx(found, abs=1e-12 * game.bandwidth_max)
        assert ((found == game.bandwidth_max) == (expected == game.bandwidth_max)).all()


def test_slow_games_are_left_to_newton() -> None:
    """Complements so strong that plain replies creep."""
    demand = [[0.0], [0.0]]
    settled = tiny.settle(
        prices=[10.0],
        pair=[[0.0]],
        social=[[0.0, 1.0], [1.0, 0.0]],
        satisfaction=[30.0, 30.0],
        offset=[1.0, 1.0],
        cap=100.0,
        demand=demand,
        precision=1e-12,
    )
    assert not settled
