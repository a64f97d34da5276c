"""What the diagnostics say about a learned policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veaat_migration.nodes.health import Level
from veaat_migration.nodes.policy_health import PolicyView, assess_policy, policy_section
from veaat_migration.policy.interface import PolicyReport
from veaat_migration.policy.learned import Reason

PLAYING = PolicyReport(version=7, sha256="ab" * 32, decisions=100, fallbacks={"history": 4})
VIEW = PolicyView(report=PLAYING, runtime="numpy", accepted=1)


@pytest.mark.parametrize(
    ("changes", "level", "message"),
    [
        ({}, Level.OK, "plays version 7, abababababab"),
        ({"problem": "policy_path: gone"}, Level.ERROR, "policy: policy_path: gone"),
        (
            {"refusals": {"older": 2}, "last_refusal": "too old"},
            Level.WARN,
            "refused 2 policies, the last: too old",
        ),
        (
            {"report": replace(PLAYING, fallbacks={"history": 4, "players": 3})},
            Level.WARN,
            "answers left to the best response: 3 because players",
        ),
        (
            {"report": PolicyReport(fallbacks={"no policy": 9})},
            Level.WARN,
            "no policy is loaded; the best response answers",
        ),
    ],
)
def test_what_changed_since_the_last_look_is_judged(
    changes: dict[str, object], level: Level, message: str
):
    health = assess_policy(replace(VIEW, **changes), VIEW)  # type: ignore[arg-type]
    assert (health.level, health.message) == (level, message)


def test_an_incomplete_history_at_the_start_is_no_reason_to_worry():
    begun = replace(VIEW, report=replace(PLAYING, fallbacks={Reason.HISTORY.value: 4}))
    assert assess_policy(begun, None).level is Level.OK
    again = replace(begun, report=replace(PLAYING, fallbacks={Reason.HISTORY.value: 8}))
    assert assess_policy(again, begun).level is Level.WARN


def test_all_counters_are_shown():
    shown = policy_section(replace(VIEW, refusals={"older": 2, "size": 0}), None).values
    assert shown["refused older"] == 2
    assert "refused size" not in shown
    assert shown["fallback because history"] == 4
    assert (shown["version"], shown["decisions"], shown["fallbacks"]) == (7, 100, 4)
