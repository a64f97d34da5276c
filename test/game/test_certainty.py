"""Proofs of uniqueness: the index against dense eigenvalues, bounds that hold."""

from __future__ import annotations

import numpy as np
import pytest
from games import base_case, random_game, symmetric, with_changes
from scipy.sparse import issparse

from veaat_migration.game.certainty import (
    equilibrium_is_unique,
    surely_unique,
    uniqueness_index,
)
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.replies import PriceBatch
from veaat_migration.game.spectral import compact, radius, radius_bounds


def dense_index(game: GameInstance, prices: np.ndarray) -> float:
    """The index of docs/model.md, written out: rho(D (zeta (x) I + I (x) W)), additive."""
    theta = matching_probability(prices, game.quality)
    links = np.abs(game.service) * (1.0 + theta / theta[:, None])
    matrix = np.kron(np.abs(game.social), np.eye(game.n_rsus))
    matrix += np.kron(np.eye(game.n_avs), links)
    bend = (game.bandwidth_max + game.offset) ** 2 / game.satisfaction
    return float(np.abs(np.linalg.eigvals(np.repeat(bend, game.n_rsus)[:, None] * matrix)).max())


@pytest.mark.parametrize("seed", range(8))
def test_index_is_the_spectral_radius(seed: int) -> None:
    rng = np.random.default_rng(seed)
    game = random_game(rng, strength=4.0)
    prices = rng.uniform(2.0, 20.0, game.n_rsus)
    assert uniqueness_index(game, prices) == pytest.approx(dense_index(game, prices), rel=1e-8)


def test_index_of_many_avs_is_the_spectral_radius() -> None:
    """Beyond the size at which matrices are decomposed, dense and sparse."""
    rng = np.random.default_rng(1)
    for share in (1.0, 0.05):
        social = symmetric(rng.uniform(0.0, 0.01, (120, 120)) * (rng.random((120, 120)) < share))
        game = GameInstance.create(
            satisfaction=rng.uniform(10.0, 30.0, 120), offset=np.ones(120), quality=[1.0, 1.2],
            cost=[2.0, 2.0], social=social, service=0.02, price_max=30.0, bandwidth_max=10.0,
        )  # fmt: skip
        prices = np.array([5.0, 6.0])
        assert issparse(compact(social)) is (share < 1.0)
        assert uniqueness_index(game, prices) == pytest.approx(dense_index(game, prices), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_radius_bounds_hold_whatever_the_couplings(seed: int) -> None:
    """Also for separate clusters, swinging pairs and players without any coupling."""
    rng = np.random.default_rng(seed)
    matrix = symmetric(rng.uniform(0.0, 1.0, (30, 30)) * (rng.random((30, 30)) < 0.05))
    flexibility = rng.uniform(0.0, 2.0, 30) * (rng.random(30) < 0.9)
    exact = float(np.abs(np.linalg.eigvals(flexibility[:, None] * matrix)).max())
    low, high = radius_bounds(lambda x: matrix @ x, flexibility)
    assert low <= exact * (1 + 1e-12) + 1e-15
    assert high >= exact * (1 - 1e-12)
    assert high <= 1.05 * exact + 1e-15
    assert radius(matrix) == pytest.approx(np.abs(np.linalg.eigvals(matrix)).max())


def test_radius_without_couplings_is_zero() -> None:
    assert radius_bounds(lambda x: 0.0 * x, np.ones(3)) == (0.0, 0.0)
    assert uniqueness_index(base_case(0.0), np.array([5.0, 6.0])) == 0.0


@pytest.mark.parametrize("externality", ["additive", "multiplicative"])
def test_proofs_agree_with_each_other(externality: str) -> None:
    """The quick test implies the index, and the index implies the sharp one."""
    proven = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        game = random_game(rng, strength=3.0, externality=externality, n_avs=3)
        prices = rng.uniform(2.0, 20.0, game.n_rsus)
        index = uniqueness_index(game, prices)
        if surely_unique(PriceBatch(game, prices[None]))[0]:
            assert index < 1.0
        if index < 1.0:
            proven += 1
            assert equilibrium_is_unique(game, prices)
    assert proven >= 5


def test_a_narrower_box_proves_more() -> None:
    """Far from b_max the logarithm is steep enough, although not on the whole interval."""
    game = with_changes(base_case(0.1), bandwidth_max=20.0)
    prices = np.array([8.0, 9.0])
    assert uniqueness_index(game, prices) > 1.0
    assert equilibrium_is_unique(game, prices)
