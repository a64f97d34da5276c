"""AVs whose replies creep or lead to saddles: equilibria where others have just vanished."""

from __future__ import annotations

import numpy as np
import pytest
from games import random_game

from veaat_migration.game.ascent import potential, uphill
from veaat_migration.game.exploitability import follower_gains
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.replies import PriceBatch
from veaat_migration.game.utilities import follower_utilities


def substitutes(v: int, r: int, eta: float) -> GameInstance:
    """Services so much alike that an AV's own problem has several hills."""
    rng = np.random.default_rng(0)
    return GameInstance.create(
        satisfaction=rng.uniform(15, 30, v), offset=rng.uniform(0.8, 1.6, v),
        quality=rng.uniform(0.8, 1.3, r), cost=rng.uniform(1, 2, r), social=0.05 / (v - 1),
        service=eta / (r - 1), price_max=20.0, bandwidth_max=10.0,
    )  # fmt: skip


def test_potential_measures_what_one_av_gains() -> None:
    rng = np.random.default_rng(2)
    game = random_game(rng, n_avs=4, n_rsus=3, strength=5.0)
    prices = rng.uniform(3.0, 9.0, 3)
    batch = PriceBatch(game, prices[None])
    before = rng.uniform(0.5, 9.0, (4, 3))
    for i in range(4):
        after = before.copy()
        after[i] = rng.uniform(0.5, 9.0, 3)
        gain = follower_utilities(game, prices, after) - follower_utilities(game, prices, before)
        rise = potential(batch, after[None]) - potential(batch, before[None])
        assert rise[0] == pytest.approx(gain[i], rel=1e-10)


@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_steps_lead_uphill_and_end_at_an_equilibrium(seed: int, delay: bool) -> None:
    rng = np.random.default_rng(seed)
    game = random_game(rng, n_avs=4, n_rsus=3, strength=3.0, delay=delay)
    batch = PriceBatch(game, rng.uniform(3.0, 9.0, (3, 3)))
    b = rng.uniform(1.0, 9.0, (3, 4, 3))
    for _ in range(80):
        reply = batch.reply(b)
        new = uphill(batch, b, reply, np.zeros((4, 1)))
        if not delay:
            now = potential(batch, b)
            assert np.all(potential(batch, new) >= now - 1e-12 * np.abs(now))
        b = new
    assert np.abs(batch.reply(b).demand - b).max() < 1e-10


@pytest.mark.parametrize(
    ("game", "prices"),
    [
        # A little above the price at which the equilibrium that responses approach vanishes.
        (substitutes(2, 2, -0.6), [1.7040759324956125, 1.92754226804979]),
        (substitutes(5, 3, -0.5), [1.4765550887704906, 2.2106835916380567, 1.3719366449721209]),
    ],
)
def test_ghosts_of_equilibria_are_passed(game: GameInstance, prices: list[float]) -> None:
    found = follower_equilibria(game, prices)
    assert found.converged[0]
    assert np.abs(found.reply().demand - found.demand).max() < 1e-11
    assert follower_gains(game, prices, found.demand[0]).max() < 1e-10


def test_steps_are_long_where_responses_creep() -> None:
    """Responses take hundreds of rounds from here to the equilibrium at the bound."""
    batch = PriceBatch(substitutes(2, 2, -0.6), np.array([[1.7040759324956125, 1.92754226804979]]))
    b = np.array([[[8.9176, 1.0487], [7.8856, 0.8083]]])
    for _ in range(15):
        b = uphill(batch, b, batch.reply(b), np.zeros((2, 1)))
    assert np.abs(batch.reply(b).demand - b).max() < 1e-10
    assert b[0, 0, 0] == 10.0


def test_many_price_vectors_of_rugged_games_are_answered_globally() -> None:
    game = substitutes(5, 3, -0.7)
    prices = np.random.default_rng(1).uniform(1.2, 8.0, (60, 3))
    found = follower_equilibria(game, prices)
    assert found.converged.mean() > 0.95
    for n in np.nonzero(found.converged)[0]:
        assert follower_gains(game, prices[n], found.demand[n]).max() < 1e-9
