"""What must hold for every game: symmetries, signs, honest words, and clear refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from games import in_other_money, permuted
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from veaat_migration.errors import VeaatError
from veaat_migration.game.closed_form import uncoupled_prices
from veaat_migration.game.equilibrium import solve
from veaat_migration.game.exploitability import exploitability
from veaat_migration.game.instance import DelayConstraint, GameInstance, InstanceError
from veaat_migration.game.solution import Solution, Status
from veaat_migration.scenario import instance_from_mapping, instance_to_mapping
from veaat_migration.scenario.errors import ScenarioError

FOUND = {Status.CERTIFIED, Status.CERTIFIED_NOT_UNIQUE, Status.INFEASIBLE_FOLLOWERS}
few = settings(
    max_examples=12, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
many = settings(few, max_examples=200)


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Three decimals, as people write them: equal players and round kinks come up often."""
    return st.integers(round(low * 1000), round(high * 1000)).map(lambda n: n / 1000)


@st.composite
def tame(draw: st.DrawFn) -> GameInstance:
    """Weak couplings, no bound in reach, positive offsets: one equilibrium in the interior."""
    v, r = draw(st.integers(1, 4)), draw(st.integers(2, 3))
    return GameInstance.create(
        satisfaction=[draw(numbers(20, 35)) for _ in range(v)],
        offset=[draw(numbers(0.5, 1.0)) for _ in range(v)],
        quality=[draw(numbers(0.8, 1.2)) for _ in range(r)],
        cost=[draw(numbers(2, 4)) for _ in range(r)],
        social=draw(numbers(0, 0.02)) / max(v - 1, 1),
        service=draw(numbers(-0.005, 0.02)) / (r - 1),
        price_max=40.0,
        bandwidth_max=16.0,
    )


@st.composite
def wild(draw: st.DrawFn) -> GameInstance:
    """Anything valid that is small: both signs, own costs, delay, capacity, either externality."""
    v, r = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    multiplicative = draw(st.booleans())
    b_max = draw(st.sampled_from([2.0, 10.0, 30.0]))
    strength = draw(st.sampled_from([0.0, 0.02, 0.1])) / (25.0 if multiplicative else 1.0)

    def coupling(size: int) -> np.ndarray:
        upper = np.zeros((size, size))
        for a in range(size):
            for b in range(a + 1, size):
                upper[a, b] = strength * draw(numbers(-1, 1))
        return upper + upper.T

    delay = None
    if draw(st.booleans()):
        delay = DelayConstraint.create(
            v, r, data=[draw(numbers(0, 800)) for _ in range(v)], spectral_efficiency=12.0,
            base_delay=draw(numbers(0, 1)), max_delay=[draw(numbers(0.5, 40)) for _ in range(v)],
        )  # fmt: skip
    return GameInstance.create(
        satisfaction=[draw(numbers(1, 60)) for _ in range(v)],
        offset=[draw(numbers(0.0 if multiplicative else -1.5, 3)) for _ in range(v)],
        quality=[draw(numbers(0.01, 2)) for _ in range(r)],
        cost=[[draw(numbers(0, 8)) for _ in range(r)] for _ in range(v)],
        social=coupling(v),
        service=coupling(r),
        price_max=draw(st.sampled_from([9.0, 30.0])),
        bandwidth_max=b_max,
        delay=delay,
        externality="multiplicative" if multiplicative else "additive",
        capacity=draw(st.one_of(st.none(), st.lists(numbers(0.1, 30), min_size=r, max_size=r))),
    )


def orders(game: GameInstance, seed: int) -> tuple[list[int], list[int]]:
    rng = np.random.default_rng(seed)
    return rng.permutation(game.n_avs).tolist(), rng.permutation(game.n_rsus).tolist()


@few
@given(tame(), st.integers(0, 999))
def test_players_in_another_order_get_the_same(game: GameInstance, seed: int) -> None:
    rows, columns = orders(game, seed)
    first, second = solve(game), solve(permuted(game, rows, columns))
    assert second.status is first.status
    if first.status is Status.CERTIFIED:
        assert second.prices == pytest.approx(first.prices[columns], rel=1e-7)
        assert second.demand == pytest.approx(first.demand[np.ix_(rows, columns)], rel=1e-6)


