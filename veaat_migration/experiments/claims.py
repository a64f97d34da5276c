"""Claims of the paper's Section VI and how the measurements bear on them.

Verdicts follow rules, not taste: a method counts as better than another where the 95 % interval of
the difference of interquartile means excludes zero. What five seeds cannot tell apart supports no
claim of a difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from veaat_migration.experiments.results import Runs, StudyResults
from veaat_migration.experiments.statistics import (
    Estimate,
    FloatArray,
    difference,
    estimate,
    probability_smaller,
)

OURS = "tiny_ma_iei_ppo"
DENSE = "ma_iei_ppo"
THRESHOLD = 0.05
"""Within this of the equilibrium, a player's utility counts as close."""

Studies = Mapping[str, StudyResults]


class Verdict(str, Enum):
    """What the measurements say of a claim."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    DEPENDS = "depends"


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper against our numbers."""

    figure: str
    text: str
    verdict: Verdict
    effect: str
    """How large, with intervals; one line each."""
    remark: str = ""


def judged(studies: Studies) -> list[Claim]:
    """Every claim whose studies are complete."""
    from veaat_migration.experiments import claims_learning, claims_pruning, claims_sizes

    found: list[Claim] = []
    for module, needed in (
        (claims_learning, ("base",)),
        (claims_sizes, ("avs", "rsus")),
        (claims_pruning, ("pruning",)),
    ):
        if all(name in studies and studies[name].complete for name in needed):
            found += module.claims(studies)
    return found


def better(left: FloatArray, right: FloatArray) -> Estimate:
    """By how much ``left`` is smaller (which is better): negative; one number per run each."""
    return difference([left], [right])


def verdict_against(differences: Mapping[str, Estimate]) -> Verdict:
    """Of the claim to be below all others.

    Supported: below every one of them. Not supported: above some one, or below none. Depends:
    below some, and not to be told apart from others.
    """
    below = [each.below_zero for each in differences.values()]
    if all(below):
        return Verdict.SUPPORTED
    if not any(below) or any(each.above_zero for each in differences.values()):
        return Verdict.NOT_SUPPORTED
    return Verdict.DEPENDS


def all_of(checks: Sequence[bool]) -> Verdict:
    """Supported if all hold, not supported if none does."""
    if all(checks):
        return Verdict.SUPPORTED
    return Verdict.DEPENDS if any(checks) else Verdict.NOT_SUPPORTED


def percent(found: Estimate) -> str:
    """A share with its interval."""
    if not np.isfinite(found.value):
        return "too few rounds to tell"
    return f"{100 * found.value:.3g} % [{100 * found.low:.3g}, {100 * found.high:.3g}]"


def points(found: Estimate) -> str:
    """A difference of shares in percentage points, with its interval."""
    return f"{100 * found.value:+.3g} points [{100 * found.low:+.3g}, {100 * found.high:+.3g}]"


def chance(left: FloatArray, right: FloatArray) -> str:
    """Probability that a run of ``left`` is smaller."""
    return f"{100 * probability_smaller([left], [right]).value:.0f} %"


def gap(runs: Runs) -> str:
    """The final gap in words."""
    return percent(estimate([runs.final_gap]))


def listed(results: StudyResults, methods: Sequence[str], value: Mapping[str, str]) -> str:
    """Values of several methods, a line each."""
    return "\n".join(f"{results.labels[name]}: {value[name]}" for name in methods)


def settled_rounds(runs: Runs, threshold: float = THRESHOLD) -> FloatArray:
    """Rounds until settled; twice the run where it never does, so that runs can be ranked."""
    found = runs.settled(threshold)
    return np.where(np.isfinite(found), found, 2.0 * runs.steps[-1])


def settled_text(runs: Runs, threshold: float = THRESHOLD) -> str:
    """When runs settle, in words."""
    found = runs.settled(threshold)
    reached = np.isfinite(found)
    if not reached.any():
        return "never"
    middle = np.median(found[reached]) / 1e3
    some = "" if reached.all() else f" in {reached.sum()} of {len(found)} runs"
    return f"{middle:.0f}k rounds{some}"
