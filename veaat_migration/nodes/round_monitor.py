"""The node that sees the whole game: who earns what, and how far that is from equilibrium.

Simulation and analysis only: it knows every player's private data, which no player does.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.publisher import Publisher
from std_msgs.msg import String

from veaat_migration import msg
from veaat_migration.analysis.history import History
from veaat_migration.analysis.metrics import Utilities, deviations, utilities_of
from veaat_migration.errors import VeaatError
from veaat_migration.game.instance import GameInstance
from veaat_migration.nodes import process, qos
from veaat_migration.nodes.common_parameters import EXECUTOR
from veaat_migration.nodes.connections import publish_on, subscribe_to
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.player import NAMESPACE
from veaat_migration.nodes.process import ManagedNode
from veaat_migration.nodes.progress import Progress
from veaat_migration.nodes.round_book import Account, RoundBook, SettledRound
from veaat_migration.nodes.specification import (
    Kind,
    ParameterError,
    ParameterSpec,
    integer,
    text,
)
from veaat_migration.scenario.instance_file import instance_from_mapping

PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "instance", Kind.STRING, "the game as JSON, the plain format of 'veaat solve --help'"
    ),
    ParameterSpec(
        "rounds", Kind.INTEGER, "rounds that will be played, for the display; 0: endless", 0,
        minimum=0,
    ),
    ParameterSpec(
        "equilibrium",
        Kind.BOOL,
        "solve the game to tell how far from equilibrium the players are; games of more than "
        "60 pairs of RSU and AV take from seconds to hours",
        True,
    ),
    ParameterSpec(
        "progress_every",
        Kind.INTEGER,
        "without a terminal a line is written every this many rounds; 0: a tenth of rounds",
        0,
        minimum=0,
    ),
    ParameterSpec(
        "end_when_closed",
        Kind.BOOL,
        "end when all RSUs have left the game; false: wait for new ones",
        True,
    ),
    EXECUTOR,
)  # fmt: skip

TICK = 0.2
"""Time between two looks at the clock [s]."""
SILENCE = 5.0
"""An RSU that has not told its status for this long is gone [s]."""
LINGER = 0.5
"""Time after the last RSU has closed for its last messages to arrive [s]."""


class RoundMonitor(ManagedNode):
    """Listens to ``settlements`` and ``node_status``; publishes ``round_status``."""

    def __init__(self) -> None:
        """Read the parameters of :data:`PARAMETERS`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        super().__init__("round_monitor", namespace=NAMESPACE)
        values = declare(self, PARAMETERS)
        self.executor_name = text(values, EXECUTOR.name)
        self._instance = parse_instance(text(values, "instance"))
        rounds = integer(values, "rounds")
        every = integer(values, "progress_every") or max(rounds // 10, 10)
        self._progress = Progress(sys.stdout, rounds, every)
        self._book = RoundBook(self._instance.n_avs, self._instance.n_rsus)
        self._stamp = Stamper(self)
        self._equilibrium: Utilities | None = None
        self._leaders: dict[int, tuple[int, float]] = {}
        self._closed_at = math.inf
        self._end_when_closed = bool(values["end_when_closed"])

        self._rounds = publish_on(self, msg.RoundStatus, "round_status", qos.ANSWERS)
        self._game = publish_on(self, String, "game_instance", qos.LATCHED)
        self._game.publish(String(data=text(values, "instance")))
        subscribe_to(self, msg.Settlement, "settlements", qos.ANSWERS, self._on_settlement)
        subscribe_to(self, msg.NodeStatus, "node_status", qos.ANSWERS, self._on_status)
        self.create_timer(TICK, self._on_tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        if values["equilibrium"]:
            threading.Thread(target=self._solve, daemon=True).start()

    def publishers_to_flush(self) -> Sequence[Publisher]:
        """The record wants every round."""
        return (self._rounds, self._game)

    def leave(self) -> None:
        """Tell the rounds that were under way."""
        for settled in self._book.take(time.monotonic(), everything=True):
            self._tell(settled)
        self._progress.close()

    def _on_settlement(self, settlement: msg.Settlement) -> None:
        stamp = settlement.header.stamp
        end = stamp.sec + stamp.nanosec * 1e-9
        account = Account(
            settlement.rsu_id,
            settlement.round,
            settlement.price,
            settlement.av_ids,
            settlement.bandwidth,
            start=end - settlement.duration,
            end=end,
        )
        for settled in self._book.add(account, time.monotonic()):
            self._tell(settled)

    def _on_status(self, status: msg.NodeStatus) -> None:
        if status.role == msg.NodeStatus.ROLE_LEADER:
            self._leaders[status.player_id] = (status.state, time.monotonic())

    def _on_tick(self) -> None:
        now = time.monotonic()
        for settled in self._book.take(now):
            self._tell(settled)
        if self.ended or not self._end_when_closed:
            return
        if not self._all_closed(now):
            self._closed_at = math.inf
        elif now >= self._closed_at + LINGER:
            self.leave()
            self.end()
        else:
            self._closed_at = min(self._closed_at, now)

    def _all_closed(self, now: float) -> bool:
        """Whether an RSU has closed and none is left that has not."""
        finished = msg.NodeStatus.STATE_FINISHED
        states = self._leaders.values()
        return any(state == finished for state, _ in states) and all(
            state == finished or now > heard + SILENCE for state, heard in states
        )

    def _tell(self, settled: SettledRound) -> None:
        utilities = utilities_of(self._instance, _history(settled))
        deviation = math.nan
        if self._equilibrium is not None:
            both = (
                deviations(utilities.rsu, self._equilibrium.rsu),
                deviations(utilities.av, self._equilibrium.av),
            )
            deviation = float(np.nanmax(np.abs(np.concatenate(both, axis=1)), initial=0.0))
        self._rounds.publish(self._message(settled, utilities, deviation))
        self._progress.update(settled, deviation)

    def _message(
        self, settled: SettledRound, utilities: Utilities, deviation: float
    ) -> msg.RoundStatus:
        rsus = np.flatnonzero(np.isfinite(settled.prices))
        avs = np.flatnonzero(np.isfinite(settled.demand).any(axis=1))
        message = msg.RoundStatus(
            round=settled.round,
            complete=settled.complete,
            rsu_ids=(rsus + 1).tolist(),
            av_ids=(avs + 1).tolist(),
            prices=settled.prices[rsus].tolist(),
            demand=np.nan_to_num(settled.demand[np.ix_(avs, rsus)]).ravel().tolist(),
            utility_rsu=utilities.rsu[0, rsus].tolist(),
            utility_av=utilities.av[0, avs].tolist(),
            max_utility_deviation=deviation,
            duration=settled.end - settled.start,
        )
        self._stamp(message.header)
        return message

    def _solve(self) -> None:
        """Find the equilibrium without delaying the game that is starting meanwhile."""
        if sys.platform == "linux":
            # On Linux a priority is that of a thread.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        from veaat_migration.game.equilibrium import solve

        try:
            solution = solve(self._instance, certify=False)
        except VeaatError as error:
            self.get_logger().warning(f"no equilibrium to compare with: {error}")
            return
        self._equilibrium = Utilities(rsu=solution.leader_utilities, av=solution.follower_utilities)


def parse_instance(content: str) -> GameInstance:
    """The game of the parameter ``instance``.

    Raises:
        ParameterError: not JSON.
        VeaatError: not a game.
    """
    try:
        mapping: Any = json.loads(content)
    except json.JSONDecodeError as error:
        raise ParameterError(f"instance: not JSON: {error}") from error
    return instance_from_mapping(mapping)


def _history(settled: SettledRound) -> History:
    n_avs, n_rsus = settled.demand.shape
    return History(
        rounds=np.array([settled.round]),
        rsu_ids=np.arange(1, n_rsus + 1),
        av_ids=np.arange(1, n_avs + 1),
        prices=settled.prices[None],
        demand=settled.demand[None],
        start=np.array([settled.start]),
        end=np.array([settled.end]),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow a game until its end or a signal; the exit status."""
    return process.run(lambda: [RoundMonitor()], arguments)


if __name__ == "__main__":
    sys.exit(main())
