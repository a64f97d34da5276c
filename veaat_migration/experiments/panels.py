"""What each kind of figure shows, as numbers: panels of series, for pictures and tables alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from veaat_migration.experiments.declaration import (
    LEARNING,
    SIZES,
    SPARSITY,
    STRATEGIES,
    UTILITIES,
    FigurePart,
)
from veaat_migration.experiments.results import Runs, StudyResults
from veaat_migration.experiments.statistics import FloatArray, curve
from veaat_migration.game.instance import FloatArray as Array

ROUNDS = "Rounds played [thousand]"
AXES = {"n_avs": "Number of AVs $V$", "n_rsus": "Number of RSUs $R$",
        "pruning.sparsity": "Hidden neurons removed [%]"}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """One line."""

    label: str
    x: FloatArray
    runs: FloatArray
    """[runs, places]"""
    style: int
    """Number of its colour, dashes and marker."""
    reference: FloatArray | None = None
    """The equilibrium's values, drawn as a line of the same colour, [places]."""

    @property
    def estimates(self) -> FloatArray:
        """Interquartile mean, low and high, [3, places]."""
        return curve(self.runs)


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    name: str
    """In tables."""
    x: str
    y: str
    series: tuple[Series, ...]
    equilibrium: tuple[FloatArray, FloatArray] | None = None
    """Places and values of the equilibrium, drawn as a line of its own."""
    log: bool = False
    points: bool = False
    """Few places: markers and bars instead of bands."""
    shaded: tuple[float, float] | None = None
    """Where only AVs learn."""
    timed: bool = False
    """Another run of the same seeds measures other numbers: tables of their own."""
    iterations: float | None = None
    """Rounds of an iteration, for a second axis [same unit as x]."""


def panels_of(figure: FigurePart, results: StudyResults) -> list[Panel]:
    """The panels of a figure."""
    makers: dict[str, Callable[[FigurePart, StudyResults], list[Panel]]] = {
        LEARNING: _learning,
        UTILITIES: _utilities,
        STRATEGIES: _strategies,
        SIZES: _sizes,
        SPARSITY: _sparsity,
    }
    return makers[figure.kind](figure, results)


def _methods(figure: FigurePart, results: StudyResults) -> list[tuple[int, str]]:
    wanted = figure.methods or results.study.methods
    return [(k, name) for k, name in enumerate(results.study.methods) if name in wanted]


def _shaded(runs: Runs) -> tuple[float, float]:
    return 0.0, runs.first["warm_steps"] / 1e3


def _learning(figure: FigurePart, results: StudyResults) -> list[Panel]:
    methods = [(k, results.labels[name], results.at(name)) for k, name in _methods(figure, results)]
    reference = methods[0][2]
    ends = np.array([0.0, reference.steps[-1] / 1e3])
    line = (ends, np.full(2, reference.best_reward))
    iteration = reference.steps[-1] / reference.first["iterations"] / 1e3
    shaded = _shaded(reference)
    return [
        Panel(
            "reward_exploring", ROUNDS, "Episode reward [money]\nwhile exploring",
            tuple(Series(n, r.exploring_steps / 1e3, r.exploring, k) for k, n, r in methods),
            line, shaded=shaded, iterations=iteration,
        ),
        Panel(
            "reward", ROUNDS, "Episode reward [money]\nwithout exploration",
            tuple(Series(n, r.steps / 1e3, r.rewards, k) for k, n, r in methods),
            line, shaded=shaded,
        ),
        Panel(
            "gap_percent", ROUNDS, "Largest utility gap\nto equilibrium [%]",
            tuple(Series(n, r.steps / 1e3, _percent(r.gaps), k) for k, n, r in methods),
            log=True, shaded=shaded,
        ),
    ]  # fmt: skip


def _utilities(figure: FigurePart, results: StudyResults) -> list[Panel]:
    runs = results.at(_methods(figure, results)[0][1])
    rsus = runs.n_rsus
    return [
        _players(runs, "rsu_utility", "RSU", "Utility of RSUs [money]", runs.utilities[..., :rsus],
                 runs.equilibrium[:rsus]),
        _players(runs, "av_utility", "AV", "Utility of AVs [money]", runs.utilities[..., rsus:],
                 runs.equilibrium[rsus:]),
    ]  # fmt: skip


