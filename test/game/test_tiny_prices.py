"""The search in plain numbers finds what arrays find, and leaves to them what is not smooth."""

from __future__ import annotations

import numpy as np
import pytest
from collection import GAMES
from games import base_case, random_game, with_changes
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game import stack, tiny_prices
from veaat_migration.game.certainty import uniqueness_index
from veaat_migration.game.closed_form import uncoupled_prices
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.leader import payoffs, price_bounds
from veaat_migration.game.local_search import LocalSearch
from veaat_migration.game.tiny_prices import TinyFound, TinyPrices, suits

SMOOTH = 1e-7
"""Elasticity of a payoff at a smooth optimum."""


def small_game(seed: int) -> GameInstance:
    rng = np.random.default_rng(seed)
    v, r = [(1, 1), (3, 2), (2, 3), (1, 4), (6, 2)][seed % 5]
    return with_changes(random_game(rng, n_avs=v, n_rsus=r, strength=float(rng.uniform(0.0, 2.0))))


def elasticities(game: GameInstance, prices: FloatArray, factor: float = 1.0) -> FloatArray:
    """Of every payoff by the own price, with only that price changed by ``factor``."""
    vectors = np.where(np.eye(game.n_rsus, dtype=bool), prices * factor, prices)
    result = payoffs(game, vectors)
    own: FloatArray = np.diag(result.slope) * prices / np.abs(np.diag(result.profit))
    return own


def assert_smooth_optimum(game: GameInstance, found: TinyFound) -> None:
    prices = np.array(found.prices)
    low, high = price_bounds(game)
    slope = elasticities(game, prices)
    inside = (prices > low * (1.0 + 1e-9)) & (prices < high * (1.0 - 1e-9))
    assert slope[inside] == pytest.approx(0.0, abs=SMOOTH)
    assert (slope[prices >= high * (1.0 - 1e-9)] > 0.0).all()
    # Tops, not troughs.
    assert (elasticities(game, prices, 1.0 - 1e-5)[inside] > 0.0).all()
    assert (elasticities(game, prices, 1.0 + 1e-5)[inside] < 0.0).all()
    exact = follower_equilibria(game, prices).demand[0]
    assert np.array(found.demand) == pytest.approx(exact, abs=1e-11 * game.bandwidth_max)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), share=st.floats(0.0, 1.0))
def test_what_is_found_is_a_smooth_optimum(seed: int, share: float) -> None:
    game = small_game(seed)
    low, high = price_bounds(game)
    found = TinyPrices(game).search(low * (high / low) ** share)
    if found is not None:
        assert_smooth_optimum(game, found)


def test_most_ordinary_games_need_nothing_else() -> None:
    games = [base_case()] + [small_game(seed) for seed in range(60)]
    found = [TinyPrices(game).search(uncoupled_prices(game)) for game in games]
    assert found[0] is not None
    assert found[0].prices == pytest.approx([4.3586, 5.3812], rel=1e-4)
    assert found[0].iterations <= 7
    assert sum(one is not None for one in found) >= 45


@pytest.mark.parametrize("own_costs", [False, True])
def test_slopes_are_those_of_the_equilibrium(own_costs: bool) -> None:
    """Against differences of the AVs' equilibrium, with one AV at b_max and one dropped out."""
    game = with_changes(
        base_case(), satisfaction=[20.0, 80.0, 4.0], offset=[1.2, 0.9, 2.0],
        cost=[[2.0, 2.5], [1.0, 3.0], [2.2, 0.5]] if own_costs else [2.0, 2.5],
    )  # fmt: skip
    y, step = [0.2, 0.22], 1e-6
    search = TinyPrices(game)

    def sold(y: list[float]) -> tuple[FloatArray, FloatArray]:
        demand = follower_equilibria(game, 1.0 / np.array([y])).demand[0]
        return demand, (game.cost * demand).sum(axis=0)

    demand = sold(y)[0]
    slopes = search._slopes(y, *search.links(y), demand.tolist())
    assert slopes is not None
    assert set(slopes.regime) == {-1, 0, 1}
    for s in range(2):
        near = [one + step * (k == s) for k, one in enumerate(y)]
        moved, cost = ((b - a) / step for a, b in zip(sold(y), sold(near), strict=True))
        assert [row[s] for row in slopes.quantity] == pytest.approx(moved.sum(axis=0), rel=1e-4)
        assert [row[s] for row in slopes.cost] == pytest.approx(cost, rel=1e-4)
        assert [row[s] for row in slopes.demand] == pytest.approx(moved.ravel(), rel=1e-4)


@pytest.mark.parametrize("name", ["kinks-shared", "small-b-max"])
def test_kinks_are_left_to_arrays(name: str) -> None:
    game = GAMES[name]
    assert TinyPrices(game).search(uncoupled_prices(game)) is None


def test_a_smooth_optimum_next_to_a_kink_counts_as_kinked() -> None:
    """b_max is what an AV buys anyway."""
    game = base_case()
    found = TinyPrices(game).search(uncoupled_prices(game))
    assert found is not None
    most = max(max(row) for row in found.demand)
    for b_max, smooth in [(most * (1.0 + 1e-6), False), (most * (1.0 + 1e-3), True)]:
        search = TinyPrices(with_changes(game, bandwidth_max=b_max))
        assert (search.search(np.array(found.prices)) is not None) == smooth


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_row_sums_prove_no_more_than_the_index(seed: int) -> None:
    rng = np.random.default_rng(seed)
    game = random_game(rng, n_avs=3, n_rsus=3, strength=float(rng.uniform(0.5, 6.0)))
    prices = rng.uniform(3.0, 20.0, 3)
    if TinyPrices(game).surely_unique(prices.tolist()):
        assert uniqueness_index(game, prices) < 1.0


def test_row_sums_prove_the_base_case() -> None:
    assert TinyPrices(base_case()).surely_unique([4.3586, 5.3812])
    assert not TinyPrices(base_case(0.2)).surely_unique([4.3586, 5.3812])


def test_only_very_small_simple_games_suit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert suits(base_case())
    assert not suits(with_changes(base_case(), capacity=[4.0, 4.0]))
    assert not suits(random_game(np.random.default_rng(0), n_avs=5, n_rsus=3))
    monkeypatch.setattr(stack, "_LARGE", 0)
    assert not suits(base_case())


def test_without_it_the_answer_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    game = base_case()

    def prices() -> list[FloatArray]:
        search = LocalSearch(game, np.inf, np.inf)
        return [search.first().prices, *(found.prices for found in search.quick(search.starts()))]

    plain = prices()
    monkeypatch.setattr(tiny_prices.TinyPrices, "search", lambda *_: None)
    arrays = prices()
    assert len(plain) == 2
    assert len(arrays) >= 2
    for one in [*plain, *arrays[1:]]:
        assert one == pytest.approx(arrays[1], rel=1e-10)
    assert arrays[0] == pytest.approx(arrays[1], rel=1e-7)
