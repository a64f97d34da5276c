"""The batched torch game earns exactly what ``veaat_migration.game`` says."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game.delay import expected_delay, migration_delay
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import DelayConstraint, GameInstance
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.learning.game import MOST_LATE, USABLE_MARGIN, BatchedGame

LEADING = ((), (4,), (2, 3))


def symmetric(matrix):
    upper = np.triu(matrix, 1)
    return upper + upper.T


@st.composite
def games(draw):
    """A game and seeded prices and demands with some leading axes; all exact in float32."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    v, r = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    kind = draw(st.sampled_from(["additive", "multiplicative"]))
    small = 1.0 if kind == "additive" else 0.05

    def exact(values):
        return np.asarray(values, dtype=np.float32).astype(np.float64)

    cost = exact(rng.uniform(0.5, 5.0, (v, r) if draw(st.booleans()) else r))
    needy = draw(st.booleans())
    if not needy and draw(st.booleans()):
        cost[..., 0] = 0.0  # may give bandwidth away
    game = GameInstance.create(
        satisfaction=exact(rng.uniform(1.0, 40.0, v)),
        offset=exact(rng.uniform(-3.0 if needy else 0.1, 3.0, v)),
        quality=exact(rng.uniform(0.1, 3.0, r)),
        cost=cost,
        social=exact(symmetric(rng.uniform(-0.1, 0.1, (v, v))) * small),
        service=exact(symmetric(rng.uniform(-0.1, 0.1, (r, r))) * small),
        price_max=30.0,
        bandwidth_max=10.0,
        externality=kind,
        capacity=exact(rng.uniform(0.5, 10.0, r)) if draw(st.booleans()) else None,
    )
    leading = draw(st.sampled_from(LEADING))
    prices = rng.uniform(game.price_min, 30.0, (*leading, r))
    demand = rng.uniform(0.0, 10.0, (*leading, v, r))
    prices[rng.random(prices.shape) < 0.1] = 30.0
    at_cost = rng.random(prices.shape) < 0.1
    prices = np.where(at_cost, game.price_min, prices)
    demand[rng.random(demand.shape) < 0.1] = 0.0
    demand[rng.random(demand.shape) < 0.1] = 10.0
    return game, exact(prices), exact(demand)


def magnitudes(game, prices, demand):
    """Sizes of what is added up in a utility: errors are relative to these, not to its zeros."""
    theta = matching_probability(prices, game.quality)
    b = demand
    if game.capacity is not None:
        load = theta * b.sum(-2)
        b = b * (game.capacity / np.maximum(load, game.capacity))[..., None, :]
    usable = b + game.offset[:, None]
    works = usable > 0.0
    logarithm = np.abs(np.log(np.where(works, usable, 1.0)))
    # The logarithm magnifies what rounding does to b + E.
    logarithm += np.where(works, (b + np.abs(game.offset[:, None])) / np.abs(usable), 0.0)
    coupling = np.abs(game.social) @ b + b @ np.abs(game.service)
    delta = game.satisfaction[:, None]
    if game.externality == "additive":
        value = delta * logarithm + coupling * b
    else:
        value = delta * (1.0 + coupling) * logarithm
    value = value + prices[..., None, :] * b
    profit = theta * ((prices[..., None, :] + game.cost) * b).sum(-2)
    return profit, (value * theta[..., None, :]).sum(-1), usable


def compare(case, dtype, tolerance):
    game, prices, demand = case
    batched = BatchedGame(game, dtype=dtype)
    found = batched.utilities(torch.tensor(prices, dtype=dtype), torch.tensor(demand, dtype=dtype))
    expected = (leader_utilities(game, prices, demand), follower_utilities(game, prices, demand))
    sizes = magnitudes(game, prices, demand)
    # Where b + E is zero up to rounding, nobody can say whether it is.
    decided = (np.abs(sizes[2]) > 100.0 * tolerance).all(-1)
    for mine, right, size, sure in zip(found, expected, sizes, (True, decided), strict=False):
        mine = mine.double().numpy()
        assert mine.shape == right.shape
        sure = np.broadcast_to(sure, right.shape)
        assert np.array_equal(np.isneginf(mine)[sure], np.isneginf(right)[sure])
        finite = np.isfinite(right) & sure
        error = np.abs(mine[finite] - right[finite])
        assert (error <= tolerance * np.maximum(size[finite], 1.0)).all(), error.max()


