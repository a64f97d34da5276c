"""Verdicts follow the numbers, in every direction."""

from collections.abc import Callable

import pytest

from veaat_migration.experiments.claims import Claim, Verdict, judged, verdict_against
from veaat_migration.experiments.results import StudyResults
from veaat_migration.experiments.statistics import Estimate

Make = Callable[[dict[str, float]], dict[str, StudyResults]]
BELOW, ABOVE, EVEN = (Estimate(v, v - 1, v + 1) for v in (-2.0, 2.0, 0.0))
PAPERS_ORDER = {
    "tiny_ma_iei_ppo": 0.002, "pruning_ssl": 0.01, "ma_iei_ppo": 0.02, "pruning_l1": 0.04,
    "pruning_pops": 0.041, "pruning_dropout": 0.2,
}  # fmt: skip


def claim(claims: list[Claim], start: str) -> Claim:
    (found,) = [each for each in claims if each.text.startswith(start)]
    return found


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([BELOW, BELOW], Verdict.SUPPORTED),
        ([BELOW, EVEN], Verdict.DEPENDS),
        ([BELOW, ABOVE], Verdict.NOT_SUPPORTED),
        ([EVEN, EVEN], Verdict.NOT_SUPPORTED),
    ],
)
def test_being_below_all_others(differences: list[Estimate], verdict: Verdict) -> None:
    assert verdict_against({str(k): d for k, d in enumerate(differences)}) is verdict


def test_where_ours_is_best_the_paper_is_right(studies_with: Make) -> None:
    claims = judged(studies_with(PAPERS_ORDER))
    for start in (
        "It comes closest", "It keeps", "MAPPO converges", "TinyMA-IEI-PPO is closest",
        "With 85 %", "Ranking", "Dropout", "L1 and PoPS", "Performance close",
        "RSUs' average reward grows", "RSUs' average reward falls",
    ):  # fmt: skip
        assert claim(claims, start).verdict is Verdict.SUPPORTED, start
    for start in ("AVs' average reward falls", "AVs' average reward grows", "Utilities, prices"):
        assert claim(claims, start).verdict is Verdict.DEPENDS, start


def test_where_ours_is_worst_it_is_not(studies_with: Make) -> None:
    worst = {"tiny_ma_iei_ppo": 0.5, "ma_iei_ppo": 0.01, "pruning_dropout": 0.005,
             "pruning_ssl": 0.3}  # fmt: skip
    claims = judged(studies_with(worst))
    for start in (
        "It comes closest", "It keeps", "MAPPO converges", "TinyMA-IEI-PPO is closest",
        "With 85 %", "Ranking", "Dropout", "Pruning redundant", "TinyMA-IEI-PPO converges",
        "Utilities, prices",
    ):  # fmt: skip
        assert claim(claims, start).verdict is Verdict.NOT_SUPPORTED, start
    assert claim(claims, "Performance close").verdict is Verdict.DEPENDS  # sparse, but far


def test_as_good_but_not_better_depends(studies_with: Make) -> None:
    claims = judged(studies_with({"tiny_ma_iei_ppo": 0.012, "ma_iei_ppo": 0.01}))
    found = claim(claims, "With 85 %")
    assert found.verdict is Verdict.DEPENDS
    assert "not worse by 1 point" in found.remark


def test_what_was_not_run_is_not_judged(studies_with: Make) -> None:
    studies = studies_with({})
    assert judged({}) == []
    assert {c.figure for c in judged({"base": studies["base"]})} == {"3", "4, 5"}
    assert {c.figure for c in judged({"pruning": studies["pruning"]})} == {"10"}
    partly = {"avs": studies["avs"], "pruning": studies["pruning"]}
    assert {c.figure for c in judged(partly)} == {"10"}


def test_every_claim_says_what_was_measured(studies_with: Make) -> None:
    for each in judged(studies_with({})):
        assert each.effect
        assert "nan" not in each.effect
