"""Many games at once have the answers that they have one by one."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from collection import GAMES
from games import base_case, random_game, with_changes

from veaat_migration.game import batch
from veaat_migration.game.batch import BatchSolution, solve_batch
from veaat_migration.game.equilibrium import solve
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.leader import payoffs
from veaat_migration.game.solution import Status
from veaat_migration.game.stack import stack_games

ARRAYS = ("prices", "demand", "delivered_share", "leader_utilities", "follower_utilities")


def varied(number: int, v: int = 4, r: int = 3, **changes: object) -> list[GameInstance]:
    return [
        with_changes(random_game(np.random.default_rng(k), n_avs=v, n_rsus=r), **changes)
        for k in range(number)
    ]


def short(number: int) -> list[GameInstance]:
    """The first RSU lacks capacity, the second may, the third does not."""
    return [with_changes(game, capacity=[1.0, 3.0, 50.0]) for game in varied(number)]


def kinked(number: int) -> list[GameInstance]:
    """Each with its own b_max, at which some leaders come to rest."""
    rng = np.random.default_rng(9)
    games = varied(number, offset=0.8)
    return [with_changes(game, bandwidth_max=float(rng.uniform(2.0, 6.0))) for game in games]


def equal_costs(number: int) -> list[GameInstance]:
    return [with_changes(game, cost=game.cost[0]) for game in varied(number)]


def assert_same(one: BatchSolution, other: BatchSolution, rel: float = 1e-9) -> None:
    for name in ARRAYS:
        expected = getattr(other, name)
        assert getattr(one, name) == pytest.approx(expected, rel=rel, abs=1e-9), name
    assert (one.converged == other.converged).all()
    assert (one.followers_unique == other.followers_unique).all()


@pytest.mark.parametrize(
    "games",
    [varied(12), equal_costs(6), short(8), varied(3, v=1, r=1), varied(3, v=9, r=5)],
    ids=["varied", "equal-costs", "short", "one-by-one", "conjugate-gradients"],
)
def test_each_game_has_the_answer_that_it_has_alone(games: list[GameInstance]) -> None:
    found = solve_batch(games)
    assert found.converged.all()
    for k, game in enumerate(games):
        alone = solve(game, certify=False)
        for name in ARRAYS:
            expected = getattr(alone, name)
            assert getattr(found, name)[k] == pytest.approx(expected, rel=1e-6, abs=1e-8), name
        assert found.followers_unique[k] == alone.followers_unique


def test_rationed_games_are_among_them() -> None:
    found = solve_batch([with_changes(game, capacity=1e-3) for game in varied(3)])
    assert (found.delivered_share < 1.0).any()
    for k, game in enumerate(varied(3)):
        alone = solve(with_changes(game, capacity=1e-3), certify=False)
        assert found.delivered_share[k] == pytest.approx(alone.delivered_share, rel=1e-6)
        assert found.leader_utilities[k] == pytest.approx(alone.leader_utilities, rel=1e-6)


def test_games_with_kinks_are_solved_side_by_side() -> None:
    """Where several equilibria share a kink another of them may be found than alone."""
    games = kinked(12)
    found = solve_batch(games)
    assert found.converged.sum() >= 10
    full = np.array([game.bandwidth_max for game in games])[:, None, None]
    assert (found.demand == full).any()
    assert not (found.demand == full).all()
    agree = 0
    for k in np.nonzero(found.converged)[0]:
        prices = found.prices[k]
        careful = follower_equilibria(games[k], prices).demand[0]
        assert found.demand[k] == pytest.approx(careful, abs=1e-8)
        alone = solve(games[k], certify=False)
        agree += bool(np.abs(prices / alone.prices - 1.0).max() <= 1e-6)
    assert agree >= 0.8 * found.converged.sum()


def test_a_solved_batch_is_a_solved_batch_in_parts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {name: solve_batch(games) for name, games in (("v", varied(7)), ("s", short(7)))}
    monkeypatch.setattr(batch, "_CHUNK", 3 * (4 * 3) ** 2)
    assert_same(solve_batch(varied(7)), whole["v"])
    assert_same(solve_batch(short(7)), whole["s"])
    monkeypatch.setattr(batch, "_CHUNK", 1)
    assert_same(solve_batch(varied(7)), whole["v"])


def test_one_game_left_of_many_is_finished() -> None:
    """Games that end early leave the stack; the last one must not be taken for a shared game."""
    hard = with_changes(base_case(), social=0.1, service=-0.02, capacity=[3.0, 50.0])
    easy = with_changes(base_case(0.0), capacity=[90.0, 90.0])
    for games in ([easy, hard, easy], [hard, easy], [hard]):
        found = solve_batch(games)
        assert found.converged.all()
        for k, game in enumerate(games):
            expected = solve(game, certify=False).prices
            assert found.prices[k] == pytest.approx(expected, rel=1e-6)


def test_a_game_without_rest_is_told_among_others() -> None:
    found = solve_batch([base_case(), GAMES["cliff"], base_case()])
    assert found.converged.tolist() == [True, False, True]
    assert found.prices[0] == pytest.approx(found.prices[2], rel=1e-12)


def test_converged_prices_have_no_slope() -> None:
    games = varied(10)
    found = solve_batch(games)
    for k, game in enumerate(games):
        result = payoffs(game, found.prices[k : k + 1])
        relative = result.slope * found.prices[k] / result.profit
        assert relative == pytest.approx(np.zeros((1, 3)), abs=1e-8)


def test_a_stack_is_solved_as_its_games() -> None:
    games = varied(5)
    assert_same(solve_batch(stack_games(games)), solve_batch(games))


@pytest.mark.parametrize("kind", ["delay", "multiplicative"])
def test_games_that_cannot_be_stacked_go_one_by_one(kind: str) -> None:
    rng = np.random.default_rng(1)
    games = [
        random_game(rng, n_avs=2, n_rsus=2, delay=kind == "delay", strength=0.5,
                    externality="additive" if kind == "delay" else kind)
        for _ in range(2)
    ]  # fmt: skip
    found = solve_batch([*games, base_case_of_two()])
    assert found.prices.shape == (3, 2)
    for k, game in enumerate([*games, base_case_of_two()]):
        alone = solve(game, certify=False)
        assert found.converged[k] == (alone.status is not Status.NOT_CONVERGED)
        for name in ARRAYS:
            assert getattr(found, name)[k] == pytest.approx(getattr(alone, name), rel=1e-9), name


def base_case_of_two() -> GameInstance:
    game = base_case()
    return with_changes(
        game,
        satisfaction=game.satisfaction[:2],
        offset=game.offset[:2],
        cost=game.cost[:2],
        social=game.social[:2, :2],
    )


def test_games_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="same V, R"):
        solve_batch([base_case(), base_case_of_two()])
    with pytest.raises(ValueError, match="capacity"):
        solve_batch([base_case(), with_changes(base_case(), capacity=4.0)])
    delayed = random_game(np.random.default_rng(0), n_avs=2, n_rsus=2, delay=True)
    with pytest.raises(ValueError, match="same numbers"):
        solve_batch([delayed, base_case()])
    with pytest.raises(ValueError, match="no games"):
        solve_batch([])
    with pytest.raises(ValueError, match="no games"):
        stack_games([])
    with pytest.raises(ValueError, match="without delay"):
        stack_games([delayed])


@pytest.mark.parametrize(
    "games",
    [varied(6), equal_costs(4), short(6), kinked(6), varied(2, v=9, r=5)],
    ids=["varied", "equal-costs", "short", "kinked", "conjugate-gradients"],
)
def test_torch_gives_the_same_answers(games: list[GameInstance]) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    assert_same(solve_batch(games, device="cpu"), solve_batch(games), rel=1e-7)


def test_torch_takes_a_single_game_with_sparse_couplings() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    rng = np.random.default_rng(0)
    few = np.triu(rng.random((210, 210)) < 0.01, 1)
    game = with_changes(
        random_game(rng, n_avs=210, n_rsus=2), social=0.01 * (few + few.T), cost=[2.0, 2.5]
    )
    assert hasattr(stack_games([game]).social, "tocsr")
    assert_same(solve_batch([game], device="cpu"), solve_batch([game]), rel=1e-7)


def test_a_device_without_torch_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match="pip install torch"):
        solve_batch([base_case()], device="cpu")
