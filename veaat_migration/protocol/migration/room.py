"""Whether an RSU has room for one more twin."""

from __future__ import annotations

from veaat_migration.protocol.migration.custody import Custody
from veaat_migration.protocol.migration.messages import Proposal


class Room:
    """Limits of one RSU; 0: none."""

    def __init__(self, storage: int, max_twins: int) -> None:
        """Set the room for images [bytes], and the number of twins that are kept or coming."""
        self.custody: Custody | None = None
        """What there is; to be set before twins come."""
        self._storage = storage
        self._max_twins = max_twins

    def refusal(self, proposal: Proposal) -> str:
        """Why a twin cannot come; empty: it can."""
        custody = self.custody
        if custody is None:
            return ""
        others = {
            (copy.av_id, copy.image): copy.size
            for table in (custody.held, custody.coming)
            for copy in table.values()
            if copy.av_id != proposal.av_id
        }
        if self._max_twins and len({av for av, _ in others}) >= self._max_twins:
            return f"there are {self._max_twins} twins here already"
        held = custody.held.get(proposal.av_id)
        taken = sum(others.values()) + (0 if held is None else held.size)
        if self._storage and taken + proposal.size > self._storage:
            left = max(self._storage - taken, 0)
            return f"no room for {proposal.size} bytes, {left} are left"
        return ""
