"""Small games, each with a trap: where solvers that trust a local optimum go wrong.

``oracle.py`` judges what the solver says about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from veaat_migration.game.instance import DelayConstraint, GameInstance

GOOD = frozenset({"certified", "certified_not_unique"})
NOT_UNIQUE = frozenset({"certified_not_unique"})
ANY = GOOD | {"infeasible_followers", "cycling", "not_converged"}


@dataclass(frozen=True)
class Case:
    """A game, what makes it hard, and which statuses are true of it."""

    name: str
    trap: str
    game: GameInstance
    statuses: frozenset[str] = GOOD
    points: int = 1201
    """Prices per leader that the oracle compares."""
    slow: bool = False
    equilibria: tuple[tuple[float, ...], ...] = field(default=())
    """Prices of equilibria, known from brute force, that the answer must contain."""


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
    Case("symmetric-4", "equal leaders, equal AVs",
         game([12.0] * 3, [0.8] * 3, [1.0] * 4, [2.0] * 4, social=0.02, service=0.01),
         points=401),
    Case("one-av", "V = 1: no social coupling, 1x1 matrices", game([25.0], [0.7], [1, 1.3], [2,
         3.0])),
    Case("one-av-three-rsus", "V = 1, R = 3", game([40.0], [1.5], [1, 1.3, 0.8], [1, 2, 1.5],
         service=0.05)),
    Case("one-by-one", "V = R = 1: theta = 1", game([25.0], [1.2], [1.0], [2.0])),
    Case("monopoly", "R = 1: only a dropout or a bound stops the price", base(quality=[1.0],
         cost=[2.0])),
    Case("random-4x3", "couplings of both signs, c_ij differ", _random(4, 4, 3)),
    Case("random-10x5", "the largest size of the exact bar", _random(7, 10, 5), points=201,
         slow=True),
    Case("own-costs", "c_ij of one AV above the price: the leader pays to serve it",
         base(cost=[[2.0, 2.5], [2.0, 2.5], [7.0, 9.0]])),
    Case("free-leader", "c_j = 0: interval open at 0; and a continuum at a shared kink, such as"
         " (2.80023, 5.05076) and (2.79973, 5.05969)", base(cost=[0.0, 2.5]), NOT_UNIQUE),
    Case("worthless-leader", "theta of one leader near 1", base(quality=[1e-3, 2.0]), points=401),
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
    Case("full-up-to-p-max", "captive demand", game([200.0] * 2, [1.0] * 2, [1, 1.0], [1, 1.0],
         5.0, 2.0)),
    Case("huge-b-max", "b_max that never binds", base(b_max=1e4, social=0.0, service=0.0)),
    Case("negative-offset", "E_i < 0: AVs must buy", base(offset=[-0.5, 0.9, 0.7])),
    Case("all-negative-offsets", "demand inelastic: price rises to p_max", base(offset=[-2.0,
         -1.0, -1.5])),
    Case("zero-offset", "E_i = 0: unit elastic, payoff flat but for the cost", base(offset=[0.0,
         0.0, 0.0])),
]  # fmt: skip

_DROPOUTS = [
    Case("eager-and-modest", "serve six AVs cheaply or one dearly",
         game([60.0] + [5.0] * 5, [2.0] + [1.7] * 5, [1.0], [0.5], b_max=100.0)),
    Case("twin-peaks-monopoly", "a second peak 0.15 % lower",
         game([49.4, 8.2, 37.2, 44.5, 13.7], [0.61, 1.05, 1.81, 1.62, 0.8], [0.93], [2.11],
         b_max=50.0)),
    Case("twin-peaks-kink", "a second peak 0.11 % lower, at a b_max kink",
         game([21.3, 16.7, 51.9, 31.4, 45.8], [2.23, 0.89, 1.04, 1.24, 0.88], [0.74], [2.57],
              social=-0.02)),
    Case("twin-peaks-duopoly", "a second peak 0.5 % lower",
         game([48.2, 6.1, 17.7, 56.5], [1.34, 0.72, 1.48, 1.9], [0.96, 1.4], [2.81, 1.03],
         b_max=25.0,
              social=0.02)),
    Case("partly-left", "an AV buys from two of three RSUs: an equilibrium not to be given up on",
         game([9.908, 21.445], [2.349, 2.037], [0.511, 0.719, 0.822], [3.802, 1.912, 1.136],
              b_max=8.0, social=0.0352,
              service=[[0.0, 0.002, 0.0077], [0.002, 0.0, 0.0088], [0.0077, 0.0088, 0.0]])),
    Case("far-from-the-closed-form", "wide spread: equilibria lie where best answers jump",
         game([24.0, 24.3, 59.3], [1.77, 1.85, 1.16], [1.18, 0.62], [0.44, 2.6], b_max=50.0,
              social=-0.05, service=0.02), points=101, slow=True),
]  # fmt: skip

_COUPLINGS = [
    Case("many-follower-equilibria", "low and high demand at the same price",
         game([20.0] * 3, [1.0] * 3, [1.0], [2.0], social=0.6), points=401, slow=True),
    Case("social-substitutes", "zeta < 0: AVs crowd each other out", base(social=-0.2)),
    Case("social-substitutes-strong", "index of uniqueness far above 1", base(social=-1.0)),
    Case("service-substitutes", "eta < 0 within concavity", base(service=-0.05)),
    Case("service-substitutes-rugged", "own problem not concave at dear prices", base(service=-0.3),
         points=101),
    Case("cycle", "leaders chase each other: two prices in turn for ever",
         game([20.0], [1.2], [1.0, 1.1], [1.0, 1.2], 20.0, 6.0, service=-0.3),
         frozenset({"cycling", "not_converged"}), points=401),
    Case("small-cycle",
         "a substitute's demand leaving b_max bends the payoff upward: no equilibrium,"
         " but prices nobody gains more than a millionth at",
         game([19.0, 7.7, 58.3, 35.1, 39.7], [1.65, 1.45, 0.74, 1.13, 1.97], [1.41, 1.39],
              [2.86, 0.37],
              service=-0.03), frozenset({"cycling", "not_converged"}), points=401, slow=True),
    Case("cliff", "low demand ends where complements feed each other: no best price",
         base(social=0.4, service=0.0), ANY, points=101, slow=True),
    Case("kinks-shared", "an AV at b_max is a kink for both leaders: a continuum of equilibria from"
         " (4.31283, 3.19810) to (4.36948, 3.19080)",
         game([4.5, 31.9], [1.79, 1.04], [1.46, 0.91], [1.75, 0.47], service=0.02),
         NOT_UNIQUE),
    Case("kinks-of-complements", "equal leaders, unequal equilibria: a continuum at b_max",
         game([25.0] * 3, [0.8] * 3, [1.0] * 4, [2.0] * 4, social=0.02, service=0.01),
         NOT_UNIQUE, points=401, slow=True),
]  # fmt: skip

_MULTIPLICATIVE = [
    Case("multiplicative", "couplings scale the satisfaction",
         base(social=1e-3, service=1e-3, externality="multiplicative"), points=401, slow=True),
    Case("multiplicative-substitutes", "negative couplings",
         base(social=-0.01, service=-0.005, externality="multiplicative"), points=401),
    Case("multiplicative-delay", "with a delay limit",
         base(social=1e-3, service=1e-3, externality="multiplicative",
              delay=late(3, 2, [14.0, 16.0, 18.0])), points=401),
]  # fmt: skip

_SECOND = ((4.358623, 5.381211), (30.0, 30.0))
_DELAYS = [
    Case("delay-slack", "never binds", base(delay=late(3, 2, 100.0))),
    Case("delay-captive", "binds at dear prices only: a second equilibrium at p_max",
         base(delay=late(3, 2, [20.0, 24.0, 28.0])), equilibria=_SECOND),
    Case("delay-captive-close", "as before, binds sooner",
         base(delay=late(3, 2, [14.0, 16.0, 18.0])), equilibria=_SECOND, points=401),
    Case("delay-one", "binds for one AV at the equilibrium", base(delay=late(3, 2, [7.0, 30.0,
         30.0])), points=401,
         equilibria=((7.5664, 9.2350), (30.0, 30.0))),
    Case("delay-all", "all captive: everybody asks p_max", base(delay=late(3, 2, 9.0)), points=401,
         equilibria=((30.0, 30.0),)),
    Case("delay-monopoly", "R = 1: the limit is a lower bound of demand",
         base(quality=[1.0], cost=[2.0], delay=late(3, 1, [14.0, 16.0, 18.0]))),
    Case("delay-edge", "feasible with b_max exactly", base(delay=late(3, 2, 400.0 / 120.0 + 0.2)),
         ANY),
    Case("delay-infeasible-one", "one AV misses its limit even with b_max",
         base(delay=late(3, 2, [8.0, 9.0, 1.0], data=[400.0, 400.0, 8000.0])),
         frozenset({"infeasible_followers"})),
    Case("delay-infeasible-all", "all AVs do", base(delay=late(3, 2, 1.0)),
         frozenset({"infeasible_followers"})),
    Case("delay-price-dependent", "feasible or not as theta moves: one RSU is slow",
         base(delay=late(3, 2, 5.0, base_delay=[[0.1, 3.0]] * 3)), ANY, points=401),
]  # fmt: skip

_CAPACITIES = [
    Case("capacity-slack", "never binds", base(capacity=[50.0, 50.0])),
    Case("capacity-binds", "both price at their clearing prices", base(capacity=[4.0, 4.0])),
    Case("capacity-of-one", "one clears, the other is free", base(capacity=[2.0, 50.0])),
    Case("capacity-hopeless", "rationed even at p_max",
         base(offset=[-2.0, -1.0, -1.5], capacity=[1.0, 1.0])),
    Case("capacity-tiny", "p_max before demand clears", base(capacity=[0.05, 0.05])),
    Case("capacity-dropout", "clearing price and a dropout",
         game([60.0] + [5.0] * 5, [2.0] + [1.7] * 5, [1.0], [0.5], b_max=100.0, capacity=[20.0])),
    Case("capacity-own-costs", "rationing and c_ij", base(
        cost=[[2.0, 2.5], [2.0, 2.5], [7.0, 9.0]], capacity=[3.0, 3.0])),
    Case("capacity-delay", "rationing and a delay limit",
         base(capacity=[4.0, 4.0], delay=late(3, 2, [14.0, 16.0, 18.0])), points=401),
]  # fmt: skip

CASES = _PLAIN + _BOUNDS + _DROPOUTS + _COUPLINGS + _MULTIPLICATIVE + _DELAYS + _CAPACITIES

GAMES = {case.name: case.game for case in CASES}
