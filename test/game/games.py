"""Games for the tests: the canonical base case, random ones, and known traps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from veaat_migration.game.instance import DelayConstraint, FloatArray, GameInstance

Order = list[int] | npt.NDArray[np.int64]


def base_case(coupling: float = 0.02) -> GameInstance:
    """3 AVs x 2 RSUs of docs/model.md."""
    return GameInstance.create(
        satisfaction=[20.0, 25.0, 30.0],
        offset=np.e - np.array([1.5, 1.8, 2.0]),
        quality=[1.0, 1.2],
        cost=[2.0, 2.5],
        social=coupling,
        service=coupling,
        price_max=30.0,
        bandwidth_max=10.0,
    )


def symmetric(matrix: np.ndarray) -> np.ndarray:
    upper = np.triu(matrix, 1)
    return upper + upper.T


def random_game(
    rng: np.random.Generator,
    *,
    n_avs: int | None = None,
    n_rsus: int | None = None,
    strength: float = 1.0,
    delay: bool = False,
    externality: str = "additive",
) -> GameInstance:
    """A game with couplings of both signs; strength 1 is that of the base case."""
    v = n_avs or int(rng.integers(1, 11))
    r = n_rsus or int(rng.integers(1, 6))
    social = symmetric(rng.uniform(-0.2, 1.0, (v, v))) * 0.04 * strength / max(v - 1, 1)
    service = symmetric(rng.uniform(-1.0, 1.0, (r, r))) * 0.02 * strength / max(r - 1, 1)
    limit = None
    if delay:
        data = rng.uniform(200.0, 800.0, v)
        efficiency = rng.uniform(8.0, 14.0, (v, r))
        base = rng.uniform(0.1, 0.6, (v, r))
        shortest = (data[:, None] / (10.0 * efficiency) + base).max(axis=1)
        limit = DelayConstraint.create(
            v, r, data=data, spectral_efficiency=efficiency, base_delay=base,
            max_delay=shortest * rng.uniform(1.2, 3.0, v),
        )  # fmt: skip
    return GameInstance.create(
        satisfaction=rng.uniform(12.0, 35.0, v),
        offset=np.e - rng.uniform(0.8, 2.4, v),
        quality=rng.uniform(0.5, 1.6, r),
        cost=rng.uniform(1.0, 5.0, (v, r)),
        social=social / (25.0 if externality == "multiplicative" else 1.0),
        service=service / (25.0 if externality == "multiplicative" else 1.0),
        price_max=30.0,
        bandwidth_max=10.0,
        delay=limit,
        externality=externality,
    )


def with_changes(game: GameInstance, **changes: object) -> GameInstance:
    """The same game with some fields replaced."""
    fields: dict[str, object] = {
        "satisfaction": game.satisfaction,
        "offset": game.offset,
        "quality": game.quality,
        "cost": game.cost,
        "social": game.social,
        "service": game.service,
        "price_max": game.price_max,
        "bandwidth_max": game.bandwidth_max,
        "delay": game.delay,
        "externality": game.externality,
        "capacity": game.capacity,
    }
    return GameInstance.create(**(fields | changes))  # type: ignore[arg-type]


def dropout_game(seed: int) -> GameInstance:
    """AVs of very different means: leaders may serve all cheaply or a few dearly."""
    rng = np.random.default_rng(seed)
    v, r = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    return GameInstance.create(
        satisfaction=rng.uniform(3, 60, v),
        offset=rng.uniform(0.5, 2.5, v),
        quality=rng.uniform(0.5, 1.5, r),
        cost=rng.uniform(0.3, 3.0, r),
        price_max=30.0,
        bandwidth_max=float(rng.choice([10, 50])),
    )


def permuted(game: GameInstance, rows: Order, columns: Order) -> GameInstance:
    """The same game with AVs and RSUs in another order."""
    delay = game.delay
    if delay is not None:
        delay = DelayConstraint(
            delay.data[rows],
            delay.spectral_efficiency[np.ix_(rows, columns)],
            delay.base_delay[np.ix_(rows, columns)],
            delay.max_delay[rows],
        )
    return replace(
        game,
        satisfaction=game.satisfaction[rows],
        offset=game.offset[rows],
        quality=game.quality[columns],
        cost=game.cost[np.ix_(rows, columns)],
        social=np.array(game.social)[np.ix_(rows, rows)],
        service=np.array(game.service)[np.ix_(columns, columns)],
        delay=delay,
        capacity=None if game.capacity is None else game.capacity[columns],
    )


def in_other_money(game: GameInstance, rate: float) -> GameInstance:
    """Only delta, c, zeta, eta and p_max carry money; multiplicative couplings do not."""
    coupled = rate if game.externality.value == "additive" else 1.0
    return replace(
        game,
        satisfaction=game.satisfaction * rate,
        cost=game.cost * rate,
        social=game.social * coupled,
        service=game.service * coupled,
        price_max=game.price_max * rate,
    )


def own_worth(
    *, satisfaction: float, offset: float, service: FloatArray, prices: FloatArray,
    theta: FloatArray, multiplicative: bool,
) -> Callable[[FloatArray], FloatArray]:  # fmt: skip
    """An AV's own utility (Eq. 9 without social couplings) as a function of demands [..., R]."""

    def worth(b: FloatArray) -> FloatArray:
        coupling, logs = b @ service, np.log(b + offset)
        if multiplicative:
            inner = satisfaction * (1.0 + coupling) * logs
        else:
            inner = satisfaction * logs + coupling * b
        utility: FloatArray = (theta * (inner - prices * b)).sum(axis=-1)
        return utility

    return worth
