"""Small games, each with a trap: where solvers that trust a local optimum go wrong.

``oracle.py`` judges what the solver says about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from veaat_migration.game.instance import DelayConstraint, GameInstance

GOOD = frozenset({"certified", "certified_not_unique"})
ANY = GOOD | {"infeasible_followers", "cycling", "not_converged"}


@dataclass(frozen=True)
class Case:
    """A game, what makes it hard, and which statuses are true of it."""

    name: str
    trap: str
    game: GameInstance
    statuses: frozenset[str] = GOOD
    points: int = 2001
    """Prices per leader that the oracle compares."""
    slow: bool = False
    equilibria: tuple[tuple[float, ...], ...] = field(default=())
    """Prices of equilibria known by hand or by brute force."""


def game(
    delta: Any, offset: Any, quality: Any, cost: Any, p_max: float = 30.0, b_max: float = 10.0,
    **rest: Any,
) -> GameInstance:  # fmt: skip
    """A game from its arrays, in the order in which docs/model.md introduces them."""
    return GameInstance.create(
        satisfaction=delta, offset=offset, quality=quality, cost=cost,
        price_max=p_max, bandwidth_max=b_max, **rest,
    )  # fmt: skip


def base(**changes: Any) -> GameInstance:
    """3 AVs x 2 RSUs of docs/model.md with some arguments replaced."""
    arguments: dict[str, Any] = {
        "delta": [20.0, 25.0, 30.0],
        "offset": np.e - np.array([1.5, 1.8, 2.0]),
        "quality": [1.0, 1.2],
        "cost": [2.0, 2.5],
        "social": 0.02,
        "service": 0.02,
    }
    return game(**(arguments | changes))


def late(
    n_avs: int, n_rsus: int, max_delay: Any, data: Any = 400.0, base_delay: Any = 0.2
) -> DelayConstraint:
    """A delay limit with 12 bit/s/Hz everywhere."""
    return DelayConstraint.create(
        n_avs, n_rsus, data=data, spectral_efficiency=12.0, base_delay=base_delay,
        max_delay=max_delay,
    )  # fmt: skip


def _random(seed: int, v: int, r: int, strength: float = 1.0, **rest: Any) -> GameInstance:
    rng = np.random.default_rng(seed)
    social = np.triu(rng.uniform(-0.2, 1.0, (v, v)), 1) * 0.04 * strength / max(v - 1, 1)
    service = np.triu(rng.uniform(-1.0, 1.0, (r, r)), 1) * 0.02 * strength / max(r - 1, 1)
    return game(
        rng.uniform(12.0, 35.0, v), np.e - rng.uniform(0.8, 2.4, v), rng.uniform(0.5, 1.6, r),
        rng.uniform(1.0, 5.0, (v, r)), social=social + social.T, service=service + service.T,
        **rest,
    )  # fmt: skip


_PLAIN = [
    Case("base", "none: the canonical case", base(), frozenset({"certified"})),
    Case("uncoupled", "closed form is exact", base(social=0.0, service=0.0)),
    Case("symmetric-2", "equal leaders must get equal prices", base(quality=[1, 1], cost=[2, 2])),
    Case(
        "symmetric-4",
        "equal leaders, equal AVs",
        game([25.0] * 3, [0.8] * 3, [1.0] * 4, [2.0] * 4, social=0.02, service=0.01),
    ),
    Case("one-av", "V = 1: no social coupling, 1x1 matrices", game([25.0], [0.7], [1, 1.3], [2, 3.0])),
    Case("one-av-three-rsus", "V = 1, R = 3", game([40.0], [1.5], [1, 1.3, 0.8], [1, 2, 1.5], service=0.05)),
    Case("one-by-one", "V = R = 1: theta = 1", game([25.0], [1.2], [1.0], [2.0])),
    Case("monopoly", "R = 1: only a dropout or a bound stops the price", base(quality=[1.0], cost=[2.0])),
    Case("random-4x3", "couplings of both signs, c_ij differ", _random(4, 4, 3)),
    Case("random-10x5", "the largest size of the exact bar", _random(7, 10, 5), points=201, slow=True),
    Case("own-costs", "c_ij of one AV above the price: the leader pays to serve it",
         base(cost=[[2.0, 2.5], [2.0, 2.5], [7.0, 9.0]])),
    Case("free-leader", "c_j = 0: the price interval is open at 0", base(cost=[0.0, 2.5])),
    Case("worthless-leader", "theta of one leader near 1", base(quality=[1e-3, 2.0])),
    Case("pennies", "large money unit", base(delta=[2e4, 2.5e4, 3e4], cost=[2e3, 2.5e3], p_max=3e4,
         social=20.0, service=20.0)),
    Case("millions", "small money unit", base(delta=[2e-5, 2.5e-5, 3e-5], cost=[2e-6, 2.5e-6],
         p_max=3e-5, social=2e-8, service=2e-8)),
]  # fmt: skip

_BOUNDS = [
    Case("low-p-max", "p_max below every interior optimum", base(p_max=4.0)),
    Case("p-max-between", "p_max binds for one leader only", base(p_max=5.0)),
    Case("cost-near-p-max", "price interval of a thousandth", base(cost=[29.97, 2.5])),
    Case("both-costs-near-p-max", "hardly any demand left", base(cost=[29.9, 29.95])),
    Case("small-b-max", "AVs full at most prices: payoff has a kink", base(b_max=1.5)),
    Case("kink-of-one", "one AV full, others not", base(delta=[20.0, 25.0, 90.0], b_max=6.0)),
    Case("full-up-to-p-max", "captive demand", game([200.0] * 2, [1.0] * 2, [1, 1.0], [1, 1.0], 5.0, 2.0)),
    Case("huge-b-max", "b_max that never binds", base(b_max=1e4, social=0.0, service=0.0)),
    Case("negative-offset", "E_i < 0: AVs must buy", base(offset=[-0.5, 0.9, 0.7])),
    Case("all-negative-offsets", "demand inelastic: price rises to p_max", base(offset=[-2.0, -1.0, -1.5])),
    Case("zero-offset", "E_i = 0: unit elastic, payoff flat but for the cost", base(offset=[0.0, 0.0, 0.0])),
]  # fmt: skip

_DROPOUTS = [
    Case(
        "eager-and-modest",
        "serve six AVs cheaply or one dearly",
        game([60.0] + [5.0] * 5, [2.0] + [1.7] * 5, [1.0], [0.5], b_max=100.0),
    ),
]

CASES = _PLAIN + _BOUNDS + _DROPOUTS
