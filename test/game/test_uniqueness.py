"""The quick proof that the AVs' equilibrium is the only one is never wrong."""

from __future__ import annotations

import numpy as np
import pytest
from collection import GAMES
from games import base_case, random_game, with_changes
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.kernel import Cases, equilibria
from veaat_migration.game.stack import stack_games
from veaat_migration.game.uniqueness import provably_unique

MANY = GAMES["many-follower-equilibria"]


def proven(game: GameInstance, prices: FloatArray) -> FloatArray:
    result: FloatArray = provably_unique(Cases(stack_games([game]), prices))
    return result


def prices_of(game: GameInstance, rng: np.random.Generator, number: int) -> FloatArray:
    low, high = 0.8 * game.price_min, game.price_max
    vectors: FloatArray = low * (high / low) ** rng.random((number, game.n_rsus))
    return vectors


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), strength=st.floats(0.5, 40.0))
def test_where_it_is_proven_low_and_high_starts_agree(seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    v, r = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    game = random_game(rng, n_avs=v, n_rsus=r, strength=strength)
    prices = prices_of(game, rng, 12)
    sure = proven(game, prices)
    if sure.any():
        low = follower_equilibria(game, prices[sure], "low").demand
        high = follower_equilibria(game, prices[sure], "high").demand
        assert low == pytest.approx(high, abs=1e-8 * game.bandwidth_max)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), strength=st.floats(5.0, 60.0))
def test_no_start_leads_elsewhere_than_a_proven_equilibrium(seed: int, strength: float) -> None:
    """The kernel, from many starts: complements of one sign are the likeliest to break it."""
    rng = np.random.default_rng(seed)
    game = random_game(rng, n_avs=4, n_rsus=2, strength=strength)
    game = with_changes(game, social=np.abs(game.social))
    prices = prices_of(game, rng, 10)
    sure = proven(game, prices)
    cases = Cases(stack_games([game]), prices).take(sure)
    if not len(cases):
        return
    shape = (len(cases), game.n_avs, game.n_rsus)
    first, known = equilibria(cases, np.zeros(shape))
    assert known.mean() >= 0.5
    for _ in range(4):
        found, converged = equilibria(cases, game.bandwidth_max * rng.random(shape))
        both = known & converged
        assert found[both] == pytest.approx(first[both], abs=1e-8)


def test_it_does_not_claim_what_is_false() -> None:
    """Strong complements: at some prices AVs may all buy little, or all much."""
    prices = np.linspace(2.5, 29.0, 60)[:, None]
    low = follower_equilibria(MANY, prices, "low").demand
    high = follower_equilibria(MANY, prices, "high").demand
    several = np.abs(high - low).max(axis=(1, 2)) > 1e-3
    assert several.any()
    assert not several.all()
    sure = proven(MANY, prices)
    assert not sure[several].any()
    assert sure[~several].any()


@pytest.mark.parametrize("coupling", [0.0, 0.02, -0.02])
def test_ordinary_games_are_proven_at_all_prices(coupling: float) -> None:
    game = base_case(coupling)
    assert proven(game, prices_of(game, np.random.default_rng(0), 200)).all()


def test_every_case_is_judged_by_itself() -> None:
    rng = np.random.default_rng(3)
    game = random_game(rng, n_avs=4, n_rsus=3, strength=12.0)
    prices = prices_of(game, rng, 60)
    together = proven(game, prices)
    assert together.any()
    assert not together.all()
    alone = np.concatenate([proven(game, prices[k : k + 1]) for k in range(60)])
    assert (together == alone).all()


def test_games_side_by_side_are_judged_as_alone() -> None:
    rng = np.random.default_rng(4)
    games = [
        random_game(rng, n_avs=4, n_rsus=3, strength=strength)
        for strength in (1.0, 5.0, 10.0, 15.0, 30.0, 60.0)
    ]
    prices = np.concatenate([prices_of(game, rng, 1) for game in games])
    together = provably_unique(Cases(stack_games(games), prices))
    alone = [bool(proven(game, prices[k : k + 1])[0]) for k, game in enumerate(games)]
    assert together.tolist() == alone
    assert any(alone)
    assert not all(alone)


def test_nothing_is_proven_a_little_beyond_the_threshold() -> None:
    """Two AVs that help each other: b = 2.315 and b = b_max, with a radius of 1.08 at b_max."""

    def complements(b_max: float) -> GameInstance:
        return GameInstance.create(
            satisfaction=[10.0, 10.0], offset=[2.0, 2.0], quality=[1.0], cost=[1.0],
            social=0.5, price_max=30.0, bandwidth_max=b_max,
        )  # fmt: skip

    prices = np.array([[3.475]])
    found = [follower_equilibria(complements(2.65), prices, start) for start in ("low", "high")]
    assert found[0].demand == pytest.approx(2.315, abs=1e-3)
    assert found[1].demand == pytest.approx(2.65)
    assert not proven(complements(2.65), prices)[0]
    assert proven(complements(2.4), prices)[0]  # the radius is 0.97
