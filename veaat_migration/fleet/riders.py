"""What a simulation keeps of vehicles, whom it shows what happens, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from veaat_migration.fleet.books import Meters, Migration
from veaat_migration.fleet.population import Av, City
from veaat_migration.mobility.fleet import FleetView
from veaat_migration.protocol.migration.codes import Phase


class Observer(Protocol):
    """Watches a simulation, see ``replay.py``. RSUs are indices from 0."""

    def look(self, view: FleetView) -> None:
        """A moment."""

    def phase(self, time: float, vehicle: str, phase: Phase, owner: int, target: int) -> None:
        """A twin's migration has come to a phase."""

    def priced(self, time: float, rsus: Iterable[int], prices: Iterable[float]) -> None:
        """Prices of a game."""

    def ended(self, time: float, migration: Migration) -> None:
        """A migration is over."""


@dataclass
class Rider:
    """A vehicle on the map, as the simulation knows it."""

    name: str
    av: Av
    deployed: bool = False
    deploying: bool = False
    seen_served: float = 0.0
    """Last moment at which its twin served it [s]."""
    missed: int = 0
    """Looks in coverage since then."""
    may_ask: float = 0.0
    """Not before this [s]."""
    avoided: dict[int, float] = field(default_factory=dict)
    """RSUs (index) that failed it, and until when they are not asked [s]."""
    migration: Migration | None = None
    inside: bool = False
    """Whether its target has covered it since the purchase."""
    arriving: float = 0.0
    """Until when the target must have covered it [s]."""
    used: tuple[int, float] | None = None
    """RSU (index) and bandwidth [MHz] that its transfer uses."""


@dataclass(frozen=True)
class Record:
    """What a run leaves behind."""

    city: City
    migrations: list[Migration]
    """All requests between RSUs, in the order in which they ended."""
    meters: Meters
    deployments: int
    """Twins brought to a first RSU."""
    riders: int
    """Vehicles seen."""
    reputation: tuple[float, ...]
    """k_j at the end."""
    start: float
    end: float
    """First and last moment [s of the trace]."""
    violations: tuple[str, ...]
    """Twins with two owners or wrong bytes: must be empty."""
    checked_steps: int
    """Service steps in which owner and state were compared."""
    kills: int
    messages: int
    games: int
    largest_game: tuple[int, int]
