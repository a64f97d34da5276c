"""Players that are killed and come back: no hang, no wrong charge, convergence again."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ros

CLOSE = 0.01
"""Relative distance of every utility from the exact equilibrium."""
STEADY = 30
"""Rounds in a row that count as convergence."""


class Rounds:
    """What the monitor says about the rounds."""

    def __init__(self, listener: Any) -> None:
        from veaat_migration import msg
        from veaat_migration.nodes import qos

        self._all = listener.listen("round_status", msg.RoundStatus, qos.ANSWERS)

    @property
    def last(self) -> int:
        return self._all[-1].round if self._all else 0

    def count(self, rsu_ids: list[int], av_ids: list[int], since: int) -> int:
        """Rounds after ``since`` in which exactly these players took part."""
        return sum(
            (list(r.rsu_ids), list(r.av_ids)) == (rsu_ids, av_ids)
            for r in list(self._all)
            if r.round > since
        )

    def converged(self, since: int) -> bool:
        latest = [r for r in list(self._all) if r.round > since][-STEADY:]
        return len(latest) == STEADY and all(
            r.complete and r.max_utility_deviation < CLOSE for r in latest
        )


def test_a_killed_rsu_and_a_killed_av_rejoin(
    start_plan: Callable[..., Any],
    start_node: Callable[..., Any],
    listener: Any,
    wait_until: Callable[..., None],
    tmp_path: Path,
):
    from veaat_migration.analysis.audit import audit
    from veaat_migration.analysis.reading import read_bag
    from veaat_migration.bringup.plan import Options, make_plan
    from veaat_migration.bringup.scenarios import find_scenario
    from veaat_migration.scenario import load_game

    instance = load_game(find_scenario("base"))
    options = Options(rounds=0, period=0.01, bag=str(tmp_path / "bag"))
    rounds = Rounds(listener)
    nodes = start_plan(instance, options)
    wait_until(lambda: rounds.converged(since=0), "the game converges")

    for name in ("rsu_1", "av_2"):
        nodes[name].send(signal.SIGKILL)
    killed_at = rounds.last
    wait_until(
        lambda: rounds.count([2], [1, 3], since=killed_at) >= 20, "the others go on without them"
    )

    plan = {node.name: node for node in make_plan(instance, options).nodes}
    for name in ("rsu_1", "av_2"):
        nodes[name] = start_node(plan[name].executable, name, **plan[name].parameters)
    back_at = rounds.last
    wait_until(lambda: rounds.count([1, 2], [1, 2, 3], since=back_at) >= 1, "they take part again")
    joined_at = rounds.last
    wait_until(lambda: rounds.converged(since=joined_at), "the game converges again")

    recorder = nodes.pop("recorder")
    for node in nodes.values():
        node.send(signal.SIGINT)
    assert {name: node.end() for name, node in nodes.items()} == dict.fromkeys(nodes, 0)
    recorder.send(signal.SIGINT)
    assert recorder.end() == 0

    recording = read_bag(tmp_path / "bag")
    checked = audit(recording)
    assert checked.settlements > 100
    assert not checked.counts, checked.examples
    settlements = [received.message for received in recording.messages["settlements"]]
    settled = Counter((s.rsu_id, s.round) for s in settlements)
    assert max(settled.values()) == 1, "a round is settled once, whatever the life of the RSU"
    sessions = {s.session for s in settlements if s.rsu_id == 1}
    assert len(sessions) == 2
