"""The agents at one RSU: each twin that it may act for answers its AV's telemetry."""

from __future__ import annotations

from typing import NamedTuple

from veaat_migration.protocol.migration.host import TwinHost
from veaat_migration.protocol.migration.twin import live_digest
from veaat_migration.service.agent import Action, Agent, Mind, Sensed
from veaat_migration.service.image import MAX_HEADER, cruise_speed_of


class Served(NamedTuple):
    """One answer of a twin, and the change of its live state that it made."""

    action: Action
    epoch: int
    version: int
    """Of the state after."""
    state: int
    """Name of the state after, see :func:`state_name`."""
    previous_state: int


class ServiceDesk:
    """Thinks for the twins of one host."""

    def __init__(self, host: TwinHost) -> None:
        """Serve the twins that ``host`` may act for."""
        self.ignored = 0
        """Telemetry for twins that this RSU may not act for, old or senseless."""
        self._host = host
        self._agents: dict[tuple[int, int], Agent] = {}

    def serve(self, av_id: int, sensed: Sensed, now: float) -> Served | None:
        """Let an AV's twin answer; None: it may not, or need not.

        The change of its state is on the disk when this returns.
        """
        host = self._host
        copy = host.custody.owned(av_id)
        if copy is None or not sensed.is_sound or not host.acts(av_id, now):
            self.ignored += 1
            return None
        mind = Mind.from_bytes(copy.live)
        if mind.has_answered(sensed):
            self.ignored += 1
            return None
        after, action = self._agent(av_id, copy.image).step(mind, sensed)
        live = after.to_bytes()
        if not host.update(av_id, live, now):
            self.ignored += 1
            return None
        return Served(
            action,
            copy.epoch,
            copy.version + 1,
            state_name(copy.version + 1, live),
            state_name(copy.version, copy.live),
        )

    def _agent(self, av_id: int, image: int) -> Agent:
        """The agent of a twin, as its image configures it."""
        agent = self._agents.get((av_id, image))
        if agent is None:
            agent = Agent(cruise_speed_of(self._host.head(av_id, MAX_HEADER)))
            self._agents = {key: kept for key, kept in self._agents.items() if key[0] != av_id}
            self._agents[av_id, image] = agent
        return agent


def state_name(version: int, live: bytes) -> int:
    """A number that names a live state: the first 8 bytes of its digest, little endian."""
    return int.from_bytes(live_digest(version, live)[:8], "little")