def _strategies(figure: FigurePart, results: StudyResults) -> list[Panel]:
    runs = results.at(_methods(figure, results)[0][1])
    exact = runs.first["equilibrium"]
    return [
        _players(runs, "price", "RSU", "Price [money/MHz]", runs.looked_at("prices"),
                 np.array(exact["prices"])),
        _players(runs, "demand", "AV", "Demand at all RSUs [MHz]",
                 runs.looked_at("demand").sum(-1), np.array(exact["demand"]).sum(-1)),
    ]  # fmt: skip


def _players(runs: Runs, name: str, kind: str, label: str, values: Array, exact: Array) -> Panel:
    """A line per player; ``values`` [runs, looks, players], ``exact`` [players]."""
    series = tuple(
        Series(
            f"{kind} {k + 1}", runs.steps / 1e3, values[..., k],
            k if kind == "RSU" else k + runs.n_rsus, np.full(len(runs.steps), exact[k]),
        )
        for k in range(values.shape[-1])
    )  # fmt: skip
    return Panel(name, ROUNDS, label, series, shaded=_shaded(runs))


def _sizes(figure: FigurePart, results: StudyResults) -> list[Panel]:
    quantity = figure.quantity
    methods = [(k, name) for k, name in _methods(figure, results)]
    label = AXES.get(_axis(results), _axis(results))
    places = np.array(results.places, dtype=float)
    exact = np.array([
        results.at(methods[0][1], place).equilibrium_mean(quantity) for place in results.places
    ])  # fmt: skip

    def series(value: Callable[[Runs], Array]) -> tuple[Series, ...]:
        return tuple(
            Series(results.labels[name], places, _by_place(results, name, value), k)
            for k, name in methods
        )

    who = "AVs" if quantity == "av_reward" else "RSUs"

    def reward(runs: Runs) -> Array:
        return runs.av_reward if quantity == "av_reward" else runs.rsu_reward

    def gap(runs: Runs) -> Array:
        right = runs.equilibrium_mean(quantity)
        return _percent(np.abs(reward(runs) - right) / abs(right))

    return [
        Panel(quantity, label, f"Average reward of {who}\n[money]", series(reward),
              (places, exact), points=True),
        Panel("gap_percent", label, "Its distance from\nthe equilibrium [%]", series(gap),
              log=True, points=True),
    ]  # fmt: skip


def _sparsity(figure: FigurePart, results: StudyResults) -> list[Panel]:
    (number, name), *_ = _methods(figure, results)
    x = 100.0 * np.array([
        np.mean([np.mean(r["final"]["sparsity"]) for r in results.at(name, place).results])
        for place in results.places
    ])  # fmt: skip
    label = AXES.get(_axis(results), _axis(results))

    def panel(
        key: str,
        text: str,
        value: Callable[[Runs], Array],
        *,
        log: bool = True,
        timed: bool = False,
    ) -> Panel:
        series = Series(results.labels[name], x, _by_place(results, name, value), number)
        return Panel(key, label, text, (series,), log=log, points=True, timed=timed)

    return [
        panel("reward_gap_percent", "Distance of the reward\nfrom the equilibrium [%]",
              lambda runs: _percent(runs.reward_gap)),
        panel("exploitability_percent", "Exploitability [%]",
              lambda runs: _percent(runs.exploitability)),
        panel("parameters", "Parameters\nof an AV's actor", lambda runs: np.array(
            [float(r["size"]["parameters"][-1]) for r in runs.results])),
        panel("decision_time", "Time of an AV's\ndecision [µs]", lambda runs: np.array(
            [r["times"]["decision_us"] for r in runs.results]), log=False, timed=True),
    ]  # fmt: skip


def _axis(results: StudyResults) -> str:
    axis = results.study.axis
    assert axis is not None  # the declaration is checked for it
    return axis[0]


def _by_place(results: StudyResults, name: str, value: Callable[[Runs], Array]) -> Array:
    """Values [runs, places]; as many runs as the place with the fewest has."""
    columns: Sequence[Array] = [value(results.at(name, place)) for place in results.places]
    count = min(len(column) for column in columns)
    return np.stack([column[:count] for column in columns], axis=1)


def _percent(values: Array) -> Array:
    return 100.0 * values
