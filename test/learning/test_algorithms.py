"""All algorithms iterate, can be played and obey what their modules promise."""

import copy
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from veaat_migration.errors import VeaatError
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.learning.algorithms import ALGORITHMS, create
from veaat_migration.learning.algorithms.greedy import Greedy
from veaat_migration.learning.algorithms.interface import Algorithm, play
from veaat_migration.learning.algorithms.maa3c import AsynchronousLearner, Copies
from veaat_migration.learning.algorithms.unlearned import random_actions, round_rewards
from veaat_migration.learning.config import TrainingConfig, parse_config
from veaat_migration.learning.environment import Environment
from veaat_migration.learning.game import BatchedGame
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.stacked import StackedMLP
from veaat_migration.learning.trainer import Trainer, TrainerStatus

LEARNED = ["tiny_ma_iei_ppo", "mappo", "maa2c", "maa3c"]
Make = Callable[..., Algorithm]


@pytest.fixture
def make(base: GameInstance, small: TrainingConfig) -> Make:
    def algorithm(name: str, *, seed: int = 3, **update: object) -> Algorithm:
        part = small.update.model_copy(update={"workers": 4, **update})
        config = small.model_copy(update={"algorithm": name, "update": part})
        return create(base, config, seed=seed)

    return algorithm


def stage(algorithm: Algorithm, games: int = 3, rounds: int = 6) -> Environment:
    return Environment(
        BatchedGame(algorithm.instance),
        algorithm.layout,
        games=games,
        rounds=rounds,
        episode=rounds,
        rates=(
            torch.from_numpy(algorithm.surroundings.arrival_rate),
            torch.from_numpy(algorithm.surroundings.service_rate),
        ),
        generator=torch.Generator().manual_seed(1),
    )


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_algorithm_iterates_and_plays(make: Make, base: GameInstance, name: str) -> None:
    run = make(name)
    for iteration in range(1, 5):
        progress = run.iterate()
        assert progress.iteration == run.iteration == iteration
        assert progress.steps == run.steps == iteration * 80
        assert np.isfinite(progress.rewards).all()
        assert len(progress.rewards) == len(progress.sparsity) == len(progress.surprise) == 5
    assert not run.finished
    games = stage(run)
    prices, demands = play(run.policy, games)
    assert prices.shape == (6, 3, 2)
    assert demands.shape == (6, 3, 3, 2)
    assert bool((prices.double() >= torch.from_numpy(base.cost.copy())[0, :] - 1e-5).all())
    assert float(prices.max()) <= base.price_max + 1e-4
    assert float(demands.min()) >= 0.0
    assert float(demands.max()) <= base.bandwidth_max + 1e-5
    p, b = prices[-1, 0].double().numpy(), demands[-1, 0].double().numpy()
    exact = np.concatenate([leader_utilities(base, p, b), follower_utilities(base, p, b)])
    np.testing.assert_allclose(games.rewards()[:, -1, 0].numpy(), exact, rtol=1e-4, atol=1e-4)
    while not run.finished:
        run.iterate()
    assert run.iteration == run.config.iterations


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_the_seed_decides_everything(make: Make, name: str) -> None:
    rewards = [
        [run.iterate().rewards for _ in range(4)]
        for run in (make(name, seed=1), make(name, seed=1), make(name, seed=2))
    ]
    assert rewards[0] == rewards[1]
    assert rewards[0] != rewards[2]


@pytest.mark.parametrize("name", ["tiny_ma_iei_ppo", "mappo", "maa2c", "maa3c", "greedy"])
def test_play_is_deterministic(make: Make, name: str) -> None:
    run = make(name)
    run.iterate()
    one, other = play(run.policy, stage(run)), play(run.policy, stage(run))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("name", LEARNED)
def test_only_followers_learn_at_first(make: Make, name: str) -> None:
    run = make(name)
    assert isinstance(run, Learner)
    before = copy.deepcopy(run.actors)
    for _ in range(run.config.stages.follower_iterations):
        run.iterate()
    pairs = list(zip(before.weights, run.actors.weights, strict=True))
    n = run.layout.n_rsus
    if name != "tiny_ma_iei_ppo":  # where the penalty for sparsity moves all weights
        assert all(torch.equal(old[:n], new[:n]) for old, new in pairs)
    assert all(not torch.equal(old[n:], new[n:]) for old, new in pairs)
    run.iterate()
    assert run.actors.widths != before.widths or not torch.equal(
        pairs[0][0][:n], run.actors.weights[0][:n]
    )


