"""Finished cells as arrays: what methods did at each place of a study.

Reward of the system: the sum of all players' utilities, as the paper's episode reward, per round.
Gap: the largest deviation of any player's utility from the equilibrium, relative to it. Payments
from AVs to RSUs cancel in the sum, so that a reward may be right while every price is wrong; the
gap sees that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from veaat_migration.experiments.cells import Cell
from veaat_migration.experiments.declaration import StudyPart
from veaat_migration.experiments.statistics import FloatArray, settled_from

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Runs:
    """One method at one place: a run per seed."""

    results: Sequence[Result]

    @property
    def first(self) -> Result:
        """What does not depend on the seed can be taken from here."""
        return self.results[0]

    @cached_property
    def n_rsus(self) -> int:
        """R."""
        return int(self.first["n_rsus"])

    @cached_property
    def equilibrium(self) -> FloatArray:
        """Utilities in the equilibrium, RSUs then AVs [money], [R + V]."""
        return np.array(self.first["equilibrium"]["utilities"])

    @cached_property
    def steps(self) -> FloatArray:
        """Rounds played in all games when play was looked at, [looks]."""
        return np.array([look["steps"] for look in self.first["evaluations"]], dtype=float)

    @cached_property
    def utilities(self) -> FloatArray:
        """Of play without exploration [money], [runs, looks, R + V]."""
        return self.looked_at("utilities")

    def looked_at(self, name: str) -> FloatArray:
        """Anything that the looks noted, [runs, looks, ...]."""
        return np.array([[look[name] for look in r["evaluations"]] for r in self.results])

    @cached_property
    def rewards(self) -> FloatArray:
        """Of the system without exploration [money], [runs, looks]."""
        found: FloatArray = self.utilities.sum(-1)
        return found

    @cached_property
    def gaps(self) -> FloatArray:
        """Largest relative deviation of any player's utility [-], [runs, looks]."""
        exact = self.equilibrium
        found: FloatArray = np.abs((self.utilities - exact) / np.abs(exact)).max(-1)
        return found

    @cached_property
    def exploring_steps(self) -> FloatArray:
        """Rounds played at the end of every stretch, [stretches]."""
        return np.array(self.first["rollout"]["steps"], dtype=float)

    @cached_property
    def exploring(self) -> FloatArray:
        """Reward of the system while exploring [money], [runs, stretches]."""
        found: FloatArray = np.array([r["rollout"]["utilities"] for r in self.results]).sum(-1)
        return found

    @cached_property
    def best_reward(self) -> float:
        """Of the system in the equilibrium [money]."""
        return float(self.equilibrium.sum())

    @property
    def final_gap(self) -> FloatArray:
        """Of the last look, [runs]."""
        return self.gaps[:, -1]

    @property
    def final_reward(self) -> FloatArray:
        """Of the last look [money], [runs]."""
        return self.rewards[:, -1]

    @property
    def reward_gap(self) -> FloatArray:
        """Relative deviation of the system's final reward from the equilibrium's, [runs]."""
        return np.abs(self.final_reward - self.best_reward) / abs(self.best_reward)

    @property
    def av_reward(self) -> FloatArray:
        """Mean over AVs of the final utilities [money], [runs]."""
        found: FloatArray = self.utilities[:, -1, self.n_rsus :].mean(-1)
        return found

    @property
    def rsu_reward(self) -> FloatArray:
        """Mean over RSUs of the final utilities [money], [runs]."""
        found: FloatArray = self.utilities[:, -1, : self.n_rsus].mean(-1)
        return found

    @property
    def exploitability(self) -> FloatArray:
        """Largest relative gain of any player by deviating from final play [-], [runs]."""
        return np.array([result["final"]["exploitability"] for result in self.results])

    def settled(self, threshold: float) -> FloatArray:
        """Rounds from which on the gap stays within ``threshold``; inf: never, [runs]."""
        found = [settled_from(gaps, threshold) for gaps in self.gaps]
        return np.array([np.inf if k is None else self.steps[k] for k in found])

    def equilibrium_mean(self, quantity: str) -> float:
        """``av_reward`` or ``rsu_reward`` in the equilibrium [money]."""
        if quantity == "rsu_reward":
            return float(self.equilibrium[: self.n_rsus].mean())
        return float(self.equilibrium[self.n_rsus :].mean())

    def fluctuation(self, begin: float, end: float) -> FloatArray:
        """How much rewards jump from stretch to stretch while exploring, [runs].

        Root mean square of second differences, which a steady rise does not have, divided by
        sqrt(6), which makes it the standard deviation of noise; relative to the equilibrium's
        reward.

        Args:
            begin: of the stretches that count, as a share of those in which all players learn.
            end: of them.
        """
        known = self.exploring_steps > self.first["warm_steps"]
        rewards = self.exploring[:, known]
        count = rewards.shape[1]
        part = rewards[:, int(begin * count) : max(int(end * count), int(begin * count) + 3)]
        if part.shape[1] < 3:
            return np.full(len(part), np.nan)
        jumps = np.diff(part, n=2, axis=1)
        scale: float = abs(self.best_reward)
        noise: FloatArray = np.sqrt((jumps**2).mean(1) / 6.0) / scale
        return noise


@dataclass(frozen=True)
class StudyResults:
    """All that is known of a study."""

    study: StudyPart
    labels: Mapping[str, str]
    runs: Mapping[tuple[str, Any], Runs]
    """By method and place; absent where no run is finished."""

    @property
    def places(self) -> tuple[Any, ...]:
        """Values of what varies; a single None where nothing does."""
        axis = self.study.axis
        return (None,) if axis is None else axis[1]

    @property
    def complete(self) -> bool:
        """Whether every method has at least one run at every place."""
        wanted = {(method, place) for method in self.study.methods for place in self.places}
        return wanted <= set(self.runs)

    def at(self, method: str, place: Any = None) -> Runs:
        """Runs of a method; of the first place if ``place`` is None."""
        return self.runs[method, self.places[0] if place is None else place]


def gather(
    study: StudyPart,
    labels: Mapping[str, str],
    cells: Sequence[Cell],
    results: Mapping[str, Result],
) -> StudyResults:
    """Results of a study's cells."""
    found: dict[tuple[str, Any], list[Result]] = {}
    for cell in cells:
        if cell.key in results:
            found.setdefault((cell.method, cell.place), []).append(results[cell.key])
    return StudyResults(study, labels, {at: Runs(tuple(runs)) for at, runs in found.items()})
