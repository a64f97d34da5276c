"""The PettingZoo environment: its two stages, what it pays, and what it refuses."""

import copy
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from veaat_migration.game.delay import expected_delay, migration_delay
from veaat_migration.game.instance import DelayConstraint, GameInstance
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.learning.config import EnvironmentPart
from veaat_migration.learning.parallel_env import ActionError, MigrationParallelEnv

BASE = Path(__file__).parents[2] / "config" / "base.yaml"
LEADERS, FOLLOWERS = ["rsu_1", "rsu_2"], ["av_1", "av_2", "av_3"]
EVERYTHING = {
    "fading": {"memory": 0.5},
    "arrivals": {"spread": 0.5, "memory": 0.9},
    "satisfaction": {"spread": 0.2},
    "data": {"spread": 0.5},
}


def game(delay=False, n_avs=3, n_rsus=2):
    limit = None
    if delay:
        limit = DelayConstraint.create(
            n_avs, n_rsus, data=300.0, spectral_efficiency=12.0, base_delay=0.4, max_delay=5.0
        )
    return GameInstance.create(
        satisfaction=np.linspace(20.0, 30.0, n_avs), offset=np.linspace(1.2, 0.7, n_avs),
        quality=np.linspace(1.0, 1.2, n_rsus), cost=np.linspace(2.0, 2.5, n_rsus),
        price_max=30.0, bandwidth_max=10.0, delay=limit,
    )  # fmt: skip


def make(instance=None, episode=3, **options):
    part = {"rounds": 1, "episode": episode, **options.pop("environment", {})}
    return MigrationParallelEnv(instance or game(), environment=EnvironmentPart(**part), **options)


def sampled(env):
    return {agent: env.action_space(agent).sample() for agent in env.agents}


@pytest.mark.parametrize("stages", ["sequential", "simultaneous"])
@pytest.mark.parametrize("options", [
    {}, {"actions": "unit"}, {"observe_turn": True}, {"environment": {"dynamics": EVERYTHING}},
])  # fmt: skip
def test_passes_the_tests_of_pettingzoo_without_a_warning(stages, options):
    def build():
        return make(game(delay=True), episode=20, stages=stages, **copy.deepcopy(options))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(build(), num_cycles=100)
        parallel_seed_test(build, num_cycles=30)


@pytest.mark.parametrize(("n_avs", "n_rsus"), [(1, 1), (1, 3), (4, 1)])
def test_games_of_any_size_pass_too(n_avs, n_rsus):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(make(game(n_avs=n_avs, n_rsus=n_rsus)), num_cycles=20)


def test_the_same_seed_repeats_a_whole_episode_and_another_does_not():
    def episode(env, seed):
        observations, _ = env.reset(seed=seed)
        seen = [observations["av_1"]]
        for agent in env.agents:
            env.action_space(agent).seed(5)
        while env.agents:
            observations, rewards, _, _, _ = env.step(sampled(env))
            seen += [observations["rsu_2"], observations["av_1"], list(rewards.values())]
        return np.concatenate(seen)

    part = {"dynamics": EVERYTHING}
    first, second = (make(game(delay=True), environment=part) for _ in range(2))
    assert np.array_equal(episode(first, 1), episode(second, 1))
    assert np.array_equal(episode(first, 1), episode(second, 1))
    assert not np.array_equal(episode(first, 1), episode(second, 2))


def test_agents_and_spaces_are_those_of_the_layout():
    env = make()
    assert env.possible_agents == LEADERS + FOLLOWERS
    observations, _ = env.reset(seed=0)
    assert env.agents == LEADERS + FOLLOWERS
    for agent in env.agents:
        leader = agent in LEADERS
        size = env.layout.leader_size if leader else env.layout.follower_size
        space = env.observation_space(agent)
        assert space.shape == (size,)
        assert space.dtype == np.float32
        assert observations[agent].dtype == np.float32
        assert env.action_space(agent).shape == ((1,) if leader else (2,))
        assert env.action_space(agent).dtype == np.float32
    assert env.state().shape == (env.layout.record_size,)
    assert env.state_space.contains(env.state())


