"""The merit that one RSU has earned, from the reports of AVs, kept in a file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from veaat_migration.game.experience import Reputation
from veaat_migration.protocol.migration.feedback import Outcome
from veaat_migration.protocol.migration.merits import Merits

MAX_AVS = 10_000
"""AVs whose last report is remembered."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an RSU has come to."""

    merit: float
    """n_j, counted good migrations [-]"""
    reputation: float
    """k_j [-]"""
    quality: float
    """q_j [-]"""


class OwnMerit:
    """Counts migrations that end at one RSU or fail because of it, each once."""

    def __init__(
        self, rsu_id: int, law: Reputation, path: Path | None, *, merit: float, quality: float
    ) -> None:
        """Take up what the file has, or begin with what is given.

        Args:
            rsu_id: whose merit.
            law: k(n).
            path: file to keep it in; None: nowhere. One that is damaged counts as missing.
            merit: n_j that ``quality`` was measured with, and that a newcomer begins with.
            quality: q_j at that merit (Eq. 4): it is proportional to k_j.
        """
        self._rsu_id = rsu_id
        self._law = law
        self._path = path
        self._scale = quality / law.after(merit)
        self._seen: dict[int, int] = {}
        self._merits = Merits(law, {rsu_id: self._load(merit)})

    @property
    def now(self) -> Standing:
        """Merit, reputation and quality."""
        reputation = self._merits.reputation(self._rsu_id)
        merit = self._merits.merits[self._rsu_id]
        return Standing(merit, reputation, self._scale * reputation)

    def note(self, av_id: int, outcome: Outcome, *, good: bool) -> bool:
        """Take an AV's report; True: the merit has changed. A report that was taken before: False.

        Raises:
            OSError: the file cannot be written.
        """
        if outcome.migration <= self._seen.get(av_id, 0):
            return False
        before = self.now.merit
        self._merits.note(outcome, good=good)
        if self.now.merit == before:
            return False
        self._seen.pop(av_id, None)
        self._seen[av_id] = outcome.migration
        if len(self._seen) > MAX_AVS:
            del self._seen[next(iter(self._seen))]
        self._save()
        return True

    def _load(self, merit: float) -> float:
        if self._path is None:
            return merit
        try:
            values = json.loads(self._path.read_text(encoding="utf-8"))
            kept = float(values["merit"])
            seen = {int(av): int(migration) for av, migration in values["seen"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return merit
        if not (math.isfinite(kept) and kept >= 0.0):
            return merit
        self._seen = seen
        return kept

    def _save(self) -> None:
        if self._path is None:
            return
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps({"merit": self.now.merit, "seen": self._seen}))
        beside.replace(self._path)