@few
@given(wild(), st.integers(0, 999))
def test_an_equilibrium_is_one_in_any_order(game: GameInstance, seed: int) -> None:
    """True also where there are several, of which `solve` may choose another one."""
    rows, columns = orders(game, seed)
    other = permuted(game, rows, columns)
    solution = solve(game, time_limit=2.0)
    assume(solution.status in FOUND)
    gains = exploitability(other, solution.prices[columns], solution.demand[np.ix_(rows, columns)])
    assert gains.largest <= (1e-9 if game.delay is None else 1e-6)


@few
@given(tame(), numbers(0.01, 100.0))
def test_another_money_scales_prices_and_changes_no_demand(game: GameInstance, rate: float) -> None:
    first, second = solve(game), solve(in_other_money(game, rate))
    assert second.status is first.status
    if first.status is Status.CERTIFIED:
        assert second.prices == pytest.approx(first.prices * rate, rel=1e-7)
        assert second.demand == pytest.approx(first.demand, rel=1e-6)
        assert second.leader_utilities == pytest.approx(first.leader_utilities * rate, rel=1e-6)


@few
@given(wild(), numbers(0.01, 100.0))
def test_an_equilibrium_is_one_in_any_money(game: GameInstance, rate: float) -> None:
    solution = solve(game, time_limit=2.0)
    assume(solution.status in FOUND)
    gains = exploitability(in_other_money(game, rate), solution.prices * rate, solution.demand)
    assert gains.largest <= (1e-9 if game.delay is None else 1e-6)


@few
@given(tame())
def test_uncoupled_leaders_ask_the_closed_form(game: GameInstance) -> None:
    game = replace(
        game,
        social=np.zeros_like(game.social),
        service=np.zeros_like(game.service),
        bandwidth_max=1e3,
    )
    solution = solve(game)
    assert solution.status is Status.CERTIFIED
    assume(bool(np.all(solution.demand > 0.0)))
    assert solution.prices == pytest.approx(uncoupled_prices(game), rel=1e-8)


def check(game: GameInstance, solution: Solution) -> None:
    """Everything that an answer of any status promises."""
    gains = solution.exploitability
    assert gains is not None
    assert np.all(gains.leaders.absolute >= 0.0)
    assert np.all(gains.followers >= 0.0)
    assert np.isfinite(gains.largest)
    assert gains.largest >= 0.0
    if solution.status in FOUND:
        assert gains.largest <= (1e-9 if game.delay is None else 1e-6)
    assert (solution.status is Status.INFEASIBLE_FOLLOWERS) <= bool(solution.infeasible_followers)
    low = np.maximum(game.price_min, 1e-6 * game.price_max)
    assert np.all((solution.prices >= low * (1 - 1e-12)) & (solution.prices <= game.price_max))
    assert np.all((solution.demand >= 0.0) & (solution.demand <= game.bandwidth_max))
    assert np.all(solution.demand + game.offset[:, None] >= 0.0)
    assert solution.matching.sum() == pytest.approx(1.0)
    for other in solution.other_equilibria:
        assert other.prices.shape == (game.n_rsus,)
        assert other.demand.shape == (game.n_avs, game.n_rsus)
    json.dumps(solution.to_mapping(), allow_nan=False)


@settings(few, max_examples=20)
@given(wild())
@example(GameInstance.create(satisfaction=[1.0], offset=[0.0], quality=[1.0], cost=[0.0],
                             price_max=1.0, bandwidth_max=1.0))  # fmt: skip
def test_any_valid_game_gets_an_honest_answer(game: GameInstance) -> None:
    check(game, solve(game, time_limit=2.0))


@settings(few, max_examples=30)
@given(wild())
def test_any_valid_game_survives_its_file_format(game: GameInstance) -> None:
    text = json.dumps(instance_to_mapping(game), allow_nan=False)
    again = instance_from_mapping(json.loads(text))
    assert again.satisfaction == pytest.approx(game.satisfaction, abs=0.0)
    assert again.cost == pytest.approx(game.cost, abs=0.0)
    assert again.price_max == game.price_max