@settings(max_examples=150, deadline=None)
@given(games())
def test_utilities_are_those_of_the_game_in_double_precision(case):
    compare(case, torch.float64, 1e-12)


@settings(max_examples=150, deadline=None)
@given(games())
def test_utilities_are_those_of_the_game_to_a_millionth_in_single_precision(case):
    compare(case, torch.float32, 1e-6)


def test_smallest_game_and_known_numbers():
    game = GameInstance.create(
        satisfaction=[20.0], offset=[1.0], quality=[1.0], cost=[2.0],
        price_max=30.0, bandwidth_max=10.0,
    )  # fmt: skip
    batched = BatchedGame(game, dtype=torch.float64)
    profit, utility = batched.utilities(
        torch.tensor([5.0], dtype=torch.float64), torch.tensor([[3.0]], dtype=torch.float64)
    )
    assert profit.tolist() == [9.0]
    assert utility.item() == pytest.approx(20.0 * np.log(4.0) - 15.0, rel=1e-14)


def test_too_little_bandwidth_is_worth_minus_infinity_but_rewarded_finitely():
    game = GameInstance.create(
        satisfaction=[20.0, 25.0], offset=[-2.0, 1.0], quality=[1.0], cost=[2.0],
        price_max=30.0, bandwidth_max=10.0, capacity=[1.0],
    )  # fmt: skip
    batched = BatchedGame(game)
    prices, demand = torch.tensor([5.0]), torch.tensor([[9.0], [9.0]])
    utilities = batched.utilities(prices, demand)[1]
    assert utilities[0] == -torch.inf
    assert torch.isfinite(utilities[1])
    rewards = batched.rewards(prices, demand)[1]
    assert rewards[0].item() == pytest.approx(20.0 * np.log(USABLE_MARGIN), rel=1e-6)
    assert rewards[1] == utilities[1]