@pytest.mark.parametrize("name", LEARNED)
def test_actors_do_not_see_hidden_entries_before_or_after_learning(make: Make, name: str) -> None:
    run = make(name)
    assert isinstance(run, Learner)
    layout = run.layout
    columns = [layout.leader_columns(j) for j in range(2)]
    columns += [layout.follower_columns(i) for i in range(3)]
    for _ in range(2):
        for networks in (run.actors, run.players, run.average):
            record = torch.randn(layout.record_size, 8)
            with torch.no_grad():
                before = networks(record)
                for entry in range(layout.record_size):
                    moved = record.clone()
                    moved[entry] += 1.0
                    change = (networks(moved) - before).abs().amax((1, 2))
                    for agent, seen in enumerate(columns):
                        assert entry in seen or float(change[agent]) == 0.0
        for _ in range(6):
            run.iterate()


def test_followers_see_the_current_prices_and_leaders_do_not(make: Make) -> None:
    run = make("mappo")
    for _ in range(4):
        run.iterate()
    record = torch.randn(run.layout.record_size, 8)
    other = record.clone()
    other[-2:] += 1.0
    assert torch.equal(run.policy.prices(record), run.policy.prices(other))
    assert not torch.allclose(run.policy.demands(record), run.policy.demands(other), atol=1e-5)


def test_mappo_is_the_algorithm_without_incentive_and_pruning(
    make: Make, base: GameInstance, small: TrainingConfig
) -> None:
    run = make("mappo")
    plain = small.model_copy(
        update={
            "incentive": small.incentive.model_copy(update={"weight": 0.0}),
            "pruning": small.pruning.model_copy(update={"method": "none"}),
        }
    )
    other = Learner(base, plain, seed=3)
    for _ in range(5):
        assert run.iterate().rewards == other.iterate().rewards
    assert isinstance(run, Learner)
    assert run.bonus is None
    assert run.actors.widths[1:-1] == [20, 20]


@pytest.mark.parametrize("name", ["maa2c", "maa3c"])
def test_actor_critics_take_one_step_per_rollout_whatever_the_file_says(
    make: Make, name: str
) -> None:
    run = make(name, epochs=7, minibatches=5, clip=0.1)
    part = run.config.update
    assert (part.epochs, part.minibatches, part.clip) == (1, 1, None)
    run.iterate()
    assert isinstance(run, Learner)
    steps = {int(state["step"]) for state in run.actor_optimizer.state.values()}
    assert steps == {run.config.update.workers if name == "maa3c" else 1}


def asynchronous(make: Make, **update: object) -> AsynchronousLearner:
    run = make("maa3c", **update)
    assert isinstance(run, AsynchronousLearner)
    return run


def worker_actors(run: AsynchronousLearner, worker: int) -> list[torch.Tensor]:
    return [
        weight.detach().unflatten(0, (-1, run.workers))[:, worker].clone()
        for weight in run.players.weights
    ]


def test_one_worker_is_never_stale_and_learns_as_maa2c(make: Make) -> None:
    alone, reference = asynchronous(make, workers=1), make("maa2c")
    for _ in range(5):
        alone.iterate()
        reference.iterate()
        # The order of turns is drawn, of one as well.
        reference.generator.set_state(alone.generator.get_state())  # type: ignore[attr-defined]
    assert isinstance(reference, Learner)
    for own, other in zip(alone.actors.parameters(), reference.actors.parameters(), strict=True):
        torch.testing.assert_close(own, other, atol=1e-5, rtol=1e-4)


