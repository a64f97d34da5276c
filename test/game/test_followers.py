"""Followers: exact best responses and their Nash equilibrium, checked from outside."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from collection import GAMES
from games import base_case, random_game, with_changes
from scipy.optimize import minimize

from veaat_migration.game.certainty import equilibrium_is_unique, uniqueness_index
from veaat_migration.game.follower import DelayLimit, best_response, respond, utility
from veaat_migration.game.followers import _rising_steps, follower_equilibria
from veaat_migration.game.instance import DelayConstraint, Externality, GameInstance
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.profiles import follower_profile
from veaat_migration.game.utilities import follower_utilities, leader_utilities

PRICES = np.array([4.4, 5.4])


def own_utility(game: GameInstance, prices, demand, i: int, own) -> float:
    changed = demand.copy()
    changed[i] = own
    return float(follower_utilities(game, prices, changed)[i])


def answer(game: GameInstance, prices, demand, i: int):
    """AV i's best response by way of its private profile."""
    ids = tuple(k + 1 for k in range(game.n_avs) if k != i)
    return respond(
        follower_profile(game, i + 1),
        tuple(range(1, game.n_rsus + 1)),
        prices,
        game.quality,
        ids,
        np.delete(demand, i, axis=0),
    )


def test_matching_probability_is_equation_1() -> None:
    theta = matching_probability([4.0, 5.0], [1.0, 1.2])
    assert theta == pytest.approx(np.array([0.25, 0.24]) / 0.49)


def test_utilities_by_hand() -> None:
    game = base_case()
    demand = np.array([[1.0, 2.0], [3.0, 0.5], [2.0, 2.0]])
    theta = matching_probability(PRICES, game.quality)
    expected = 0.0
    for j in range(2):
        term = 20.0 * np.log(demand[0, j] + np.e - 1.5)
        term += 0.02 * demand[0, j] * (demand[1, j] + demand[2, j])
        term += 0.02 * demand[0, j] * demand[0, 1 - j]
        expected += theta[j] * (term - PRICES[j] * demand[0, j])
    assert follower_utilities(game, PRICES, demand)[0] == pytest.approx(expected)
    assert leader_utilities(game, PRICES, demand)[1] == pytest.approx(theta[1] * 4.5 * 2.9)
    profile = follower_profile(game, 1)
    assert utility(
        profile, (1, 2), PRICES, game.quality, demand[0], (2, 3), demand[1:]
    ) == pytest.approx(expected)


def test_demand_below_the_offset_is_worth_nothing() -> None:
    game = with_changes(base_case(), offset=[-1.0, 1.0, 1.0])
    assert follower_utilities(game, PRICES, np.full((3, 2), 0.5))[0] == -np.inf


