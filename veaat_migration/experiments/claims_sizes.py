"""Claims about Figs. 6 to 9: more AVs, more RSUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from veaat_migration.experiments.claims import OURS, Claim, Studies, Verdict, percent
from veaat_migration.experiments.results import Runs, StudyResults
from veaat_migration.experiments.statistics import (
    FloatArray,
    Sample,
    difference,
    estimate,
    interquartile_mean,
)

_FIGURES = {"6": ("avs", "av_reward"), "8": ("avs", "rsu_reward"),
            "7": ("rsus", "av_reward"), "9": ("rsus", "rsu_reward")}  # fmt: skip


def claims(studies: Studies) -> list[Claim]:
    """All of them."""
    avs, rsus = studies["avs"], studies["rsus"]
    return [
        _closest(studies),
        _trend(
            "6", "AVs' average reward falls as there are more AVs for limited RSUs.", avs, -1,
            "av_reward", Verdict.DEPENDS,
            "Needs RSUs with limited capacity, which the model of the paper does not have: without "
            "it nothing makes an AV worse off when others come, and the curve is flat or rises.",
        ),
        _total(avs),
        _trend(
            "7", "AVs' average reward grows with the number of RSUs, and ever more slowly.", rsus,
            1, "av_reward", Verdict.DEPENDS,
            "Needs service couplings that are shared out among RSUs; with the same coupling for "
            "every pair the curve falls again from 5 RSUs on.",
            tapering=True,
        ),
        _trend(
            "8", "RSUs' average reward grows very sharply with the number of AVs.", avs, 1,
            "rsu_reward", Verdict.SUPPORTED,
            "It grows with and without limited capacity; only with it for the paper's reason, "
            "rising prices, and then more slowly than the number of AVs once capacity is sold out.",
        ),
        _trend(
            "9", "RSUs' average reward falls with the number of RSUs.", rsus, -1, "rsu_reward",
            Verdict.SUPPORTED, "Holds for every way of coupling and with and without capacity.",
        ),
    ]  # fmt: skip


def _value(quantity: str) -> Callable[[Runs], FloatArray]:
    return lambda runs: runs.av_reward if quantity == "av_reward" else runs.rsu_reward


def _distance(results: StudyResults, method: str, quantity: str) -> Sample:
    """Relative distance of a quantity from the equilibrium's, one array of runs per place."""
    found = []
    for place in results.places:
        runs = results.at(method, place)
        right = runs.equilibrium_mean(quantity)
        found.append(np.abs(_value(quantity)(runs) - right) / abs(right))
    return found


def _closest(studies: Studies) -> Claim:
    verdicts, effects = [], []
    for figure, (study, quantity) in sorted(_FIGURES.items()):
        results = studies[study]
        others = [name for name in results.study.methods if name != OURS]
        ours = _distance(results, OURS, quantity)
        found = {n: difference(ours, _distance(results, n, quantity)) for n in others}
        beaten = [results.labels[n] for n, each in found.items() if not each.below_zero]
        verdicts.append(not beaten)
        best = min(others, key=lambda n: estimate(_distance(results, n, quantity)).value)
        effects.append(
            f"Fig. {figure}: {percent(estimate(ours))}, best other {results.labels[best]} "
            f"{percent(estimate(_distance(results, best, quantity)))}"
            + (f", not farther: {', '.join(beaten)}" if beaten else "")
        )
    if all(verdicts):
        verdict = Verdict.SUPPORTED
    else:
        verdict = Verdict.DEPENDS if any(verdicts) else Verdict.NOT_SUPPORTED
    return Claim(
        "6-9",
        "TinyMA-IEI-PPO is closest to the equilibrium for all numbers of AVs and RSUs.",
        verdict,
        "Distance of the average reward from the equilibrium's, over all sizes\n"
        + "\n".join(effects),
        "Sizes are strata: runs are resampled within each.",
    )


def _trend(
    figure: str,
    text: str,
    results: StudyResults,
    sign: int,
    quantity: str,
    if_seen: Verdict,
    remark: str,
    *,
    tapering: bool = False,
) -> Claim:
    value = _value(quantity)
    runs = [results.at(OURS, place) for place in results.places]
    exact = [each.equilibrium_mean(quantity) for each in runs]
    learned = [float(interquartile_mean(value(each))) for each in runs]
    seen = _goes(exact, sign, tapering) and _goes(learned, sign, tapering)
    places = ", ".join(map(str, results.places))
    return Claim(
        figure,
        text,
        if_seen if seen else Verdict.NOT_SUPPORTED,
        f"At {places}: \nlearned {_numbers(learned)}\nequilibrium {_numbers(exact)}",
        remark,
    )


def _goes(values: Sequence[float], sign: int, tapering: bool) -> bool:
    steps = sign * np.diff(values)
    return bool((steps > 0).all() and (not tapering or (np.diff(steps) < 0).all()))


def _total(avs: StudyResults) -> Claim:
    runs = [avs.at(OURS, place) for place in avs.places]
    counts = [len(each.equilibrium) - each.n_rsus for each in runs]
    totals = [
        n * float(interquartile_mean(each.av_reward)) for n, each in zip(counts, runs, strict=True)
    ]
    exact = [n * each.equilibrium_mean("av_reward") for n, each in zip(counts, runs, strict=True)]
    kept = min(totals) >= 0.8 * totals[0]
    return Claim(
        "6",
        "Social effects and complementary services keep the AVs' total reward from falling "
        "sharply.",
        Verdict.DEPENDS if kept else Verdict.NOT_SUPPORTED,
        f"Total at {', '.join(map(str, avs.places))}: \nlearned {_numbers(totals)}\n"
        f"equilibrium {_numbers(exact)}",
        "It does not fall sharply where more AVs share the same capacity by value; couplings are "
        "not the reason: with capacity sold out, stronger ones only raise prices."
        if kept
        else "Below 80 % of the total with the fewest AVs counts as sharp.",
    )


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