def with_deadlines(seed, n_avs=3, n_rsus=2, slack=(1.1, 2.0)):
    rng = np.random.default_rng(seed)
    data = rng.uniform(100.0, 500.0, n_avs)
    efficiency = rng.uniform(5.0, 14.0, (n_avs, n_rsus))
    base = rng.uniform(0.1, 0.6, (n_avs, n_rsus))
    shortest = (data[:, None] / (10.0 * efficiency) + base).max(1)
    return GameInstance.create(
        satisfaction=rng.uniform(12.0, 35.0, n_avs),
        offset=np.e - rng.uniform(0.8, 2.4, n_avs),
        quality=rng.uniform(0.5, 1.6, n_rsus),
        cost=rng.uniform(1.0, 3.0, n_rsus),
        social=0.01 if n_avs > 1 else 0.0,
        service=0.01 if n_rsus > 1 else 0.0,
        price_max=30.0,
        bandwidth_max=10.0,
        delay=DelayConstraint.create(
            n_avs, n_rsus, data=data, spectral_efficiency=efficiency, base_delay=base,
            max_delay=shortest * rng.uniform(*slack, n_avs),
        ),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_missed_deadlines_cost_what_the_definition_says(seed):
    game = with_deadlines(seed)
    rng = np.random.default_rng(seed)
    prices = rng.uniform(3.0, 30.0, (7, 2))
    demand = rng.uniform(1.0, 10.0, (7, 3, 2))
    batched = BatchedGame(game, delay_penalty=3.0, dtype=torch.float64)
    tensors = torch.from_numpy(prices), torch.from_numpy(demand)
    profits, rewards = batched.rewards(*tensors)
    assert torch.equal(profits, batched.utilities(*tensors)[0])
    some = False
    for k in range(7):
        delay = migration_delay(
            game.delay.data, demand[k], game.delay.spectral_efficiency, game.delay.base_delay
        )
        expected = expected_delay(matching_probability(prices[k], game.quality), delay)
        late = np.minimum(
            np.maximum(expected - game.delay.max_delay, 0.0), MOST_LATE * game.delay.max_delay
        )
        some |= late.any()
        utilities = follower_utilities(game, prices[k], demand[k])
        np.testing.assert_allclose(rewards[k].numpy(), utilities - 3.0 * late, rtol=1e-12)
    assert some


def test_buying_nothing_is_late_by_a_bounded_time():
    game = with_deadlines(1)
    for dtype in (torch.float32, torch.float64):
        batched = BatchedGame(game, delay_penalty=3.0, dtype=dtype)
        prices, demand = torch.full((2,), 5.0, dtype=dtype), torch.zeros((3, 2), dtype=dtype)
        late = batched.lateness(prices, demand)
        assert torch.allclose(late, MOST_LATE * batched.max_delay)
        assert torch.isfinite(torch.cat(batched.rewards(prices, demand))).all()


def test_no_data_is_never_late_for_want_of_bandwidth():
    game = with_deadlines(1)
    delay = dataclasses.replace(game.delay, data=np.zeros(3))
    batched = BatchedGame(dataclasses.replace(game, delay=delay), delay_penalty=3.0)
    assert not batched.lateness(torch.full((2,), 5.0), torch.zeros((3, 2))).any()


def test_delay_shapes_no_reward_without_a_penalty_or_without_a_constraint():
    game = with_deadlines(2)
    prices, demand = torch.full((2,), 5.0), torch.full((3, 2), 0.1)
    free = BatchedGame(game)
    assert free.lateness(prices, demand).any()
    assert torch.equal(free.rewards(prices, demand)[1], free.utilities(prices, demand)[1])
    unlimited = BatchedGame(dataclasses.replace(game, delay=None), delay_penalty=5.0)
    assert torch.equal(unlimited.rewards(prices, demand)[1], free.utilities(prices, demand)[1])
    with pytest.raises(ValueError, match="no delay constraint"):
        unlimited.lateness(prices, demand)


@pytest.mark.parametrize("seed", range(4))
def test_a_large_penalty_makes_the_answer_of_p1_the_best_one(seed):
    game = with_deadlines(seed, n_avs=1, slack=(1.2, 1.5))
    prices = np.array([8.0, 6.0])
    exact = follower_equilibria(game, prices[None])
    assert exact.multiplier[0, 0] > 0.0
    penalty = 2.0 * float(exact.multiplier[0, 0])
    batched = BatchedGame(game, delay_penalty=penalty, dtype=torch.float64)
    rng = np.random.default_rng(seed)
    near = exact.demand[0] + rng.normal(0.0, 0.3, (3000, 1, 2))
    others = np.clip(np.concatenate([rng.uniform(0.0, 10.0, (3000, 1, 2)), near]), 0.0, 10.0)
    p = torch.from_numpy(prices)
    best = batched.rewards(p, torch.from_numpy(exact.demand[0]))[1]
    found = batched.rewards(p, torch.from_numpy(others))[1].max()
    assert found <= best.item() + 1e-6
    # Without the penalty another answer pays more.
    free = BatchedGame(game, dtype=torch.float64)
    assert free.rewards(p, torch.from_numpy(others))[1].max() > best.item() + 1e-3


@pytest.mark.parametrize("penalty", [-1.0, float("nan"), float("inf")])
def test_a_penalty_that_makes_no_sense_is_refused(penalty):
    with pytest.raises(ValueError, match="delay_penalty"):
        BatchedGame(with_deadlines(0), delay_penalty=penalty)