@pytest.mark.parametrize("externality", ["additive", "multiplicative"])
@pytest.mark.parametrize("seed", range(5))
def test_best_response_beats_an_independent_optimiser(externality: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    game = random_game(rng, n_avs=3, n_rsus=3, strength=2.0, externality=externality)
    prices = rng.uniform(2.0, 15.0, 3)
    demand = rng.uniform(0.0, 10.0, (3, 3))
    for i in range(3):
        found = answer(game, prices, demand, i)
        assert found.feasible
        reached = own_utility(game, prices, demand, i, found.bandwidth)
        for start in rng.uniform(0.0, 10.0, (4, 3)):
            other = minimize(
                lambda own, i=i: -own_utility(game, prices, demand, i, own),
                start, bounds=[(0.0, 10.0)] * 3, method="L-BFGS-B",
            )  # fmt: skip
            assert -other.fun <= reached + 1e-7


@pytest.mark.parametrize("eta", [1.5, -3.0])
def test_best_response_is_global_where_services_are_strongly_coupled(eta: float) -> None:
    """Complements of this strength pay all or nothing; substitutes one or the other."""
    settings = {
        "satisfaction": 20.0, "offset": 1.2, "bandwidth_max": 10.0, "prices": [9.0, 9.5],
        "theta": [0.5, 0.5], "social": [0.0, 0.0], "service": [[0.0, eta], [eta, 0.0]],
    }  # fmt: skip
    found = best_response(**settings).bandwidth

    def worth(b: np.ndarray) -> float:
        return float(
            0.5 * (20.0 * np.log(b + 1.2) - np.array([9.0, 9.5]) * b).sum() + eta * b[0] * b[1]
        )

    axis = np.linspace(0.0, 10.0, 401)
    best = max(worth(np.array(pair)) for pair in itertools.product(axis, axis))
    assert worth(found) >= best - 1e-9


def test_first_order_condition_holds_inside() -> None:
    """delta/(b + E) + X = p (model, Section 3)."""
    game = base_case()
    demand = follower_equilibria(game, PRICES).demand[0]
    theta = matching_probability(PRICES, game.quality)
    social = game.social @ demand
    for i, j in itertools.product(range(3), range(2)):
        s = 1 - j
        coupling = social[i, j] + 0.02 * (1.0 + theta[s] / theta[j]) * demand[i, s]
        marginal = game.satisfaction[i] / (demand[i, j] + game.offset[i]) + coupling
        assert marginal == pytest.approx(PRICES[j], rel=1e-12)


@pytest.mark.parametrize(("price", "expected"), [(25.0, 0.0), (0.5, 10.0)])
def test_bounds_hold_where_the_price_is_extreme(price: float, expected: float) -> None:
    found = answer(base_case(0.0), np.array([price, 5.0]), np.zeros((3, 2)), 0)
    assert found.bandwidth[0] == expected


def test_binding_delay_takes_the_cheapest_way_to_meet_it() -> None:
    limit = DelayLimit(data=400.0, efficiency=[12.0, 10.0], base_delay=[0.2, 0.3], max_delay=7.0)
    theta = matching_probability(PRICES, [1.0, 1.2])
    settings = {
        "satisfaction": 20.0, "offset": 1.2, "bandwidth_max": 10.0, "prices": PRICES,
        "theta": theta, "social": [0.0, 0.0], "service": np.zeros((2, 2)),
    }  # fmt: skip
    free, bound = best_response(**settings), best_response(**settings, delay=limit)

    def delay(b: np.ndarray) -> float:
        return float(theta @ (400.0 / (b * np.array([12.0, 10.0])) + np.array([0.2, 0.3])))

    assert delay(free.bandwidth) > 7.0
    assert delay(bound.bandwidth) == pytest.approx(7.0, rel=1e-9)
    assert bound.multiplier > 0.0
    found = minimize(
        lambda b: -float(theta @ (20.0 * np.log(b + 1.2) - PRICES * b)),
        bound.bandwidth + 0.5, bounds=[(1e-3, 10.0)] * 2, method="SLSQP",
        constraints={"type": "ineq", "fun": lambda b: 7.0 - delay(b)},
        options={"ftol": 1e-14},
    )  # fmt: skip
    assert bound.bandwidth == pytest.approx(found.x, rel=1e-4)


def test_impossible_delay_takes_all_and_says_so() -> None:
    limit = DelayLimit(data=4000.0, efficiency=[12.0], base_delay=[0.2], max_delay=1.0)
    found = best_response(
        satisfaction=20.0, offset=1.2, bandwidth_max=10.0, prices=[5.0], theta=[1.0],
        social=[0.0], service=[[0.0]], delay=limit,
    )  # fmt: skip
    assert not found.feasible
    assert found.bandwidth.tolist() == [10.0]


def test_an_rsu_that_cannot_be_reached_is_left_out() -> None:
    limit = DelayConstraint.create(
        3, 2, data=100.0, spectral_efficiency=12.0, base_delay=0.2, max_delay=10.0
    )
    profile = follower_profile(with_changes(base_case(), delay=limit), 1)
    found = respond(profile, (2, 9), PRICES, [1.0, 1.0], (), np.zeros((0, 2)))
    assert found.feasible
    assert found.bandwidth[0] > 0.0
    assert found.bandwidth[1] == 0.0
    assert respond(profile, (), [], [], (), np.zeros((0, 0))).bandwidth.shape == (0,)


@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("externality", list(Externality))
@pytest.mark.parametrize("seed", range(3))
def test_nash_equilibrium_is_everyones_best_response(
    seed: int, externality: Externality, delay: bool
) -> None:
    rng = np.random.default_rng(seed)
    game = random_game(rng, n_rsus=2, delay=delay, externality=externality.value)
    prices = rng.uniform(3.0, 9.0, 2)
    found = follower_equilibria(game, prices)
    assert found.converged.all()
    for i in range(game.n_avs):
        best = answer(game, prices, found.demand[0], i)
        reached = own_utility(game, prices, found.demand[0], i, found.demand[0, i])
        assert own_utility(game, prices, found.demand[0], i, best.bandwidth) <= reached + 1e-8


@pytest.mark.parametrize("seed", range(6))
def test_derivatives_match_finite_differences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    game = random_game(rng, n_avs=4, n_rsus=2, delay=bool(seed % 2))
    prices = rng.uniform(4.0, 7.0, 2)
    slopes = follower_equilibria(game, prices).sensitivity()[0]
    for j in range(2):
        step = np.zeros(2)
        step[j] = 1e-5
        up = follower_equilibria(game, prices + step).demand[0]
        down = follower_equilibria(game, prices - step).demand[0]
        assert slopes[:, :, j] == pytest.approx((up - down) / 2e-5, rel=1e-3, abs=1e-5)


def test_uniqueness_is_proven_for_weak_and_not_claimed_for_strong_coupling() -> None:
    assert uniqueness_index(base_case(), PRICES) < 1.0
    assert equilibrium_is_unique(base_case(), PRICES)
    strong = with_changes(base_case(), social=0.6 * (1 - np.eye(3)), bandwidth_max=40.0)
    assert uniqueness_index(strong, PRICES) > 1.0


def test_both_equilibria_of_strong_complements_are_found() -> None:
    """Two AVs that help each other: buying little and buying much are both stable."""
    game = GameInstance.create(
        satisfaction=[10.0, 10.0], offset=[2.0, 2.0], quality=[1.0], cost=[1.0],
        social=0.5, price_max=30.0, bandwidth_max=20.0,
    )  # fmt: skip
    low = follower_equilibria(game, [7.0], "low").demand[0]
    high = follower_equilibria(game, [7.0], "high").demand[0]
    assert high.min() > low.max() + 1.0
    assert not equilibrium_is_unique(game, np.array([7.0]))


def test_the_least_equilibrium_is_not_passed_over() -> None:
    """Prices about the cliff at which low demand ends, where Newton would jump to the high."""
    game = GAMES["cliff"]
    for price, high in ((9.0, False), (8.3, False), (8.17, False), (8.14, True), (7.5, True)):
        found = follower_equilibria(game, [price, price])
        assert found.converged.all()
        demand, crept = found.demand[0], np.zeros((3, 2))
        for _ in range(100_000):  # plain replies from nothing cannot pass it
            before = crept
            crept = np.clip(
                game.satisfaction[:, None] / np.maximum(price - game.social @ crept, 1e-9)
                - game.offset[:, None], 0.0, game.bandwidth_max,
            )  # fmt: skip
            if np.abs(crept - before).max() <= 1e-13:
                break
        assert demand == pytest.approx(crept, abs=1e-6)
        assert (demand.max() == game.bandwidth_max) == high


def test_steps_up_lead_along_the_dominant_eigenvector_to_a_bound() -> None:
    matrix = np.eye(3) - np.array([[0.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.1]])
    direction, room = np.array([1.0, 1.0, 1e-3]), np.array([5.0, 10.0, 10.0])
    newton = np.linalg.solve(matrix, direction)
    assert newton.min() < 0.0  # the radius is above one
    gentle = np.eye(3) - 0.1
    inside = np.linalg.solve(gentle, direction)
    steps = _rising_steps(
        np.stack([matrix, gentle, gentle]), np.stack([direction] * 3),
        np.stack([newton, inside, 100.0 * inside]), np.stack([room] * 3), 1e-12,
    )  # fmt: skip
    assert steps[0][:2] == pytest.approx([5.0, 5.0], rel=1e-3)
    assert steps[0][2] < 0.1
    assert steps[1] == pytest.approx(inside)
    assert (steps[2] / room).max() == pytest.approx(1.0)
