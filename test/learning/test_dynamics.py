"""What changes from round to round: its laws, what it does to rewards, and its seeds."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from veaat_migration.game.delay import expected_delay, migration_delay, queueing_delay
from veaat_migration.game.instance import DelayConstraint, GameInstance
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.utilities import follower_utilities
from veaat_migration.learning.checkpoint import load_learner, save
from veaat_migration.learning.config import EnvironmentPart, parse_config
from veaat_migration.learning.dynamics import MOST_LOAD, DynamicsError, Walk
from veaat_migration.learning.environment import Environment
from veaat_migration.learning.game import MOST_LATE
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.surroundings import Surroundings, load_surroundings
from veaat_migration.scenario.errors import ScenarioError

CONFIG = Path(__file__).parents[2] / "config"

ARRIVALS, SERVICE = np.array([4.0, 5.0]), np.array([10.0, 8.0])
PENALTY = 3.0


def instance(delay=True):
    limit = None
    if delay:
        limit = DelayConstraint.create(
            3, 2, data=[200.0, 300.0, 400.0], spectral_efficiency=[[12.0, 11.0]] * 3,
            base_delay=0.4 + queueing_delay(ARRIVALS, SERVICE) * np.ones((3, 2)), max_delay=6.0,
        )  # fmt: skip
    return GameInstance.create(
        satisfaction=[20.0, 25.0, 30.0], offset=[1.2, 0.9, 0.7], quality=[1.0, 1.2],
        cost=[2.0, 2.5], social=0.02, service=0.02, price_max=30.0, bandwidth_max=10.0,
        delay=limit,
    )  # fmt: skip


def environment(dynamics, seed=1, games=3, rounds=4, episode=8, delay=True, penalty=PENALTY):
    game = instance(delay)
    around = dataclasses.replace(
        Surroundings.of_instance(game), arrival_rate=ARRIVALS, service_rate=SERVICE
    )
    if delay:
        around = dataclasses.replace(around, reinstantiation=np.full((3, 2), 0.4))
    return Environment.create(
        game,
        EnvironmentPart(
            games=games, rounds=rounds, episode=episode, delay_penalty=penalty, dynamics=dynamics
        ),
        surroundings=around,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(seed),
    )


def play(env, seed=0):
    rng = np.random.default_rng(seed)
    env.begin()
    for t in range(env.rounds):
        env.leaders_see(t)
        env.post_prices(t, torch.from_numpy(rng.random((2, env.games))))
        env.post_demands(t, torch.from_numpy(rng.uniform(0.2, 1.0, (6, env.games))))
    return env.rewards()


EVERYTHING = {
    "fading": {"memory": 0.5},
    "arrivals": {"spread": 0.5, "memory": 0.9},
    "satisfaction": {"spread": 0.2, "memory": 1.0},
    "data": {"spread": 0.5, "memory": 0.7},
}


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.95])
def test_walks_are_standard_normal_and_remember_across_rollouts(memory):
    generator = torch.Generator().manual_seed(1)
    walk = Walk((4000,), 5, memory, torch.zeros(0, dtype=torch.float64))
    walk.reset(generator)
    rounds = []
    for _ in range(4):
        before = walk.values[-2:].clone()
        walk.advance(generator)
        assert torch.equal(walk.values[:2], before)
        rounds.append(walk.values[1:-1].clone())
    x = torch.cat(rounds)
    assert x.mean(1).abs().max() < 0.06
    assert (x.std(1) - 1.0).abs().max() < 0.06
    for first, second in itertools.pairwise(x):
        correlation = (first * second).mean()
        assert correlation.item() == pytest.approx(memory, abs=0.06)


def test_walks_with_full_memory_change_with_the_episode_only():
    generator = torch.Generator().manual_seed(1)
    walk = Walk((10,), 3, 1.0, torch.zeros(0))
    seen = []
    for _ in range(2):
        walk.reset(generator)
        for _ in range(2):
            walk.advance(generator)
            assert (walk.values == walk.values[0]).all()
            seen.append(walk.values[0].clone())
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])


def slow_rewards(env, t):
    """Rewards of column t of a rollout, game by game, from the game's own formulas."""
    game, now = env.game.instance, env.circumstances
    prices, demands = (x.numpy() for x in env.outcome())
    result = []
    for g in range(env.games):

        def at(value, given, t=t, g=g):
            return given if value is None else value[t, g].numpy()

        changed = dataclasses.replace(game, satisfaction=at(now.satisfaction, game.satisfaction))
        delay = migration_delay(
            at(now.data, game.delay.data),
            demands[t, g],
            at(now.spectral_efficiency, game.delay.spectral_efficiency),
            at(now.base_delay, game.delay.base_delay),
        )
        late = expected_delay(matching_probability(prices[t, g], game.quality), delay)
        late = np.clip(late - game.delay.max_delay, 0.0, MOST_LATE * game.delay.max_delay)
        result.append(follower_utilities(changed, prices[t, g], demands[t, g]) - PENALTY * late)
    return np.array(result).T


