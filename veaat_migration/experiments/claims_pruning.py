"""Claims about Fig. 10 and about sparsity."""

from __future__ import annotations

import numpy as np
from scipy import stats

from veaat_migration.experiments.claims import (
    DENSE,
    OURS,
    THRESHOLD,
    Claim,
    Studies,
    Verdict,
    all_of,
    better,
    gap,
    percent,
    points,
    settled_rounds,
    settled_text,
)
from veaat_migration.experiments.results import StudyResults
from veaat_migration.experiments.statistics import estimate, interquartile_mean

SSL, L1, POPS, DROPOUT = "pruning_ssl", "pruning_l1", "pruning_pops", "pruning_dropout"
MARGIN = 0.01
"""Gaps that differ by less count as equally good."""
_LATE = (0.8, 1.0)
_RANKS = {OURS: 1, SSL: 2, DENSE: 3, L1: 4, POPS: 4, DROPOUT: 6}
"""The paper's order, best first."""


def claims(studies: Studies) -> list[Claim]:
    """All of them."""
    pruning = studies["pruning"]
    return [
        _as_good(pruning),
        _accelerates(pruning),
        _ssl(pruning),
        _simple(pruning),
        _dropout(pruning),
        _ranking(pruning),
        _sparse(studies),
    ]


def _as_good(results: StudyResults) -> Claim:
    ours, dense = results.at(OURS), results.at(DENSE)
    found = better(ours.final_gap, dense.final_gap)
    if found.below_zero:
        verdict = Verdict.SUPPORTED
    else:
        verdict = Verdict.DEPENDS if found.high <= MARGIN else Verdict.NOT_SUPPORTED
    return Claim(
        "10",
        "With 85 % of its neurons pruned TinyMA-IEI-PPO is at least as good as unpruned.",
        verdict,
        f"Gap pruned less unpruned: {points(found)}\npruned {gap(ours)}\nunpruned {gap(dense)}",
        f"Depends on what counts as equal: not better, but not worse by {100 * MARGIN:.0f} point."
        if verdict is Verdict.DEPENDS
        else "",
    )


def _accelerates(results: StudyResults) -> Claim:
    ours, dense = results.at(OURS), results.at(DENSE)
    sooner = better(settled_rounds(ours), settled_rounds(dense))
    return Claim(
        "10",
        "Pruning redundant neurons accelerates convergence.",
        Verdict.SUPPORTED if sooner.below_zero else Verdict.NOT_SUPPORTED,
        f"Within {THRESHOLD:.0%} for good\npruned: {settled_text(ours)}\n"
        f"unpruned: {settled_text(dense)}",
        "In rounds played, not in time: pruned networks take less time per round.",
    )


def _ssl(results: StudyResults) -> Claim:
    ssl, ours, dense = results.at(SSL), results.at(OURS), results.at(DENSE)
    slower = better(settled_rounds(ours), settled_rounds(ssl)).below_zero
    best = better(ssl.final_gap, dense.final_gap)
    return Claim(
        "10",
        "SSL converges more slowly but ends better than the unpruned network.",
        all_of([slower, best.below_zero]),
        f"Within {THRESHOLD:.0%} for good: {settled_text(ssl)} "
        f"(TinyMA-IEI-PPO: {settled_text(ours)})\nGap of SSL less unpruned: {points(best)}",
    )


def _simple(results: StudyResults) -> Claim:
    l1, pops, dense = results.at(L1), results.at(POPS), results.at(DENSE)
    apart = better(l1.final_gap, pops.final_gap)
    alike = not (apart.below_zero or apart.above_zero) or abs(apart.value) < MARGIN
    worse = [better(dense.final_gap, each.final_gap).below_zero for each in (l1, pops)]
    return Claim(
        "10",
        "L1 and PoPS are comparable to each other and inferior to the unpruned network.",
        all_of([alike, *worse]),
        f"Largest gap\nL1 {gap(l1)}\nPoPS {gap(pops)}\nunpruned {gap(dense)}",
        f"Comparable: not to be told apart, or within {100 * MARGIN:.0f} point. PoPS prunes late, "
        "since its dense teacher needs most of the iterations.",
    )


def _dropout(results: StudyResults) -> Claim:
    dropout, dense = results.at(DROPOUT), results.at(DENSE)
    noise, calm = dropout.fluctuation(*_LATE), dense.fluctuation(*_LATE)
    return Claim(
        "10",
        "Dropout fluctuates significantly and performs poorly.",
        all_of([
            better(calm, noise).below_zero,
            better(dense.final_gap, dropout.final_gap).below_zero,
        ]),
        f"Noise at last {percent(estimate([noise]))} (unpruned {percent(estimate([calm]))})\n"
        f"Gap {gap(dropout)} (unpruned {gap(dense)})",
        "All ways to prune hand over the work of a removed neuron to those that stay "
        "(compensation); without that they end about twice as far away, or collapse.",
    )  # fmt: skip


def _ranking(results: StudyResults) -> Claim:
    known = [name for name in _RANKS if name in results.study.methods]
    gaps = [float(interquartile_mean(results.at(name).final_gap)) for name in known]
    tau = stats.kendalltau([_RANKS[name] for name in known], gaps).statistic
    order = sorted(zip(gaps, known, strict=True))
    if tau > 0.8:
        verdict = Verdict.SUPPORTED
    else:
        verdict = Verdict.DEPENDS if tau > 0.4 else Verdict.NOT_SUPPORTED
    return Claim(
        "10",
        "Ranking: TinyMA-IEI-PPO, SSL, unpruned, then L1 and PoPS, then Dropout.",
        verdict,
        "Largest gap\n" + "\n".join(f"{results.labels[name]} {100 * g:.2g} %" for g, name in order)
        + f"\nKendall's tau with the paper's order {tau:.2f}",
        "Supported above 0.8, depends above 0.4.",
    )  # fmt: skip


def _sparse(studies: Studies) -> Claim:
    ours, dense = studies["pruning"].at(OURS), studies["pruning"].at(DENSE)
    sparsity = np.array([np.mean(r["final"]["sparsity"]) for r in ours.results])
    ends = estimate([ours.final_gap])
    fewer = 1.0 - np.sum(ours.first["size"]["parameters"]) / np.sum(
        dense.first["size"]["parameters"]
    )
    return Claim(
        "10",
        "Performance close to the equilibrium is kept at 85 % sparsity.",
        all_of([bool(sparsity.min() >= 0.845), bool(ends.high <= THRESHOLD)]),
        f"{sparsity.mean():.1%} of hidden neurons and {fewer:.1%} of all parameters removed\n"
        f"Largest gap {percent(ends)}",
        _frontier(studies),
    )


def _frontier(studies: Studies) -> str:
    results = studies.get("sparsity")
    if results is None or not results.complete:
        return ""
    good = [place for place in results.places
            if estimate([results.at(OURS, place).final_gap]).high <= THRESHOLD]  # fmt: skip
    if not good:
        return f"On the frontier no sparsity keeps all utilities within {THRESHOLD:.0%}."
    return (
        f"Frontier, networks of 200 neurons a layer, shorter runs: within {THRESHOLD:.0%} up "
        f"to {max(good):.0%}."
    )
