"""The game in which every AV reaches some RSUs only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.fleet.equilibrium import best_elsewhere, equilibrium
from veaat_migration.fleet.market import Market
from veaat_migration.game.equilibrium import solve
from veaat_migration.game.follower import best_response
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.utilities import follower_utilities, leader_utilities


def market(seed: int, n_avs: int, n_rsus: int, share: float, room: float | None = None) -> Market:
    """A random market in which an AV reaches about ``share`` of the RSUs.

    With ``room``, about this much bandwidth per AV is left at an RSU [MHz].
    """
    draw = np.random.default_rng(seed)
    reach = draw.random((n_avs, n_rsus)) < share
    reach[np.arange(n_avs), draw.integers(n_rsus, size=n_avs)] = True
    reach = reach[:, reach.any(axis=0)]
    r = reach.shape[1]
    return Market(
        draw.uniform(60.0, 180.0, n_avs),
        np.e - draw.uniform(1.5, 2.0, n_avs),
        draw.uniform(0.4, 0.7, r),
        draw.uniform(2.0, 3.0, r),
        reach,
        60.0,
        30.0,
        0.02 / max(n_avs - 1, 1),
        0.001,
        None if room is None else room * n_avs * draw.uniform(0.1, 1.9, r),
    )


def instance(one: Market) -> GameInstance:
    """The same game where all AVs reach all RSUs."""
    return GameInstance.create(
        satisfaction=one.satisfaction,
        offset=one.offset,
        quality=one.quality,
        cost=one.cost,
        social=one.social,
        service=one.service,
        price_max=one.price_max,
        bandwidth_max=one.bandwidth_max,
        capacity=one.capacity,
    )


@pytest.mark.parametrize("room", [None, 0.3])
@pytest.mark.parametrize(("seed", "v", "r"), [(1, 3, 2), (2, 6, 3), (3, 2, 4), (4, 9, 2)])
def test_where_all_reach_all_it_is_the_game_of_the_model(
    seed: int, v: int, r: int, room: float | None
) -> None:
    one = market(seed, v, r, 2.0, room)
    # Where an AV just reaches b_max, prices are a continuum: here none does.
    one = replace(one, satisfaction=one.satisfaction / 4.0)
    found, exact = equilibrium(one), solve(instance(one))

    np.testing.assert_allclose(found.prices, exact.prices, rtol=1e-5)
    np.testing.assert_allclose(found.demand, exact.demand, atol=1e-3)
    np.testing.assert_allclose(
        one.profits(found.prices, found.demand),
        leader_utilities(instance(one), found.prices, found.demand),
        rtol=1e-12,
    )
    if room is not None:
        load = (one.theta(found.prices) * found.demand).sum(axis=0)
        assert np.isclose(load, one.capacity, rtol=1e-3).any(), "an RSU is short"
        return
    np.testing.assert_allclose(
        one.parts(found.prices, found.demand).sum(axis=1),
        follower_utilities(instance(one), found.prices, found.demand),
        rtol=1e-12,
    )


def test_the_base_case_has_the_known_prices() -> None:
    base = Market(
        np.array([20.0, 25.0, 30.0]), np.e - np.array([1.5, 1.8, 2.0]), np.array([1.0, 1.2]),
        np.array([2.0, 2.5]), np.ones((3, 2), dtype=bool), 30.0, 10.0, 0.02, 0.02,
    )  # fmt: skip

    np.testing.assert_allclose(equilibrium(base).prices, [4.3586, 5.3812], atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 8),
    st.integers(1, 5),
    st.sampled_from([None, 0.02, 0.2, 2.0]),
)
def test_nobody_gains_whoever_reaches_whom(
    seed: int, n_avs: int, n_rsus: int, room: float | None
) -> None:
    one = market(seed, n_avs, n_rsus, 0.5, room)
    found = equilibrium(one)

    _, gain = best_elsewhere(one, found.prices, points=400)
    assert gain < 1e-5
    theta = one.theta(found.prices)
    np.testing.assert_allclose(theta.sum(axis=1), 1.0)
    assert (theta[~one.reach] == 0.0).all()
    assert (found.demand[~one.reach] == 0.0).all()
    for i in range(one.n_avs):
        own = np.flatnonzero(one.reach[i])
        others = found.demand[:, own].sum(axis=0) - found.demand[i, own]
        exact = best_response(
            satisfaction=float(one.satisfaction[i]),
            offset=float(one.offset[i]),
            bandwidth_max=one.bandwidth_max,
            prices=found.prices[own],
            theta=theta[i, own],
            social=one.social * others,
            service=one.service * (1.0 - np.eye(len(own))),
        )
        np.testing.assert_allclose(found.demand[i, own], exact.bandwidth, atol=1e-6)


def test_groups_that_share_no_rsu_play_on_their_own() -> None:
    left, right = market(1, 4, 3, 2.0), market(2, 3, 2, 2.0)
    joined = Market(
        np.concatenate([left.satisfaction, right.satisfaction]),
        np.concatenate([left.offset, right.offset]),
        np.concatenate([left.quality, right.quality]),
        np.concatenate([left.cost, right.cost]),
        np.block([
            [left.reach, np.zeros((4, 2), dtype=bool)],
            [np.zeros((3, 3), dtype=bool), right.reach],
        ]),
        60.0, 30.0, left.social, 0.001,
    )  # fmt: skip
    together, one, other = map(equilibrium, (joined, left, replace(right, social=left.social)))

    np.testing.assert_allclose(together.prices, [*one.prices, *other.prices], rtol=1e-9)
    np.testing.assert_allclose(together.demand[:4, :3], one.demand)
    assert best_elsewhere(joined, together.prices)[1] < 1e-6


def test_starting_near_the_answer_changes_nothing() -> None:
    one = market(5, 10, 4, 0.5)
    cold = equilibrium(one)
    warm = equilibrium(one, np.where(np.arange(len(cold.prices)) == 0, np.nan, cold.prices * 1.1))

    np.testing.assert_allclose(warm.prices, cold.prices, rtol=1e-4)
