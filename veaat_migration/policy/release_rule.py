"""When policies are worth a release: each one makes vehicles change their policy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from veaat_migration.policy.release import Figures


@dataclass(frozen=True)
class ReleaseRule:
    """Compares figures of merit: the largest gap first, then exploitability.

    A figure has improved if it has fallen by more than noise: by more than ``relative`` of what it
    was and by more than ``absolute``. So a release never follows from the last digit, and many
    small steps count together, because they are compared with what was released.
    """

    relative: float = 0.1
    absolute: float = 1e-3
    worst: float = 0.1
    """Policies with a larger gap (or exploitability, where no gap is known) are not released
    before the end of training: a vehicle is better off with its fallback."""

    def better(self, new: Figures, released: Figures | None) -> bool:
        """Whether compact policies are to be released.

        Args:
            new: of the policies.
            released: of the latest release for the same game; None: there is none.
        """
        first = new.exploitability if math.isnan(new.gap) else new.gap
        if not first <= self.worst:  # nor where it is not a number
            return False
        if released is None:
            return True
        for now, before in (
            (new.gap, released.gap),
            (new.exploitability, released.exploitability),
        ):
            if math.isnan(now) or math.isnan(before):
                continue
            if self._improved(now, before):
                return True
            if self._improved(before, now):
                return False
        return False

    def _improved(self, now: float, before: float) -> bool:
        return before - now > max(self.relative * before, self.absolute)
