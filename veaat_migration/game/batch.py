"""Equilibria of many games of one shape at once, for studies and for learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.arrays import Array, functions
from veaat_migration.game.capacity import expected_load
from veaat_migration.game.equilibrium import solve
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.kernel import Cases
from veaat_migration.game.quasi_newton import local_prices, uncoupled_start
from veaat_migration.game.solution import Status
from veaat_migration.game.stack import GameStack, covers, stack_games
from veaat_migration.game.uniqueness import provably_unique

_CHUNK = 4_000_000
"""Entries of V * R * V * R or V * R * R arrays handled at once."""


@dataclass(frozen=True)
class BatchSolution:
    """Local equilibria of B games; :func:`veaat_migration.game.equilibrium.solve` certifies one."""

    prices: FloatArray
    """p, [B, R]"""
    demand: FloatArray
    """What AVs ask for, [B, V, R]"""
    delivered_share: FloatArray
    """[B, R]"""
    leader_utilities: FloatArray
    """[B, R]"""
    follower_utilities: FloatArray
    """[B, V]"""
    converged: npt.NDArray[np.bool_]
    """Whether the leaders' conditions came to rest, [B]; at shared kinks some may still gain"""
    followers_unique: npt.NDArray[np.bool_]
    """Whether the AVs' equilibrium at these prices is proven unique, [B]"""


def solve_batch(games: Sequence[GameInstance] | GameStack, *, device: Any = None) -> BatchSolution:
    """Solve many games of one shape at once, each from the uncoupled closed form.

    The answers are local and not certified: ``converged`` says where no leader gains by a small
    change of its price (but for tiny gains at kinks that several leaders share). Games with a
    delay constraint or multiplicative couplings are solved one after the other.

    Args:
        games: B games with the same numbers of AVs and RSUs, all with capacities or none; or
            their stack, whose numbers may then come from anywhere.
        device: a torch device such as "cuda" or "cpu" to compute on; None computes with numpy.

    Raises:
        ValueError: the games differ in shape.
    """
    if isinstance(games, GameStack):
        return _solve_stack(games, device)
    if not games:
        raise ValueError("no games to solve")
    if all(covers(game) for game in games):
        return _solve_stack(stack_games(games), device)
    if len({(game.n_avs, game.n_rsus) for game in games}) > 1:
        raise ValueError("all games of a batch need the same numbers of AVs and RSUs")
    each = [solve(game, certify=False) for game in games]
    names = [item.name for item in fields(BatchSolution) if item.name != "converged"]
    return BatchSolution(
        converged=np.array([one.status is not Status.NOT_CONVERGED for one in each]),
        **{name: np.stack([getattr(one, name) for one in each]) for name in names},
    )


def _solve_stack(stack: GameStack, device: Any) -> BatchSolution:
    size = max(1, _CHUNK // (stack.n_avs * stack.n_rsus) ** 2)
    parts = []
    for start in range(0, len(stack.cost), size):
        part = stack.take(np.arange(start, min(start + size, len(stack.cost))))
        parts.append(_solve_part(part if device is None else _to_torch(part, device)))
    return BatchSolution(
        *(
            np.concatenate([_to_numpy(getattr(part, item.name)) for part in parts])
            for item in fields(BatchSolution)
        )
    )


def _solve_part(stack: GameStack) -> BatchSolution:
    xp = functions(stack.cost)
    found = local_prices(stack, uncoupled_start(stack))
    prices, demand = found.prices, found.demand
    converged = found.converged
    if not bool(converged.all()):
        failed = ~converged
        some = stack.take(failed)
        again = local_prices(some, xp.sqrt(some.price_low * some.price_high))
        prices[failed], demand[failed] = again.prices, again.demand
        converged[failed] = again.converged
    cases = Cases(stack, prices)
    theta, p = cases.theta, prices[:, None, :]
    share = xp.ones_like(theta)
    if stack.capacity is not None:
        load = expected_load(theta, demand)
        share = stack.capacity / xp.maximum(load, stack.capacity)
    sold = demand * share[:, None, :]
    usable = sold + stack.offset
    satisfied = stack.satisfaction * xp.log(xp.where(usable > 0.0, usable, np.nan))
    coupling = stack.others_social(sold) + sold @ stack.service
    earned = (theta[:, None, :] * (satisfied + (coupling - p) * sold)).sum(-1)
    return BatchSolution(
        prices=prices,
        demand=demand,
        delivered_share=share,
        leader_utilities=theta * (sold * (p - stack.cost)).sum(1),
        follower_utilities=xp.where(earned == earned, earned, -np.inf),
        converged=converged,
        followers_unique=provably_unique(cases),
    )


def _to_torch(stack: GameStack, device: Any) -> GameStack:
    try:
        import torch
    except ImportError as error:
        raise ValueError("a device needs torch: pip install torch") from error

    def moved(value: Any) -> Any:
        return torch.as_tensor(value, device=device) if isinstance(value, np.ndarray) else value

    social = stack.social
    if hasattr(social, "toarray"):
        stack = replace(stack, social=social.toarray()[None])
    return replace(
        stack, **{item.name: moved(getattr(stack, item.name)) for item in fields(GameStack)}
    )


def _to_numpy(array: Array) -> Any:
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()
