"""Game instances: what is refused and how, and each player's private share."""

from __future__ import annotations

import numpy as np
import pytest
from games import base_case, with_changes

from veaat_migration.game.instance import DelayConstraint, GameInstance, InstanceError
from veaat_migration.game.profiles import follower_profile, leader_profile


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"satisfaction": [20.0, np.nan, 30.0]}, "delta: must be finite"),
        ({"satisfaction": [20.0, 0.0, 30.0]}, "delta: must be > 0"),
        ({"satisfaction": []}, "delta: must be a non-empty list"),
        ({"satisfaction": "many"}, "delta: must be a non-empty list"),
        ({"satisfaction": [20.0, "x", 30.0]}, "delta: must be numbers"),
        ({"offset": [1.0, 2.0]}, r"E: must have shape \(3,\), got \(2,\)"),
        ({"offset": [1.0, -10.0, 1.0]}, "b_max: must be > -E_i"),
        ({"quality": [1.0, 0.0]}, "q: must be > 0"),
        ({"cost": [1.0, -1.0]}, "c: must be >= 0"),
        ({"cost": [1.0, 30.0]}, r"p_max: must be > every unit cost \(30\), got 30"),
        ({"cost": [1.0, 2.0, 3.0]}, r"c: must have shape \(3, 2\)"),
        ({"price_max": -1.0}, "p_max: must be > 0"),
        ({"price_max": np.inf}, "p_max: must be finite"),
        ({"bandwidth_max": 0.0}, "b_max: must be > 0"),
        ({"social": np.ones((3, 3))}, "zeta: must have a zero diagonal"),
        ({"social": np.zeros((2, 2))}, r"zeta: must have shape \(3, 3\)"),
        ({"service": [[0.0, 1.0], [0.0, 0.0]]}, "eta: must be symmetric"),
        ({"externality": "none"}, "externality: must be one of additive, multiplicative"),
    ],
)
def test_meaningless_games_are_refused_by_field(change: dict[str, object], message: str) -> None:
    with pytest.raises(InstanceError, match=message):
        with_changes(base_case(), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": -1.0}, "delay.D: must be >= 0"),
        ({"spectral_efficiency": 0.0}, "delay.s: must be > 0"),
        ({"base_delay": -0.1}, "delay.T0: must be >= 0"),
        ({"max_delay": 0.0}, "delay.Tmax: must be > 0"),
        ({"spectral_efficiency": [1.0] * 4}, r"delay.s: must have shape \(3, 2\)"),
    ],
)
def test_meaningless_delays_are_refused_by_field(change: dict[str, object], message: str) -> None:
    fields = {"data": 100.0, "spectral_efficiency": 12.0, "base_delay": 0.2, "max_delay": 5.0}
    with pytest.raises(InstanceError, match=message):
        DelayConstraint.create(3, 2, **(fields | change))


def test_values_are_broadcast_and_read_only() -> None:
    game = base_case()
    assert game.cost.tolist() == [[2.0, 2.5]] * 3
    assert game.social[0].tolist() == [0.0, 0.02, 0.02]
    with pytest.raises(ValueError, match="read-only"):
        game.cost[0, 0] = 1.0
    limit = DelayConstraint.create(
        3, 2, data=[1.0, 2.0, 3.0], spectral_efficiency=[10.0, 11.0, 12.0],
        base_delay=0.0, max_delay=9.0,
    )  # fmt: skip
    assert limit.spectral_efficiency.tolist() == [[10.0, 10.0], [11.0, 11.0], [12.0, 12.0]]


def test_profiles_hold_one_players_data_and_no_more() -> None:
    limit = DelayConstraint.create(
        3, 2, data=[1.0, 2.0, 3.0], spectral_efficiency=[[1, 2], [3, 4], [5, 6]],
        base_delay=0.5, max_delay=9.0,
    )  # fmt: skip
    cost = [[2.0, 2.5], [2.0, 2.5], [2.2, 2.5]]
    game = with_changes(base_case(), delay=limit, cost=cost)
    rsu = leader_profile(game, 1)
    assert (rsu.rsu_id, rsu.quality, rsu.price_max) == (1, 1.0, 30.0)
    assert [rsu.cost_of(i) for i in (1, 2, 3, 9)] == [2.0, 2.0, 2.2, 2.0]
    assert rsu.price_min == 2.0
    av = follower_profile(game, 2)
    assert (av.satisfaction, av.social) == (25.0, {1: 0.02, 3: 0.02})
    assert av.service == {(1, 2): 0.02, (2, 1): 0.02}
    assert av.delay is not None
    assert av.delay.data == 2.0
    assert av.delay.spectral_efficiency == {1: 3.0, 2: 4.0}


def test_offset_may_be_negative_below_the_largest_demand() -> None:
    assert GameInstance.create(
        satisfaction=[20.0], offset=[-1.0], quality=[1.0], cost=[1.0],
        price_max=30.0, bandwidth_max=10.0,
    ).n_avs == 1  # fmt: skip