def test_a_round_takes_two_steps_in_which_avs_answer_the_prices_they_see():
    env = make()
    before, infos = env.reset(seed=0)
    assert env.acting == LEADERS
    assert [a for a in env.agents if infos[a]["acting"]] == LEADERS
    # Stage I.
    observations, rewards, terminations, truncations, infos = env.step(
        {"rsu_1": np.array([0.25]), "rsu_2": np.array([0.75])}
    )
    assert set(observations) == set(rewards) == set(terminations) == set(env.possible_agents)
    assert not any(rewards.values())
    assert not any(terminations.values())
    assert not any(truncations.values())
    assert [a for a in env.agents if infos[a]["acting"]] == FOLLOWERS
    np.testing.assert_allclose(observations["av_1"][-2:], [-0.5, 0.5])
    np.testing.assert_array_equal(before["av_1"][-2:], [0.0, 0.0])
    np.testing.assert_array_equal(before["av_1"][:-2], observations["av_1"][:-2])
    np.testing.assert_array_equal(before["rsu_1"], observations["rsu_1"])
    # Stage II.
    shares = {"av_1": [0.1, 0.2], "av_2": [0.3, 0.4], "av_3": [0.5, 0.6]}
    observations, rewards, _, _, infos = env.step(shares)
    assert [a for a in env.agents if infos[a]["acting"]] == LEADERS
    prices = env._environment.price_scale.value(np.array([0.25, 0.75]))
    demand = 10.0 * np.array(list(shares.values()))
    expected = [
        *leader_utilities(env.instance, prices, demand),
        *follower_utilities(env.instance, prices, demand),
    ]
    np.testing.assert_allclose(list(rewards.values()), expected, rtol=1e-12)
    np.testing.assert_allclose([infos[a]["utility"] for a in env.agents], expected, rtol=1e-12)
    np.testing.assert_allclose([infos[a]["price"] for a in LEADERS], prices)
    np.testing.assert_allclose([infos[a]["demand"] for a in FOLLOWERS], demand)
    # The round is now the latest of the history that everybody sees.
    size = env.layout.round_size
    latest = observations["rsu_1"][3 * size : 4 * size]
    np.testing.assert_allclose(latest, 2.0 * np.array([0.25, 0.75, *demand.ravel() / 10]) - 1, 1e-6)
    np.testing.assert_array_equal(observations["rsu_1"][:size], before["rsu_1"][size : 2 * size])
    assert infos["av_1"]["round"] == 1


def test_in_simultaneous_stages_a_round_is_one_step_on_the_past_alone():
    env = make(stages="simultaneous")
    observations, infos = env.reset(seed=0)
    assert env.acting == env.agents
    assert all(info["acting"] for info in infos.values())
    assert len(observations["av_1"]) == 4 * (env.layout.round_size - 2)
    lengths = 0
    while env.agents:
        _, rewards, _, truncations, infos = env.step(sampled(env))
        assert all(infos[a]["utility"] == rewards[a] != 0.0 for a in rewards)
        lengths += 1
    assert lengths == 3
    assert all(truncations.values())


def test_stages_follow_what_avs_may_observe_unless_they_are_given():
    hidden = {"observe_current_price": False}
    assert make().stages == "sequential"
    assert make(environment=hidden).stages == "simultaneous"
    assert make(environment=hidden, stages="sequential").layout.observe_current_price
    assert not make(stages="simultaneous").layout.observe_current_price


def test_actions_out_of_turn_change_nothing():
    seen = []
    for idle in (0.0, 1.0, None):
        env = make()
        env.reset(seed=0)
        results = []
        while env.agents:
            actions = {a: np.full(env.action_space(a).shape, 0.4) for a in env.acting}
            if idle is not None:
                others = set(env.agents) - set(env.acting)
                actions |= {a: np.full(env.action_space(a).shape, idle) for a in others}
            observations, rewards, _, _, _ = env.step(actions)
            results += [*observations["rsu_1"], *observations["av_2"], *rewards.values()]
        seen.append(results)
    assert seen[0] == seen[1] == seen[2]


