"""What migrations do to the service reputation k_j of RSUs, see ``game/experience.py``."""

from __future__ import annotations

from veaat_migration.game.experience import Reputation
from veaat_migration.protocol.migration.codes import ErrorCode
from veaat_migration.protocol.migration.feedback import Outcome


def culprit(outcome: Outcome) -> int:
    """RSU to whose reputation a failed migration counts; 0: nobody's fault.

    A target that refuses says so in time; an AV that cancels, drives on or finds no offer that it
    can use blames no RSU.
    """
    if outcome.moved:
        return 0
    if outcome.error in (ErrorCode.TARGET_DIED, ErrorCode.TRANSFER_BROKEN):
        return outcome.target_id
    return outcome.source_id if outcome.error is ErrorCode.SOURCE_DIED else 0


class Merits:
    """The reputation of RSUs as one observer has seen their migrations end."""

    def __init__(self, law: Reputation, merits: dict[int, float] | None = None) -> None:
        """Begin with the merit (counted migrations) of each RSU; others begin as newcomers."""
        self._law = law
        self.merits = dict(merits or {})

    def note(self, outcome: Outcome, *, good: bool = True) -> None:
        """Count the end of a migration.

        Args:
            outcome: as the AV's machine reports it.
            good: the images were good enough (D_j < D_th) and the delay at most T_i^max. A
                migration that was completed but not good changes nothing.
        """
        failed = culprit(outcome)
        if failed:
            self._count(failed, failed=True)
        elif outcome.moved and outcome.error is ErrorCode.NONE and good:
            self._count(outcome.target_id, failed=False)

    def reputation(self, rsu_id: int) -> float:
        """k_j [-]."""
        return self._law.after(self.merits.get(rsu_id, 0.0))

    def _count(self, rsu_id: int, *, failed: bool) -> None:
        self.merits[rsu_id] = self._law.merit(self.merits.get(rsu_id, 0.0), failed=failed)