GOOD: dict[str, Any] = {
    "satisfaction": [20.0, 25.0],
    "offset": [1.0, 0.8],
    "quality": [1.0, 1.2],
    "cost": [2.0, 2.5],
    "social": 0.02,
    "service": [[0.0, 0.02], [0.02, 0.0]],
    "price_max": 30.0,
    "bandwidth_max": 10.0,
    "externality": "additive",
    "capacity": [10.0, 12.0],
}
NAN, INF = float("nan"), float("inf")
BAD: dict[str, list[Any]] = {
    "satisfaction": [[], [0.0, 1.0], [-1.0, 1.0], [NAN, 1.0], [1.0, INF], "20", None, 3.0, [[1],
         [2, 3]]],
    "offset": [[1.0, 2.0, 3.0], [NAN, 1.0], [-10.0, 1.0], ["a", 1.0], None, {}],
    "quality": [[], [0.0, 1.0], [1.0, -1.0], [1.0, NAN], None],
    "cost": [[-1.0, 2.0], [30.0, 2.0], [NAN, 2.0], [1.0, 2.0, 3.0], [[1.0, 2.0]] * 3, None],
    "social": [[[0.0, 0.1], [0.2, 0.0]], [[0.1, 0.0], [0.0, 0.1]], [0.1, 0.1], NAN, "x", np.eye(3)],
    "service": [[[0.0, 0.1], [0.2, 0.0]], [[0.1, 0.0], [0.0, 0.1]], [[0.0, INF], [INF, 0.0]],
         [[0.0]]],
    "price_max": [0.0, -1.0, NAN, INF, 2.5, None, "dear", [30.0, 40.0]],
    "bandwidth_max": [0.0, -1.0, NAN, INF, None, [10.0, 10.0]],
    "externality": ["", "sum", None, 3],
    "capacity": [[0.0, 1.0], [-1.0, 1.0], [1.0, 2.0, 3.0], [NAN, 1.0], "full"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_an_invalid_game_is_refused_by_name(field: str, value: Any) -> None:
    names = {
        "satisfaction": ("delta",), "offset": ("E", "b_max"), "quality": ("q",),
        "cost": ("c", "p_max"), "social": ("zeta",), "service": ("eta",), "price_max": ("p_max",),
        "bandwidth_max": ("b_max",), "externality": ("externality",), "capacity": ("capacity",),
    }  # fmt: skip
    GameInstance.create(**GOOD)
    with pytest.raises(InstanceError) as caught:
        GameInstance.create(**(GOOD | {field: value}))
    assert str(caught.value).startswith(names[field])


json_like = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
FILE: dict[str, Any] = {
    "V": 2, "R": 2, "delta": [20.0, 25.0], "E": [1.0, 0.8], "q": [1.0, 1.2], "c": [2.0, 2.5],
    "zeta": 0.02, "eta": 0.02, "p_max": 30.0, "b_max": 10.0, "externality": "additive",
    "capacity": None, "delay": {"D": 400.0, "s": 12.0, "T0": 0.2, "Tmax": 20.0},
}  # fmt: skip


@many
@given(st.sampled_from([*FILE, "unknown"]), json_like)
def test_any_value_in_a_file_is_taken_or_refused_in_words(key: str, value: Any) -> None:
    accepted_or_refused(FILE | {key: value})


@many
@given(st.sampled_from(["D", "s", "T0", "Tmax", "unknown"]), json_like)
def test_any_delay_in_a_file_is_taken_or_refused_in_words(key: str, value: Any) -> None:
    accepted_or_refused(FILE | {"delay": FILE["delay"] | {key: value}})


@many
@given(json_like)
def test_any_content_of_a_file_is_taken_or_refused_in_words(content: Any) -> None:
    accepted_or_refused(content)


@pytest.mark.parametrize("key", ["V", "R", "delta", "E", "q", "c", "p_max", "b_max"])
def test_a_missing_key_is_named(key: str) -> None:
    content = {name: value for name, value in FILE.items() if name != key}
    if key in {"V", "R"}:
        instance_from_mapping(content)  # known from the other arrays
        return
    with pytest.raises(ScenarioError, match=key):
        instance_from_mapping(content)


def accepted_or_refused(content: Any) -> None:
    try:
        game = instance_from_mapping(content)
    except VeaatError as refused:
        words = str(refused)
    else:
        words = f"a game of {game.n_avs} x {game.n_rsus}"
    assert len(words.split()) > 2