def test_episodes_are_truncated_after_their_rounds_and_can_begin_anew():
    env = make(episode=4)
    for _ in range(2):
        _, infos = env.reset()
        assert [info["utility"] for info in infos.values()] == [0.0] * 5
        steps = 0
        while env.agents:
            _, _, terminations, truncations, infos = env.step(sampled(env))
            steps += 1
        assert steps == 8
        assert infos["av_1"]["round"] == 4
        assert not any(info["acting"] for info in infos.values())
        assert not any(terminations.values())
        assert all(truncations.values())
        assert env.acting == []
    assert env.step({}) == ({}, {}, {}, {}, {})
    with pytest.raises(ActionError, match="call reset"):
        env.step({"rsu_1": [0.5]})
    # A reset in the middle of a round begins with Stage I.
    env.reset()
    env.step(sampled(env))
    env.reset()
    assert env.acting == LEADERS


def test_actions_in_units_are_prices_and_bandwidths():
    env = make(actions="unit")
    env.reset(seed=0)
    assert env.action_space("rsu_2").low == pytest.approx(2.5)
    assert env.action_space("rsu_2").high == pytest.approx(30.0)
    np.testing.assert_allclose(env.action_space("av_1").high, [10.0, 10.0])
    env.step({"rsu_1": [4.0], "rsu_2": 7.0})
    demand = {"av_1": [1.0, 2.0], "av_2": [3.0, 4.0], "av_3": [0.0, 10.0]}
    _, _, _, _, infos = env.step(demand)
    np.testing.assert_allclose([infos[a]["price"] for a in LEADERS], [4.0, 7.0])
    np.testing.assert_allclose([infos[a]["demand"] for a in FOLLOWERS], list(demand.values()))


@pytest.mark.parametrize(("action", "fault"), [
    ([1.5], "must lie between"),
    ([-0.1], "must lie between"),
    ([np.inf], "must lie between"),
    ([np.nan], "must be numbers"),
    ([0.5, 0.5], r"must be 1 number\(s\)"),
    ([], r"must be 1 number\(s\)"),
    ("high", r"must be 1 number\(s\)"),
    (None, r"must be numbers"),
])  # fmt: skip
def test_actions_that_mean_nothing_are_refused_and_nothing_is_played(action, fault):
    env = make()
    env.reset(seed=0)
    before = env.state()
    with pytest.raises(ActionError, match=fault) as caught:
        env.step({"rsu_1": [0.5], "rsu_2": action})
    assert "'rsu_2'" in str(caught.value)
    assert np.array_equal(before, env.state())
    assert env.acting == LEADERS
    env.step({"rsu_1": [0.5], "rsu_2": [0.5]})
    assert env.acting == FOLLOWERS


def test_missing_and_unknown_agents_are_named():
    env = make()
    env.reset(seed=0)
    with pytest.raises(ActionError, match=r"'rsu_2'.*missing"):
        env.step({"rsu_1": [0.5]})
    with pytest.raises(ActionError, match="no such agent: rsu_9"):
        env.step({"rsu_1": [0.5], "rsu_2": [0.5], "rsu_9": [0.5]})


def test_actions_may_be_clipped_but_nan_is_never_a_number():
    env = make(out_of_range="clip", actions="unit")
    env.reset(seed=0)
    with pytest.raises(ActionError, match="must be numbers"):
        env.step({"rsu_1": [np.nan], "rsu_2": [5.0]})
    env.step({"rsu_1": [-np.inf], "rsu_2": [99.0]})
    _, _, _, _, infos = env.step({agent: [-1.0, np.inf] for agent in FOLLOWERS})
    np.testing.assert_allclose([infos[a]["price"] for a in LEADERS], [2.0, 30.0])
    np.testing.assert_allclose(infos["av_3"]["demand"], [0.0, 10.0])


def test_bounds_of_spaces_are_valid_actions():
    env = make(actions="unit")
    for end in ("low", "high"):
        env.reset(seed=0)
        while env.agents:
            env.step({a: getattr(env.action_space(a), end) for a in env.agents})


