"""Claims about Figs. 3 to 5: learning in the base case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veaat_migration.experiments.claims import (
    OURS,
    THRESHOLD,
    Claim,
    Studies,
    Verdict,
    all_of,
    better,
    chance,
    gap,
    listed,
    percent,
    points,
    settled_rounds,
    settled_text,
    verdict_against,
)
from veaat_migration.experiments.results import StudyResults
from veaat_migration.experiments.statistics import estimate

_MAPPO = "mappo"
_EARLY, _LATE = (0.0, 0.2), (0.8, 1.0)
"""Parts of the time in which all players learn."""


def claims(studies: Studies) -> list[Claim]:
    """All of them."""
    base = studies["base"]
    others = [name for name in base.study.methods if name != OURS]
    weak = [name for name in others if name != _MAPPO]
    return [
        _faster(base, others),
        _fluctuates(base),
        _closest(base, others),
        _stays(base),
        *([_mappo(base)] if _MAPPO in others else []),
        _weaker(base, weak),
        _thousand(base),
    ]


def _faster(base: StudyResults, others: Sequence[str]) -> Claim:
    ours = settled_rounds(base.at(OURS))
    sooner = {name: better(ours, settled_rounds(base.at(name))) for name in others}
    texts = {name: settled_text(base.at(name)) for name in [OURS, *others]}
    return Claim(
        "3",
        "TinyMA-IEI-PPO converges significantly faster than the five baselines.",
        verdict_against(sooner),
        f"All utilities within {THRESHOLD:.0%} of the equilibrium for good after\n"
        + listed(base, [OURS, *others], texts),
        "In rounds played. Every method gets the two stages of training (AVs first) without which "
        "this game is not learned.",
    )


def _fluctuates(base: StudyResults) -> Claim:
    ours = base.at(OURS)
    early, late = ours.fluctuation(*_EARLY), ours.fluctuation(*_LATE)
    checks = [better(late, early).below_zero]
    effect = (
        f"Noise of the reward while exploring, relative to the equilibrium's: "
        f"{percent(estimate([early]))} at first,\n{percent(estimate([late]))} at last"
    )
    if (_MAPPO, None) in base.runs:
        theirs = base.at(_MAPPO).fluctuation(*_EARLY)
        checks.append(better(theirs, early).below_zero)
        effect += f"\nMAPPO at first: {percent(estimate([theirs]))}"
    return Claim(
        "3",
        "Its rewards fluctuate strongly at first, because of the exploration incentive.",
        all_of(checks),
        effect,
        "How much rewards fluctuate is mostly the schedule of the exploration noise, which is the "
        "same for all. The claim needs early above late, and above MAPPO, which has no incentive.",
    )


def _closest(base: StudyResults, others: Sequence[str]) -> Claim:
    ours = base.at(OURS)
    below = {name: better(ours.final_gap, base.at(name).final_gap) for name in others}
    texts = {name: gap(base.at(name)) for name in [OURS, *others]}
    return Claim(
        "3",
        "It comes closest to the Stackelberg equilibrium of all methods.",
        verdict_against(below),
        "Largest utility gap\n" + listed(base, [OURS, *others], texts),
        "Judged by the largest gap of any player's utility. The reward of the system is nearly "
        "blind: payments cancel in it.",
    )


def _stays(base: StudyResults) -> Claim:
    ours = base.at(OURS)
    tail = max(2, len(ours.steps) // 5)
    worst = ours.gaps[:, -tail:].max(1)
    return Claim(
        "3",
        "It keeps this approximation once it is reached.",
        all_of([bool((worst <= THRESHOLD).all())]),
        f"Largest gap in the last fifth of training: {percent(estimate([worst]))}, "
        f"worst run {worst.max():.2%}",
    )


def _mappo(base: StudyResults) -> Claim:
    ours, theirs = base.at(OURS), base.at(_MAPPO)
    worse = better(ours.final_gap, theirs.final_gap)
    stuck = estimate([theirs.final_gap])
    return Claim(
        "3",
        "MAPPO converges fast and stably, but to a local optimum worse than TinyMA-IEI-PPO.",
        Verdict.SUPPORTED if worse.below_zero else Verdict.NOT_SUPPORTED,
        f"Gap of TinyMA-IEI-PPO less that of MAPPO: {points(worse)}\nMAPPO ends at "
        f"{percent(stuck)}\nA run of TinyMA-IEI-PPO is closer than one of MAPPO with probability "
        f"{chance(ours.final_gap, theirs.final_gap)}",
        f"MAPPO within {THRESHOLD:.0%} for good: {settled_text(theirs)}. A gap of a few per cent "
        "is no local optimum: exploitability is in the table below.",
    )


def _weaker(base: StudyResults, weak: Sequence[str]) -> Claim:
    ours = base.at(OURS)
    slower, noisier, farther = [], [], []
    for name in weak:
        theirs = base.at(name)
        slower.append(better(settled_rounds(ours), settled_rounds(theirs)).below_zero)
        noisier.append(better(ours.fluctuation(*_LATE), theirs.fluctuation(*_LATE)).below_zero)
        farther.append(better(ours.final_gap, theirs.final_gap).below_zero)
    effect = "\n".join(
        f"{base.labels[name]}: {'slower' if s else 'not slower'}, "
        f"{'noisier' if n else 'not noisier'}, {'farther' if f else 'not farther'}"
        for name, s, n, f in zip(weak, slower, noisier, farther, strict=True)
    )
    return Claim(
        "3",
        "MAA2C, MAA3C, Greedy and Random converge more slowly, fluctuate more and deviate more.",
        all_of([*slower, *noisier, *farther]),
        effect,
        "Fluctuation is compared over the last fifth of training.",
    )


def _thousand(base: StudyResults) -> Claim:
    ours = base.at(OURS)
    per_iteration = ours.steps[-1] / ours.first["iterations"]
    parts = []
    for threshold in (0.05, 0.01):
        found = ours.settled(threshold)
        reached = np.isfinite(found)
        count = f"{np.median(found[reached]) / per_iteration:.0f}" if reached.any() else "-"
        parts.append(f"within {threshold:.0%} after {count} iterations "
                     f"({reached.sum()} of {len(found)} runs)")  # fmt: skip
    always = bool(np.isfinite(ours.settled(THRESHOLD)).all())
    return Claim(
        "4, 5",
        "Utilities, prices and demands converge after about 1000 iterations.",
        Verdict.DEPENDS if always else Verdict.NOT_SUPPORTED,
        "\n".join(parts),
        f"An iteration here is {per_iteration:,.0f} rounds of the game with all gradient steps on "
        "them; the paper does not say what one of its iterations is, so the count cannot be "
        "compared. That they converge can.",
    )