def test_workers_fetch_what_the_shared_parameters_were_at_their_turn(make: Make) -> None:
    run = asynchronous(make)
    seen: list[list[torch.Tensor]] = []
    optimizer = run.actor_optimizer
    optimizer.register_step_post_hook(
        lambda *_: seen.append([weight.detach().clone() for weight in run.actors.weights])
    )
    for _ in range(4):
        seen.clear()
        run.iterate()
        order = run._turns[0].order
        assert sorted(order) == [0, 1, 2, 3]
        assert len(seen) == 4
        for turn, worker in enumerate(order):
            for own, common in zip(worker_actors(run, worker), seen[turn], strict=True):
                assert torch.equal(own, common)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(worker_actors(run, 0), worker_actors(run, 1), strict=True)
    )


def test_each_worker_plays_and_differentiates_with_its_own_copy(make: Make) -> None:
    """Against a plain network per worker on that worker's games."""
    run = asynchronous(make)
    for _ in range(5):
        run.iterate()
    copies, w = run.players, run.workers
    x = torch.randn(run.layout.record_size, 6 * w)
    aim = torch.randn(5, 2, 6 * w)
    copies.zero_grad()
    output = copies(x)
    (output * aim).sum().backward()
    for worker in range(w):
        plain = copy.deepcopy(run.actors)
        plain.zero_grad()
        with torch.no_grad():
            for weight, own in zip(plain.weights, worker_actors(run, worker), strict=True):
                weight.copy_(own)
            for bias, stacked in zip(plain.biases, copies.biases, strict=True):
                bias.copy_(stacked.unflatten(0, (5, w))[:, worker])
        games = slice(worker, None, w)
        own_output = plain(x[:, games])
        torch.testing.assert_close(output[..., games], own_output, atol=1e-5, rtol=1e-5)
        (own_output * aim[..., games]).sum().backward()
        assert copies.values.grad is not None
        assert plain.values.grad is not None
        gradient = copies.values.grad.unflatten(0, (5, w))[:, worker]
        expected = plain.values.grad[:, : gradient.shape[1]]
        torch.testing.assert_close(gradient, expected, atol=1e-4, rtol=1e-4)


def test_copies_value_many_samples_as_few() -> None:
    copies = Copies(StackedMLP(2, (5, 7, 6, 1)), 3)
    with torch.no_grad():
        copies.values.normal_()
    x = torch.randn(5, 3 * 400)
    found = copies.outputs(x)
    for first in range(0, 1200, 300):
        part = copies(x[:, first : first + 300]).detach()
        torch.testing.assert_close(found[..., first : first + 300], part)


def test_copies_survive_a_checkpoint(make: Make) -> None:
    run = asynchronous(make)
    for _ in range(3):
        run.iterate()
    kept = {name: value.clone() for name, value in run.extra_state().items()}
    fresh = asynchronous(make)
    assert any(not torch.equal(kept[name], v) for name, v in fresh.extra_state().items())
    fresh.load_extra(kept)
    for name, value in fresh.extra_state().items():
        assert torch.equal(value, kept[name])


def test_games_that_workers_cannot_share_are_refused() -> None:
    content = {
        "game": "g.yaml",
        "algorithm": "maa3c",
        "environment": {"games": 10},
        "update": {"workers": 4},
    }
    with pytest.raises(VeaatError, match=r"environment\.games.*update\.workers \(4\), got 10"):
        parse_config(content, "f.yaml")
    parse_config({**content, "algorithm": "maa2c"}, "f.yaml")


def test_an_unknown_algorithm_is_refused_with_the_known_ones() -> None:
    with pytest.raises(VeaatError, match="maa3c"):
        parse_config({"game": "g.yaml", "algorithm": "sarsa"}, "f.yaml")


def greedy(make: Make) -> Greedy:
    run = make("greedy")
    assert isinstance(run, Greedy)
    return run


def test_greedy_plays_the_action_that_earned_most(make: Make) -> None:
    run = greedy(make)
    run.iterate()
    played = (run.environment.played[1:] + 1.0) / 2.0  # [T, actions, G]
    rewards = run.environment.rewards()[:, 1:]  # [agents, T, G]
    best = run.best()
    for game, agent in itertools.product(range(8), range(5)):
        actions = [agent] if agent < 2 else [2 * agent - 2, 2 * agent - 1]
        expected = played[int(rewards[agent, :, game].argmax()), actions, game]
        torch.testing.assert_close(best[actions, game], expected, atol=1e-6, rtol=0.0)
    # In a copy with more games, memories are used over and over.
    prices, _ = play(run.policy, stage(run, games=10))
    torch.testing.assert_close(prices[:, 8], prices[:, 0])
    assert not torch.allclose(prices[:, 1], prices[:, 0])