@pytest.mark.parametrize("name", [*EVERYTHING, "everything"])
def test_rewards_follow_from_what_changed_also_those_of_the_round_before(name):
    env = environment(EVERYTHING if name == "everything" else {name: EVERYTHING[name]})
    last = None
    for number in range(2):
        rewards = play(env, number)
        for t in range(env.rounds + 1):
            np.testing.assert_allclose(rewards[2:, t].numpy(), slow_rewards(env, t), rtol=1e-11)
        if last is not None:
            np.testing.assert_allclose(rewards[:, 0].numpy(), last.numpy(), rtol=1e-12)
        last = rewards[:, -1]


def test_leaders_see_the_arrival_rates_that_make_the_queues():
    env = environment({"arrivals": {"spread": 0.8, "memory": 0.7}}, games=500)
    following = None
    for number in range(2):
        play(env, number)
        seen = 10.0 * env.rates[:2].numpy()  # [R, T + 1, G]
        if following is not None:
            np.testing.assert_allclose(seen[:, 0], following)
        following = seen[:, -1]
        assert (seen > 0.0).all()
        assert (seen < SERVICE[:, None, None]).all()
        # Rounds 0 to T - 1 of the record are columns 1 to T of the rewards.
        base = env.circumstances.base_delay[1:].numpy()  # [T, G, V, R]
        queue = queueing_delay(seen[:, :-1].transpose(1, 2, 0), SERVICE)
        np.testing.assert_allclose(base, 0.4 + queue[:, :, None] * np.ones((3, 1)), rtol=1e-12)
        record = env.records[:, 1].numpy()
        columns = env.layout.leader_columns(1)
        np.testing.assert_allclose(record[columns][-2], seen[1, 1] / 10.0)
        np.testing.assert_allclose(record[columns][-1], SERVICE[1] / 10.0)
    low, high = 0.2 * ARRIVALS, np.minimum(1.8 * ARRIVALS, MOST_LOAD * SERVICE)
    np.testing.assert_allclose(seen.mean((1, 2)), (low + high) / 2.0, rtol=0.05)
    assert (seen.min((1, 2)) < low + 0.1).all()
    assert (seen.max((1, 2)) > high - 0.1).all()


def test_a_queue_that_is_nearly_full_already_never_overflows():
    game = instance()
    around = dataclasses.replace(
        Surroundings.of_instance(game), arrival_rate=np.array([9.99, 4.0]), service_rate=SERVICE
    )
    part = EnvironmentPart(
        games=200, rounds=2, episode=2, dynamics={"arrivals": {"spread": 0.9, "memory": 0.0}}
    )
    generator = torch.Generator().manual_seed(0)
    env = Environment.create(game, part, surroundings=around, generator=generator)
    assert torch.isfinite(play_single(env)).all()
    assert (env.rates[:2] < env.rates[2:]).all()


def play_single(env):
    env.begin()
    for t in range(env.rounds):
        env.leaders_see(t)
        env.post_prices(t, torch.full((2, env.games), 0.5))
        env.post_demands(t, torch.full((6, env.games), 0.5))
    return env.rewards()


def test_fading_is_rayleigh_around_the_links_own_signal():
    env = environment({"fading": {"memory": 0.3}}, games=4000)
    play(env)
    efficiency = env.circumstances.spectral_efficiency.numpy()  # [T + 1, G, V, R]
    power = (np.exp2(efficiency) - 1.0) / (np.exp2([12.0, 11.0]) - 1.0)
    for link in power[0].reshape(4000, 6).T:
        assert link.mean() == pytest.approx(1.0, abs=0.08)
        for level in (0.1, 0.7, 2.0):
            assert (link < level).mean() == pytest.approx(1.0 - np.exp(-level), abs=0.04)
    # Gains with correlation m give powers with correlation m^2; links are independent.
    first, second = power[1, :, 0, 0], power[2, :, 0, 0]
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.09, abs=0.06)
    assert np.corrcoef(first, power[1, :, 0, 1])[0, 1] == pytest.approx(0.0, abs=0.06)


def test_tasks_are_drawn_anew_for_each_episode_within_their_interval():
    env = environment(
        {"satisfaction": {"spread": 0.2}, "data": {"spread": 0.5}}, games=500, rounds=4, episode=8
    )
    tasks = []
    for number in range(4):
        play(env, number)
        now = env.circumstances
        assert (now.satisfaction == now.satisfaction[0]).all()
        assert (now.data == now.data[0]).all()
        tasks.append(torch.cat([now.satisfaction[0], now.data[0]], 1).numpy())
    assert np.array_equal(tasks[0], tasks[1])
    assert not np.any(tasks[1] == tasks[2])
    value = np.array([20.0, 25.0, 30.0, 200.0, 300.0, 400.0])
    width = value * np.array([0.2] * 3 + [0.5] * 3)
    assert (np.abs(tasks[0] - value) <= width).all()
    np.testing.assert_allclose(tasks[0].mean(0), value, rtol=0.05)
    np.testing.assert_allclose(tasks[0].std(0), width / np.sqrt(3.0), rtol=0.1)