def test_missed_deadlines_cost_rewards_but_no_utility():
    env = make(game(delay=True), actions="unit", environment={"delay_penalty": 3.0})
    env.reset(seed=0)
    env.step({"rsu_1": [5.0], "rsu_2": [6.0]})
    demand = {"av_1": [1.0, 2.0], "av_2": [9.0, 9.0], "av_3": [5.0, 0.5]}
    _, rewards, _, _, infos = env.step(demand)
    prices, b, delay = np.array([5.0, 6.0]), np.array(list(demand.values())), env.instance.delay
    times = migration_delay(delay.data, b, delay.spectral_efficiency, delay.base_delay)
    late = expected_delay(matching_probability(prices, env.instance.quality), times) - 5.0
    late = np.maximum(late, 0.0)
    utilities = follower_utilities(env.instance, prices, b)
    assert (late > 0.0).tolist() == [True, False, True]
    np.testing.assert_allclose([infos[a]["lateness"] for a in FOLLOWERS], late)
    np.testing.assert_allclose([infos[a]["utility"] for a in FOLLOWERS], utilities)
    np.testing.assert_allclose([rewards[a] for a in FOLLOWERS], utilities - 3.0 * late)


def test_rewards_can_be_scaled_and_turns_observed():
    plain, scaled = make(), make(reward_scale=10.0, observe_turn=True)
    for env in (plain, scaled):
        env.reset(seed=0)
    observations, _ = scaled.reset(seed=0)
    assert [observations[a][-1] for a in scaled.agents] == [1, 1, 0, 0, 0]
    actions = {a: np.full(plain.action_space(a).shape, 0.3) for a in plain.agents}
    for turn in ([0, 0, 1, 1, 1], [1, 1, 0, 0, 0]):
        mine, rewards, _, _, _ = plain.step(actions)
        theirs, smaller, _, _, infos = scaled.step(actions)
        assert [theirs[a][-1] for a in scaled.agents] == turn
        for agent in scaled.agents:
            assert scaled.observation_space(agent).contains(theirs[agent])
            np.testing.assert_array_equal(mine[agent], theirs[agent][:-1])
            assert smaller[agent] == pytest.approx(rewards[agent] / 10.0)
            assert infos[agent]["utility"] == pytest.approx(rewards[agent])


def test_observations_stay_within_their_spaces_whatever_changes():
    env = make(game(delay=True), episode=50, environment={"dynamics": EVERYTHING})
    env.reset(seed=3)
    rates = []
    while env.agents:
        observations, rewards, _, _, infos = env.step(sampled(env))
        assert all(env.observation_space(a).contains(observations[a]) for a in observations)
        assert np.isfinite(list(rewards.values())).all()
        rates.append(observations["rsu_1"][-2])
    assert len(set(rates)) == 51
    assert infos["av_1"]["round"] == 50


def test_the_base_scenario_is_read_from_its_file_with_its_rates():
    env = MigrationParallelEnv(BASE)
    observations, _ = env.reset(seed=0)
    np.testing.assert_allclose(observations["rsu_1"][-2:], [0.4, 1.0])
    assert env.instance.n_avs == 3


def test_text_shows_the_last_round(capsys):
    env = make(actions="unit", render_mode="ansi")
    env.reset(seed=0)
    env.step({"rsu_1": [4.0], "rsu_2": [7.0]})
    env.step({agent: [1.25, 2.0] for agent in FOLLOWERS})
    text = env.render()
    assert "round 1" in text
    assert "4.000    7.000" in text
    assert text.count("1.250    2.000") == 3
    assert capsys.readouterr().out == ""
    loud = make(render_mode="human")
    loud.reset(seed=0)
    while loud.agents:
        loud.step(sampled(loud))
    assert capsys.readouterr().out.count("utility") == 3 * 2
    assert make().render() is None


def test_copies_go_on_alike():
    env = make()
    env.reset(seed=0)
    env.step(sampled(env))
    actions = sampled(env)
    for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        mine, theirs = copy.deepcopy(env).step(actions), other.step(actions)
        for agent in env.agents:
            np.testing.assert_array_equal(mine[0][agent], theirs[0][agent])
        assert mine[1] == theirs[1]


@pytest.mark.parametrize(("options", "fault"), [
    ({"stages": "both"}, "stages"),
    ({"actions": "money"}, "actions"),
    ({"out_of_range": "ignore"}, "out_of_range"),
    ({"render_mode": "rgb_array"}, "render_mode"),
    ({"reward_scale": 0.0}, "reward_scale"),
])  # fmt: skip
def test_options_that_do_not_exist_are_refused(options, fault):
    with pytest.raises(ValueError, match=fault):
        make(**options)
