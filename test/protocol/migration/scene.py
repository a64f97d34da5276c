"""A small world of AVs and RSUs, and what one does to it."""

from __future__ import annotations

import random
from typing import Any

from veaat_migration.protocol.migration.codes import ErrorCode, Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.feedback import Feedback, Outcome, OwnerChanged
from veaat_migration.protocol.migration.messages import Address
from veaat_migration.protocol.migration.simulation.audit import Audit
from veaat_migration.protocol.migration.simulation.world import Faults, Server, World
from veaat_migration.protocol.migration.twin import Twin

CONFIG = MigrationConfig(chunk_size=1000)
IMAGE_SIZE = 9_500
"""Ten chunks, the last one shorter."""


def twin(seed: int = 0, *, data: float = 200.0, cycles: float = 10.0) -> Twin:
    """With random bytes."""
    return Twin(random.Random(seed).randbytes(IMAGE_SIZE), b"start", data=data, cycles=cycles)


class Scene:
    """A world, its audit, and all that AVs have reported."""

    def __init__(
        self,
        n_avs: int = 1,
        n_rsus: int = 3,
        *,
        config: MigrationConfig = CONFIG,
        faults: Faults | None = None,
        server: Server | None = None,
        drift: float = 0.0,
        seed: int = 0,
    ) -> None:
        twins = {i: twin(i) for i in range(1, n_avs + 1)}
        servers = {j: server or Server(arrival_rate=0.0) for j in range(1, n_rsus + 1)}
        self.world = World(
            twins, servers, config=config, faults=faults, clock_drift=drift, seed=seed
        )
        self.audit = Audit(self.world, period=0.02)
        self.reports: list[tuple[int, Any]] = []
        self.world.on_report.append(lambda av, report: self.reports.append((av, report)))
        self.world.start_all()

    # What happens -----------------------------------------------------------------------------

    def request(self, av: int = 1) -> None:
        self.world.step(self.world.avs[av], lambda machine, now: machine.request(now))

    def choose(self, target: int, av: int = 1, **more: Any) -> None:
        self.world.step(
            self.world.avs[av], lambda machine, now: machine.choose(target, 20.0, 10.0, now, **more)
        )

    def cancel(self, av: int = 1) -> None:
        self.world.step(self.world.avs[av], lambda machine, now: machine.cancel(now))

    def wait(self, seconds: float) -> None:
        self.world.run(self.world.now + seconds)

    def wait_for(self, condition: Any, limit: float = 60.0) -> bool:
        """Let time pass until a condition holds; false: it did not within ``limit``."""
        self.world.run(self.world.now + limit, stop=condition)
        return bool(condition())

    def begin(self, target: int, av: int = 1) -> None:
        """Request a migration and let the game choose ``target`` as soon as it may."""
        self.request(av)
        assert self.wait_for(lambda: self.phase(av) >= Phase.NEGOTIATING)
        self.choose(target, av)

    def move(self, target: int, av: int = 1) -> Outcome:
        """Migrate and wait for the end."""
        self.begin(target, av)
        count = len(self.outcomes(av))
        assert self.wait_for(lambda: len(self.outcomes(av)) > count)
        return self.outcomes(av)[-1]

    def settle(self, av: int = 1, limit: float = 60.0) -> bool:
        """Wait until exactly one RSU acts for the twin, with the right bytes."""
        return self.wait_for(lambda: self.audit.intact(av), limit)

    def rsu(self, number: int) -> Any:
        return self.world.rsus[number]

    def av(self, number: int = 1) -> Any:
        return self.world.avs[number]

    def kill(self, site: Any, *, wipe: bool = False) -> None:
        self.world.kill(site, wipe=wipe)
        if wipe:
            self.audit.disk_lost()

    def start(self, site: Any) -> None:
        self.world.start(site)

    def cut(self, *parties: tuple[str, int]) -> None:
        """Cut these off from all others, in both directions."""
        everybody = [s.address for s in (*self.world.rsus.values(), *self.world.avs.values())]
        for party in parties:
            for other in everybody:
                self.world.faults.cut |= {(Address(*party), other), (other, Address(*party))}

    def heal(self) -> None:
        self.world.faults.cut.clear()

    # What is seen -----------------------------------------------------------------------------

    def phase(self, av: int = 1) -> Phase:
        shown = self.world.vehicle(av).feedback
        return Phase.IDLE if shown is None else shown.phase

    def feedback(self, av: int = 1) -> list[Feedback]:
        return [r for i, r in self.reports if i == av and isinstance(r, Feedback)]

    def outcomes(self, av: int = 1) -> list[Outcome]:
        return [r for i, r in self.reports if i == av and isinstance(r, Outcome)]

    def errors(self, av: int = 1) -> list[ErrorCode]:
        return [outcome.error for outcome in self.outcomes(av)]

    def recoveries(self, av: int = 1) -> int:
        return sum(isinstance(r, OwnerChanged) and r.recovered for i, r in self.reports if i == av)

    def actors(self, av: int = 1) -> list[int]:
        return self.audit.actors(av)

    def held(self, rsu: int, av: int = 1) -> Any:
        """What an RSU holds of a twin."""
        return self.rsu(rsu).machine.custody.held.get(av)