def test_the_same_seed_gives_the_same_dynamics_and_another_seed_others():
    first, second, other = (environment(EVERYTHING, seed) for seed in (1, 1, 2))
    for number in range(3):
        mine, same, different = (play(env, number) for env in (first, second, other))
        assert torch.equal(mine, same)
        assert torch.equal(first.records, second.records)
        assert not torch.equal(mine, different)


def test_nothing_changes_by_default_and_no_random_number_is_drawn_for_it():
    env = environment({})
    calm = environment({"satisfaction": None})
    play(env)
    assert env.circumstances.satisfaction is None
    assert torch.equal(env.rates, env.rates[:, :1, :1].expand_as(env.rates))
    play(calm)
    assert torch.equal(env._generator.get_state(), calm._generator.get_state())


@pytest.mark.parametrize(("name", "delay", "penalty"), [
    ("fading", False, PENALTY), ("data", False, PENALTY), ("fading", True, 0.0), ("data", True, 0.0)
])  # fmt: skip
def test_what_would_shape_nothing_is_refused(name, delay, penalty):
    with pytest.raises(DynamicsError, match=f"dynamics.{name}: moves only delays"):
        environment({name: EVERYTHING[name]}, delay=delay, penalty=penalty)


def test_arrivals_may_change_in_games_without_delay():
    env = environment({"arrivals": {"spread": 0.5}}, delay=False)
    assert torch.isfinite(play(env)).all()
    assert env.circumstances.base_delay is None


def test_surroundings_of_a_scenario_are_its_radio_and_queues():
    game, around = load_surroundings(CONFIG / "town.yaml")
    queue = queueing_delay(around.arrival_rate, around.service_rate)
    np.testing.assert_allclose(around.reinstantiation + queue, game.delay.base_delay, rtol=1e-12)
    assert around.snr.shape == (game.n_avs, game.n_rsus)
    # Fading of mean 1 multiplies the signal; the game's own links hold one draw of it.
    power = (np.exp2(game.delay.spectral_efficiency) - 1.0) / around.snr
    assert (power > 0.0).all()
    assert power.std() > 0.1


def test_surroundings_of_a_plain_instance_add_up_to_its_delays(tmp_path):
    game = instance()
    around = Surroundings.of_instance(game)
    queue = queueing_delay(around.arrival_rate, around.service_rate)
    np.testing.assert_allclose(around.reinstantiation + queue, game.delay.base_delay)
    np.testing.assert_allclose(np.log2(1.0 + around.snr), game.delay.spectral_efficiency)
    file = tmp_path / "plain.yaml"
    file.write_text(
        "{V: 1, R: 1, delta: [20], E: [1], q: [1], c: [2], zeta: [[0]], eta: [[0]],"
        " p_max: 30, b_max: 10}"
    )
    loaded, usual = load_surroundings(file)
    assert loaded.n_avs == 1
    assert usual.snr is None
    assert (usual.arrival_rate < usual.service_rate).all()


@pytest.mark.parametrize(("content", "fault"), [
    ({"fadin": {}}, "environment.dynamics"),
    ({"fading": {"memory": 1.5}}, "environment.dynamics.fading.memory"),
    ({"arrivals": {}}, "environment.dynamics.arrivals.spread"),
    ({"arrivals": {"spread": 1.0}}, "environment.dynamics.arrivals.spread"),
    ({"data": {"spread": 0.5, "memory": -0.1}}, "environment.dynamics.data.memory"),
])  # fmt: skip
def test_faults_in_training_files_are_named(content, fault):
    with pytest.raises(ScenarioError, match=fault):
        parse_config({"game": "x.yaml", "environment": {"dynamics": content}}, "train.yaml")


def test_a_run_with_deadlines_and_dynamics_resumes_exactly(tmp_path):
    config = parse_config(
        {
            "game": "unused.yaml",
            "iterations": 6,
            "environment": {"games": 8, "rounds": 5, "episode": 10, "dynamics": EVERYTHING},
            "network": {"hidden": [8, 8]},
            "stages": {"follower_iterations": 2},
            "incentive": {"weight": 0.0},
            "pruning": {"method": "none"},
        },
        "train.yaml",
    )
    learner = Learner(instance(), config, seed=3)
    for _ in range(3):
        learner.iterate()
    save(tmp_path / "checkpoint", learner)
    resumed = load_learner(tmp_path / "checkpoint")
    for _ in range(3):
        assert learner.iterate().rewards == resumed.iterate().rewards
    assert torch.equal(learner.environment.records, resumed.environment.records)


def test_followers_are_judged_by_the_same_rewards_with_and_without_exploration():
    env = environment(EVERYTHING)
    rewards = play(env)
    shares = (env.played[1:, 2:] + 1.0) / 2.0  # [T, V R, G]
    quiet = env.quiet_utilities(shares.permute(1, 0, 2).reshape(3, 2, env.rounds, env.games))
    np.testing.assert_allclose(quiet.numpy(), rewards[2:, 1:].numpy(), rtol=1e-11)
