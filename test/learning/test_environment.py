"""Records and rewards against a slow reconstruction in plain Python."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from veaat_migration.game.instance import GameInstance
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.learning.config import EnvironmentPart
from veaat_migration.learning.environment import Environment
from veaat_migration.learning.surroundings import Surroundings


def instance(offset=(1.2, 0.9, 0.7)):
    return GameInstance.create(
        satisfaction=[20.0, 25.0, 30.0], offset=list(offset), quality=[1.0, 1.2], cost=[2.0, 2.5],
        social=0.02, service=0.02, price_max=30.0, bandwidth_max=10.0,
    )  # fmt: skip


AROUND = Surroundings(np.array([3.0, 5.0]), np.array([8.0, 11.0]))


def environment(seed=1, games=3, rounds=4, episode=8, game=None, **part):
    return Environment.create(
        game or instance(),
        EnvironmentPart(games=games, rounds=rounds, episode=episode, **part),
        surroundings=AROUND,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(seed),
    )


def random_shares(rng, env):
    n_avs, n_rsus = env.layout.n_avs, env.layout.n_rsus
    return rng.random((n_rsus, env.games)), rng.random((n_avs * n_rsus, env.games))


def play(env, rng):
    """One rollout at random shares, as players would post them."""
    posted = []
    env.begin()
    for t in range(env.rounds):
        prices, demands = random_shares(rng, env)
        env.leaders_see(t)
        env.post_prices(t, torch.from_numpy(prices))
        env.post_demands(t, torch.from_numpy(demands))
        posted.append((prices, demands))
    return posted


class Slow:
    """What the records of one game must hold, written out entry by entry by their names."""

    def __init__(self, env, past):
        self.layout, self.past = env.layout, past  # past: [(prices, demands)] of shares in [0, 1]

    def record(self, prices):
        content = {}
        n_avs, n_rsus = self.layout.n_avs, self.layout.n_rsus
        for age in range(1, self.layout.history + 1):
            old_prices, old_demands = self.past[-age]
            for j in range(n_rsus):
                content[f"price[t-{age}][rsu {j + 1}]"] = 2.0 * old_prices[j] - 1.0
                for i in range(n_avs):
                    content[f"demand[t-{age}][av {i + 1}][rsu {j + 1}]"] = (
                        2.0 * old_demands[i * n_rsus + j] - 1.0
                    )
        for j in range(n_rsus):
            content[f"arrival_rate[t][rsu {j + 1}]"] = AROUND.arrival_rate[j] / 10.0
            content[f"service_rate[t][rsu {j + 1}]"] = AROUND.service_rate[j] / 10.0
            content[f"price[t][rsu {j + 1}]"] = 0.0 if prices is None else 2.0 * prices[j] - 1.0
        return [content[name] for name in self.layout.names()]


def remembered(env, game):
    """The history of a game as it was drawn, read before the first rollout of an episode."""
    size, n_rsus = env.layout.round_size, env.layout.n_rsus
    record = env.leaders_see(env.rounds)[: env.layout.history * size, game].numpy()
    rounds = (record.reshape(-1, size) + 1.0) / 2.0
    return [(r[:n_rsus], r[n_rsus:]) for r in rounds]


@pytest.mark.parametrize(
    ("history", "rounds", "episode"), [(4, 4, 8), (4, 3, 6), (2, 5, 5), (1, 1, 3)]
)
def test_records_hold_what_the_layout_says_across_rollouts_and_episodes(history, rounds, episode):
    env = environment(rounds=rounds, episode=episode, history=history)
    rng = np.random.default_rng(5)
    slow = [Slow(env, remembered(env, g)) for g in range(env.games)]
    first_histories = [s.past for s in slow]
    played = 0
    for _ in range(3 * episode // rounds):
        if played == episode:
            assert env.ended
            env.reset()
            slow = [Slow(env, remembered(env, g)) for g in range(env.games)]
            assert not np.allclose(slow[0].past[0][0], first_histories[0][0][0])
            # begin() would have drawn another history: keep this one.
            played = 0
        assert not env.ended
        env.begin()
        for t in range(rounds):
            prices, demands = random_shares(rng, env)
            seen = env.leaders_see(t).numpy().copy()
            after = env.post_prices(t, torch.from_numpy(prices)).numpy().copy()
            for g, model in enumerate(slow):
                np.testing.assert_allclose(seen[:, g], model.record(None), atol=1e-15)
                np.testing.assert_allclose(after[:, g], model.record(prices[:, g]), atol=1e-15)
                model.past.append((prices[:, g], demands[:, g]))
            env.post_demands(t, torch.from_numpy(demands))
        last = env.leaders_see(rounds).numpy()
        for g, model in enumerate(slow):
            np.testing.assert_allclose(last[:, g], model.record(None), atol=1e-15)
        # The records of the rollout stay as they were seen.
        np.testing.assert_array_equal(env.records[:, rounds - 1].numpy(), after)
        played += rounds


def test_episodes_end_by_themselves_and_begin_with_another_history():
    env = environment(rounds=4, episode=8)
    rng = np.random.default_rng(0)
    ends = []
    histories = []
    for _ in range(6):
        play(env, rng)
        ends.append(env.ended)
        histories.append(env.records[: 4 * env.layout.round_size, 0].clone())
    assert ends == [False, True, False, True, False, True]
    for one, other in itertools.combinations(histories, 2):
        assert not torch.allclose(one, other)


def test_initial_histories_fill_the_intervals_evenly():
    env = environment(games=2000, rounds=1, episode=1)
    values = env.leaders_see(1)[: 4 * env.layout.round_size]
    assert values.min() >= -1.0
    assert values.max() <= 1.0
    assert values.mean().item() == pytest.approx(0.0, abs=0.01)
    assert values.std().item() == pytest.approx(1.0 / np.sqrt(3.0), abs=0.01)


@pytest.mark.parametrize("scale", ["geometric", "linear"])
def test_rewards_are_those_of_the_game_also_of_the_round_before(scale):
    env = environment(price_scale=scale)
    rng = np.random.default_rng(2)
    game = env.game.instance
    last = remembered(env, 0), remembered(env, 1), remembered(env, 2)
    before = [history[-1] for history in last]
    for _ in range(2):
        posted = play(env, rng)
        rewards = env.rewards().numpy()
        assert rewards.shape == (5, env.rounds + 1, env.games)
        for g in range(env.games):
            sequence = [before[g], *((p[:, g], d[:, g]) for p, d in posted)]
            for t, (prices, demands) in enumerate(sequence):
                p = env.price_scale.value(prices)
                b = 10.0 * demands.reshape(3, 2)
                assert (p >= game.price_min - 1e-12).all()
                assert (p <= 30.0 + 1e-12).all()
                expected = [*leader_utilities(game, p, b), *follower_utilities(game, p, b)]
                np.testing.assert_allclose(rewards[:, t, g], expected, rtol=1e-11, atol=1e-11)
            before[g] = sequence[-1]


def test_price_scales_reach_both_ends_and_the_geometric_one_favours_low_prices():
    for scale in ("geometric", "linear"):
        env = environment(price_scale=scale)
        ends = env.price_scale.value(np.array([[0.0, 0.0], [1.0, 1.0]]))
        np.testing.assert_allclose(ends, [[2.0, 2.5], [30.0, 30.0]])
    middle = environment(price_scale="geometric").price_scale.value(np.array([0.5, 0.5]))
    np.testing.assert_allclose(middle, np.sqrt(30.0 * np.array([2.0, 2.5])))
    np.testing.assert_allclose(
        environment(price_scale="linear").price_scale.value(np.array([0.5, 0.5])), [16.0, 16.25]
    )


def test_avs_that_need_bandwidth_can_only_ask_for_enough():
    env = environment(game=instance(offset=(1.2, -0.9, 0.7)), rounds=1, episode=4)
    env.begin()
    env.leaders_see(0)
    env.post_prices(0, torch.zeros((2, 3), dtype=torch.float64))
    env.post_demands(0, torch.zeros((6, 3), dtype=torch.float64))
    _, demands = env.outcome()
    np.testing.assert_allclose(demands[1, 0].numpy(), [[0, 0], [0.901, 0.901], [0, 0]])
    assert torch.isfinite(env.rewards()).all()


def test_without_the_current_price_followers_see_only_the_past():
    env = environment(observe_current_price=False)
    columns = env.layout.follower_columns(0)
    assert max(columns) < env.layout.history * env.layout.round_size
    assert len(columns) == env.layout.follower_size


def test_the_same_seed_gives_the_same_histories_and_another_seed_others():
    first, second, other = environment(3), environment(3), environment(4)
    for env in (first, second, other):
        play(env, np.random.default_rng(0))
        play(env, np.random.default_rng(1))
        play(env, np.random.default_rng(2))
    assert torch.equal(first.records, second.records)
    assert not torch.equal(first.records, other.records)


def test_an_interrupted_environment_goes_on_exactly_where_it_stopped():
    game = instance()
    part = {"dynamics": {"arrivals": {"spread": 0.4, "memory": 0.8}}}
    env, rng = environment(game=game, **part), np.random.default_rng(0)
    play(env, rng)
    state, draws = env.state(), env._generator.get_state()
    resumed = environment(seed=99, game=game, **part)
    resumed.load_state(state)
    resumed._generator.set_state(draws)
    for number in range(4):
        for one in (env, resumed):
            play(one, np.random.default_rng(number))
        assert torch.equal(env.records, resumed.records)
        assert torch.equal(env.rewards(), resumed.rewards())
        assert env.ended == resumed.ended


def test_single_precision_rewards_are_right_to_a_millionth_of_the_payments():
    game = instance()
    part = EnvironmentPart(games=50, rounds=4, episode=4)
    env = Environment.create(game, part, generator=torch.Generator().manual_seed(1))
    rng = np.random.default_rng(1)
    env.begin()
    for t in range(4):
        prices, demands = random_shares(rng, env)
        env.leaders_see(t)
        env.post_prices(t, torch.from_numpy(prices).float())
        env.post_demands(t, torch.from_numpy(demands).float())
    prices, demands = (x.double().numpy() for x in env.outcome())
    expected = np.concatenate(
        [leader_utilities(game, prices, demands), follower_utilities(game, prices, demands)], -1
    )
    np.testing.assert_allclose(env.rewards().permute(1, 2, 0).numpy(), expected, atol=3e-4)


def test_episodes_that_end_within_a_rollout_are_refused():
    env = environment()
    with pytest.raises(ValueError, match="multiple of 4"):
        Environment(
            env.game, env.layout, games=1, rounds=4, episode=6,
            rates=(torch.zeros(2), torch.ones(2)), generator=torch.Generator(),
        )  # fmt: skip


def test_a_game_with_capacity_rewards_finitely_whatever_is_played():
    game = dataclasses.replace(instance(offset=(-2.0, 0.9, 0.7)), capacity=np.array([1.0, 1.0]))
    env = environment(game=game, games=200)
    play(env, np.random.default_rng(0))
    assert torch.isfinite(env.rewards()).all()
