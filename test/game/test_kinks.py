"""Leaders at kinks of their payoffs: pinned exactly, or an edge that leaves no equilibrium."""

from __future__ import annotations

import numpy as np
import pytest
from games import random_game, symmetric, with_changes

from veaat_migration.game.equilibrium import solve
from veaat_migration.game.exploitability import leader_gains
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import DelayConstraint, GameInstance
from veaat_migration.game.kinks import Kinks, along_kinks, margins, one_sided_slopes
from veaat_migration.game.leader import best_price, payoffs
from veaat_migration.game.price_search import local_equilibrium


def filled_game(seed: int) -> GameInstance:
    """b_max so small that leaders like to price where an AV just buys it."""
    rng = np.random.default_rng(seed)
    v, r = int(rng.integers(2, 6)), int(rng.integers(2, 4))
    return GameInstance.create(
        satisfaction=rng.uniform(10.0, 60.0, v), offset=rng.uniform(0.3, 2.5, v),
        quality=rng.uniform(0.5, 1.6, r), cost=rng.uniform(0.3, 4.0, r), social=0.01,
        service=symmetric(rng.uniform(-0.02, 0.02, (r, r))), price_max=30.0, bandwidth_max=3.0,
    )  # fmt: skip


def full_rsus(seed: int) -> GameInstance:
    rng = np.random.default_rng(seed)
    game = random_game(rng, n_avs=6, n_rsus=3)
    return with_changes(game, capacity=rng.uniform(1.5, 4.0, 3))


@pytest.mark.parametrize("seed", range(6))
def test_leaders_at_kinks_are_found_exactly(seed: int) -> None:
    for game in (filled_game(seed), full_rsus(seed)):
        start = 0.5 * (game.price_min + 12.0)
        found = local_equilibrium(game, start)
        gains = leader_gains(game, found.prices)
        far = gains.absolute > 0.0
        nearby = np.abs(gains.best / found.prices - 1.0) < 0.05
        assert not found.converged or np.all(gains.relative[far & nearby] <= 1e-9)


def test_capacity_is_met_exactly_at_its_kink() -> None:
    """A leader with little to sell asks the price that just sells it."""
    met = 0
    for seed in range(4):
        game = full_rsus(seed)
        solution = solve(game)
        assert game.capacity is not None
        load = solution.matching * solution.demand.sum(axis=0)
        met += int(np.count_nonzero(np.abs(load / game.capacity - 1.0) < 1e-9))
        assert solution.exploitability is not None
        assert solution.exploitability.largest <= 1e-9
    assert met >= 4


def test_margins_vanish_at_their_kinks_and_change_sign_there() -> None:
    """Every kind of kink: an AV fills up, leaves, meets its delay limit; an RSU is sold out."""
    limit = DelayConstraint.create(
        2, 2, data=[300.0, 150.0], spectral_efficiency=12.0, base_delay=0.2, max_delay=[7.0, 60.0]
    )
    plain = GameInstance.create(
        satisfaction=[20.0, 12.0], offset=[1.5, 2.0], quality=[1.0, 1.1], cost=[1.0, 1.0],
        social=0.01, service=0.01, price_max=30.0, bandwidth_max=4.0,
    )  # fmt: skip
    seen = set()
    for game in (plain, with_changes(plain, delay=limit), with_changes(plain, capacity=[2.0, 1.0])):
        prices = np.repeat([[5.0, 5.0]], 400, axis=0)
        prices[:, 0] = np.linspace(1.5, 14.0, 400)
        result = payoffs(game, prices)
        signature = result.signature
        for n in np.nonzero((signature[1:] != signature[:-1]).any(axis=1))[0]:
            column = int(np.nonzero(signature[n + 1] != signature[n])[0][0])
            values = {int(signature[n, column]), int(signature[n + 1, column])} - {0}
            if len(values) != 1:
                continue
            margin = margins(result, (column, values.pop()))
            assert margin[n] * margin[n + 1] <= 0.0
            assert np.abs(np.diff(margin)[n]) < 1.0
            kind = "bound" if column < 4 else ("delay" if game.delay is not None else "capacity")
            seen.add(kind)
    assert seen == {"bound", "delay", "capacity"}


def test_edges_between_two_hills_are_balanced() -> None:
    """Three leaders hold an AV at b_max; the fourth would leave the edge on either side."""
    rng = np.random.default_rng(10007)
    v, r = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    k = float(rng.choice([0, 1, 2]))
    game = GameInstance.create(
        satisfaction=rng.uniform(3, 60, v), offset=rng.uniform(0.3, 2.5, v),
        quality=rng.uniform(0.5, 1.6, r), cost=rng.uniform(0.3, 4, r),
        social=symmetric(rng.uniform(-0.2, 1, (v, v))) * 0.04 * k / max(v - 1, 1),
        service=symmetric(rng.uniform(-1, 1, (r, r))) * 0.02 * k / max(r - 1, 1),
        price_max=30.0, bandwidth_max=float(rng.uniform(1.0, 6.0)),
    )  # fmt: skip
    prices = np.array([5.53484, 6.11191, 5.57244, 5.53547])
    kinks: Kinks = [(0, 1), None, (2, 1), (3, 1)]
    guess = follower_equilibria(game, prices).demand[0]
    rest = along_kinks(game, prices, "low", kinks, guess)
    assert rest is not None
    assert not rest.exact
    below, above = one_sided_slopes(game, rest.prices, "low", guess)
    assert below[1] < 0.0 < above[1]
    assert below[1] == pytest.approx(-above[1], abs=1e-6)
    assert 0.0 < leader_gains(game, rest.prices).relative[1] < 4e-9
    assert local_equilibrium(game, 1.001 * prices).edge


def test_line_maximum_names_its_kink() -> None:
    game = GameInstance.create(
        satisfaction=[20.0], offset=[1.0], quality=[1.0], cost=[1.0], price_max=30.0,
        bandwidth_max=3.0,
    )  # fmt: skip
    found = best_price(game, np.array([5.0]), 0)
    assert found.x == pytest.approx(5.0)
    assert found.kink() == (0, 1)
    smooth = best_price(with_changes(game, satisfaction=[2.0], cost=[0.2]), np.array([0.9]), 0)
    assert smooth.kink() is None
