"""Many own problems at once against one at a time."""

from __future__ import annotations

import numpy as np
import pytest
from games import random_game, symmetric, with_changes

from veaat_migration.game.exploitability import follower_gains
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.own_batch import OwnProblems
from veaat_migration.game.own_optimum import maximise
from veaat_migration.game.own_search import maximise_all, surely_optimal
from veaat_migration.game.replies import PriceBatch
from veaat_migration.game.sequential import gain, own_problem

KINDS = ["additive", "multiplicative"]


def rugged_game(seed: int, externality: str) -> GameInstance:
    """Couplings between services strong enough for several local optima, of mixed sign."""
    rng = np.random.default_rng(seed)
    v, r = 6, int(rng.integers(2, 5))
    eta = symmetric(rng.uniform(-1.0, 0.6, (r, r))) * (1.0 if externality == "additive" else 0.07)
    return GameInstance.create(
        satisfaction=rng.uniform(12.0, 35.0, v), offset=rng.uniform(-0.5, 1.8, v),
        quality=rng.uniform(0.6, 1.4, r), cost=np.ones(r), social=0.002, service=eta,
        price_max=30.0, bandwidth_max=10.0, externality=externality,
    )  # fmt: skip


def problems(
    game: GameInstance, rng: np.random.Generator, n: int = 4
) -> tuple[PriceBatch, np.ndarray, tuple[np.ndarray, ...], OwnProblems]:
    batch = PriceBatch(game, rng.uniform(2.0, 12.0, (n, game.n_rsus)))
    demand = rng.uniform(0.6, 9.0, (n, game.n_avs, game.n_rsus))
    rows = np.nonzero(np.ones((n, game.n_avs)))
    return batch, demand, rows, OwnProblems.of(batch, game.social @ demand, rows)


@pytest.mark.parametrize("externality", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_global_optima_are_those_of_the_plain_search(seed: int, externality: str) -> None:
    rng = np.random.default_rng(seed)
    batch, demand, rows, own = problems(rugged_game(seed, externality), rng)
    best, value, exact = maximise_all(own, None, np.full_like(own.price, 3.0))
    assert exact.all()
    assert value == pytest.approx(own.value(best))
    for m, (n, i) in enumerate(zip(*rows, strict=True)):
        problem, _ = own_problem(batch.take(np.array([n])), demand[n], i)
        assert value[m] == pytest.approx(problem.value(maximise(problem)), rel=1e-12)
        assert own.value(demand[n, i][None].repeat(len(own), 0))[m] == pytest.approx(
            problem.value(demand[n, i].tolist()), rel=1e-12
        )


@pytest.mark.parametrize("externality", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_global_optima_with_a_multiplier(seed: int, externality: str) -> None:
    rng = np.random.default_rng(seed)
    game = random_game(rng, n_avs=4, n_rsus=3, strength=30.0, delay=True, externality=externality)
    batch, demand, rows, own = problems(game, rng)
    multiplier = rng.uniform(0.0, 2.0, len(own))
    _, value, exact = maximise_all(own, multiplier, np.full_like(own.price, 3.0))
    assert exact.mean() > 0.5
    for m, (n, i) in enumerate(zip(*rows, strict=True)):
        problem, _ = own_problem(batch.take(np.array([n])), demand[n], i)
        best = problem.value(maximise(problem, multiplier[m]), multiplier[m])
        assert not exact[m] or value[m] == pytest.approx(best, rel=1e-11)


@pytest.mark.parametrize("seed", range(4))
def test_a_search_may_end_when_it_knows_enough(seed: int) -> None:
    _, _, _, own = problems(rugged_game(seed, "additive"), np.random.default_rng(seed))
    starts = np.full_like(own.price, 3.0)
    value = maximise_all(own, None, starts)[1]
    for margin in (-1e-6, 1e-6):
        reached = maximise_all(own, None, starts, enough=value + margin)[1]
        assert np.all((reached > value + margin) == (margin < 0.0))


@pytest.mark.parametrize("externality", KINDS)
@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("strength", [1.0, 12.0])
def test_gains_are_those_of_one_av_after_the_other(
    strength: float, delay: bool, externality: str
) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        game = random_game(rng, strength=strength, delay=delay, externality=externality)
        prices = rng.uniform(3.0, 12.0, game.n_rsus)
        batch = PriceBatch(game, prices[None])
        for demand in (
            rng.uniform(0.5, 9.5, (game.n_avs, game.n_rsus)),
            follower_equilibria(game, prices).demand[0],
        ):
            expected = [max(gain(batch, demand, i), 0.0) for i in range(game.n_avs)]
            assert follower_gains(game, prices, demand) == pytest.approx(
                np.array(expected), rel=1e-11, abs=1e-12
            )


def test_gains_of_avs_that_cannot_meet_their_limit_are_zero() -> None:
    game = random_game(np.random.default_rng(3), n_avs=3, n_rsus=2, delay=True)
    assert game.delay is not None
    limit = game.delay.max_delay * np.array([1.0, 1e-3, 1.0])
    hopeless = with_changes(
        game, delay=type(game.delay)(
            game.delay.data, game.delay.spectral_efficiency, game.delay.base_delay, limit
        )
    )  # fmt: skip
    gains = follower_gains(hopeless, [5.0, 6.0], np.full((3, 2), 9.0))
    assert gains[1] == 0.0
    assert gains[0] > 0.0


@pytest.mark.parametrize("externality", KINDS)
def test_certainty_is_never_wrong(externality: str) -> None:
    """Where it is claimed, one ascent from anywhere ends at the global optimum."""
    claimed = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        game = rugged_game(seed, externality)
        mild = with_changes(game, service=game.service * rng.uniform(0.02, 0.5))
        _, _, _, own = problems(mild, rng)
        certain = surely_optimal(own, None)
        claimed += int(certain.sum())
        value = maximise_all(own, None, np.full_like(own.price, 3.0))[1]
        b = np.full_like(own.price, 9.0)
        for _ in range(2000):
            b = 0.5 * (b + own.replies(b, np.zeros(len(own)))[0])
        rest = np.abs(own.replies(b, np.zeros(len(own)))[0] - b).max(axis=1) < 1e-10
        assert np.all(value[certain & rest] <= own.value(b)[certain & rest] + 1e-9)
    assert claimed > 20