def test_greedy_forgets_after_a_hundred_rounds(make: Make) -> None:
    run = greedy(make)
    run.iterate()
    run._worth[0] = 1e9  # what no other round can match
    kept = run._shares[0].clone()
    for _ in range(9):
        run.iterate()
    assert torch.equal(run.best(), kept)
    run.iterate()
    assert float(run._worth.max()) < 1e9


def test_greedy_explores_in_one_round_of_ten(make: Make) -> None:
    run = greedy(make)
    run.iterate()
    repeated, total = 0.0, 0
    for _ in range(60):
        best = run.best()
        shares = run._choose()
        repeated += float((shares[:2] == best[:2]).float().sum())
        total += shares[:2].numel()
    assert repeated / total == pytest.approx(0.9, abs=0.04)


def test_greedy_state_restores_it(make: Make) -> None:
    run, fresh = greedy(make), greedy(make)
    for _ in range(3):
        run.iterate()
    fresh.load({name: value.clone() for name, value in run.state().items()})
    fresh.environment.episode_round = run.environment.episode_round
    assert fresh.iterate().rewards == run.iterate().rewards


def test_random_actions_are_even_in_money(make: Make, base: GameInstance) -> None:
    environment = stage(make("random"))
    shares = random_actions(environment, 20_000, torch.Generator().manual_seed(1))
    assert float(shares.min()) >= 0.0
    assert float(shares.max()) <= 1.0
    prices = environment.price_scale.value(shares[:2].T.double()).numpy()
    middle = (base.cost[0] + base.price_max) / 2.0
    np.testing.assert_allclose(prices.mean(0), middle, rtol=0.02)
    np.testing.assert_allclose(
        np.quantile(prices, 0.25, 0), (base.cost[0] + middle) / 2.0, rtol=0.03
    )
    np.testing.assert_allclose(shares[2:].mean(1).numpy(), 0.5, rtol=0.02)


def test_round_rewards_are_those_of_the_environment(make: Make) -> None:
    environment = stage(make("random"), games=4, rounds=1)
    shares = random_actions(environment, 4, torch.Generator().manual_seed(1))
    environment.begin()
    environment.leaders_see(0)
    environment.post_prices(0, shares[:2])
    environment.post_demands(0, shares[2:])
    expected = environment.rewards()[:, 1]
    torch.testing.assert_close(round_rewards(environment, shares), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_a_run_that_is_taken_up_goes_on_as_if_nothing_had_been(
    make: Make, base: GameInstance, name: str, tmp_path: Path
) -> None:
    config = make(name, epochs=2, clip=0.3).config
    whole, part = Trainer(config, base, None, seed=3), Trainer(config, base, tmp_path, seed=3)

    def listener(status: TrainerStatus) -> None:
        if status.iteration == 7:
            part.stop()

    part.run(listener)
    again = Trainer(config, base, tmp_path, seed=3)
    assert again.learner.iteration == 7
    rewards = []
    for run in (whole, again):
        while not run.learner.finished:
            progress = run.step().progress
        assert progress is not None
        rewards.append(progress.rewards)
    assert rewards[0] == rewards[1]
    one, other = (play(run.learner.policy, stage(run.learner)) for run in (whole, again))
    assert torch.equal(one[0], other[0])


@pytest.mark.parametrize("name", ["mappo", "maa2c", "maa3c"])
def test_a_training_file_need_not_say_what_the_algorithm_fixes(
    base: GameInstance, small: TrainingConfig, name: str, tmp_path: Path
) -> None:
    config = small.model_copy(update={"algorithm": name})
    first = Trainer(config, base, tmp_path, seed=3)
    first.run(lambda status: first.stop() if status.iteration == 2 else None)
    assert Trainer(config, base, tmp_path, seed=3).learner.iteration == 2
