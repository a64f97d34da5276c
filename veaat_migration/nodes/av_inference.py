"""The inference node of one AV: a learned policy bids, the best response where it cannot."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.publisher import Publisher
from rclpy.timer import Timer

from veaat_migration.nodes import process
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.health import Section
from veaat_migration.nodes.inference import InferenceNode
from veaat_migration.nodes.inference_parameters import AV_INFERENCE
from veaat_migration.nodes.limited_follower import best_response
from veaat_migration.nodes.migration_output import MigrationOutput
from veaat_migration.nodes.profile_parameters import (
    config_from_parameters,
    follower_from_parameters,
)
from veaat_migration.nodes.specification import number
from veaat_migration.nodes.topics import FollowerTopics
from veaat_migration.nodes.vehicle_inputs import VehicleInputs, make_vehicle_state
from veaat_migration.policy.migration import MigrationPlanner
from veaat_migration.policy.slot import FollowerSlot
from veaat_migration.protocol.config import FollowerConfig, check_follower
from veaat_migration.protocol.follower import FollowerMachine
from veaat_migration.protocol.messages import Bid

LOOK_PERIOD = 1.0
"""Longest time between two looks whether rounds still come [s]."""


class AvInference(InferenceNode[FollowerMachine]):
    """Plays an AV with a learned policy."""

    role = "follower"

    def __init__(self, name: str = "av_inference", **node_options: Any) -> None:
        """Read the parameters of :mod:`veaat_migration.nodes.inference_parameters`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        super().__init__(name, AV_INFERENCE, **node_options)

    def _read_profile(self) -> None:
        self._given = follower_from_parameters(self.values)
        self._config = config_from_parameters(FollowerConfig, self.values)
        check_follower(self._given)
        self._state = make_vehicle_state(self.values, self._given)
        self._planner = MigrationPlanner(self._given)
        self._answering, self._limits = self._state.profile, self._state.rsu_ids
        self._known = -1
        """State of the vehicle that decisions are made with."""
        self._inputs: VehicleInputs | None = None
        self._output: MigrationOutput | None = None
        self._idle: Timer | None = None

    def _agent(self) -> tuple[int, tuple[float, float]]:
        return self._given.av_id, (0.0, self._given.bandwidth_max)

    def _make_topics(self, stamp: Stamper) -> FollowerTopics:
        self._output = MigrationOutput(self, stamp, self._given.av_id)
        self._inputs = VehicleInputs(self, self._state, stamp, self.values, self._changed)
        return FollowerTopics(self, stamp)

    def _make_slot(self) -> FollowerSlot:
        self._answering, self._limits = self._state.profile, self._state.rsu_ids
        slot = FollowerSlot(best_response(self._answering, self._limits))
        slot.set_aside(self._state.aside)
        return slot

    def _make_machine(self, slot: FollowerSlot, session: int) -> FollowerMachine:
        return FollowerMachine(self._config, self._given, slot, session=session)

    def activate(self) -> None:
        """Begin to play, as a new life."""
        super().activate()
        self._decided = 0
        self._decided_at = math.nan
        timeout = number(self.values, "offers_timeout")
        self._idle = self.create_timer(
            min(timeout / 2.0, LOOK_PERIOD),
            self._look,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def deactivate(self) -> None:
        """Say goodbye and be silent."""
        if self._idle is not None:
            self.destroy_timer(self._idle)
        self._idle = None
        super().deactivate()

    def cleanup(self) -> None:
        """Give everything back."""
        super().cleanup()
        if self._inputs is not None:
            self._inputs.destroy()
        if self._output is not None:
            self.destroy_publisher(self._output.publisher)
        self._inputs = self._output = None

    def _changed(self) -> None:
        """Task or links may have changed: decide accordingly from the next round on."""
        state, slot = self._state, self._slot
        if state.changes == self._known:
            return
        self._known = state.changes
        self._planner.use(state.profile, delay=state.delay)
        known = (self._answering, self._limits)
        if isinstance(slot, FollowerSlot) and known != (state.profile, state.rsu_ids):
            self._answering, self._limits = state.profile, state.rsu_ids
            slot.set_fallback(best_response(state.profile, state.rsu_ids))
            slot.set_aside(state.aside)

    def _after(self, outputs: Sequence[Bid], now: float) -> None:
        """Tell where the twin should move to."""
        bid, slot = outputs[-1], self._slot
        if bid.leaving or bid.round == self._decided or not isinstance(slot, FollowerSlot):
            return
        decision_time = time.monotonic() - now
        self._decided, self._decided_at = bid.round, now
        self._state.look(now)
        self._changed()
        if slot.observation is not None and self._output is not None:
            self._output.publish(
                bid,
                self._planner.decide(slot.observation, bid.bandwidth),
                slot,
                unknown=self._state.unknown(now),
                decision_time=decision_time,
            )

    def _look(self) -> None:
        """Withdraw the last decision when no round has followed it for too long."""
        now, slot = time.monotonic(), self._slot
        self._state.look(now)
        self._changed()
        timeout = number(self.values, "offers_timeout")
        if not now - self._decided_at > timeout or not isinstance(slot, FollowerSlot):
            return
        self._decided_at = math.nan
        if self._output is not None and self._life is not None:
            self._output.withdraw(
                self._life.machine.session,
                self._decided,
                slot,
                f"no new round for {timeout:g} s: offers are stale",
            )

    def _more_publishers(self) -> Sequence[Publisher]:
        return () if self._output is None else (self._output.publisher,)

    def _more_sections(self) -> Iterable[Section]:
        return () if self._inputs is None else (self._inputs.section(),)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one AV until the last RSU closes or a signal comes; the exit status."""
    return process.run(lambda: [AvInference()], arguments)


if __name__ == "__main__":
    sys.exit(main())
