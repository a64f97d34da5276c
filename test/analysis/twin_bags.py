"""A made-up run of ``veaat migrate``: AVs drive along a road past RSUs, twins follow them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from veaat_migration.analysis.bag_writer import BagWriter

BEGIN = 1_700_000_000_000_000_000
SPACING, RADIUS = 300.0, 200.0
BYTES = 2_000_000
STAGES = ((0.0, 1), (0.25, 2), (1.0, 3), (4.0, 4), (4.5, 5), (5.0, 0))
"""When each phase of a migration begins, after its request [s]."""


@dataclass
class TwinRun:
    """What to write; tests change it before."""

    types: Any
    avs: int = 3
    rsus: int = 3
    seconds: float = 40.0
    rate: float = 4.0
    """Statuses and odometry of each AV [1/s]."""
    speed: float = 20.0
    odometry: bool = True
    places: bool = True
    """RSUs say where they stand."""
    failing: int = 0
    """AV whose second migration fails, since its target dies."""
    silent: int = 0
    """RSU that dies in the middle."""
    _migrations: dict[int, list[tuple[float, int, int, bool]]] = field(default_factory=dict)

    def x(self, av: int, time: float) -> float:
        return self.speed * time - 30.0 * av

    def migrations(self, av: int) -> list[tuple[float, int, int, bool]]:
        """Request [s], source, target, success of each; the first is from home."""
        if av not in self._migrations:
            self._migrations[av] = self._plan(av)
        return self._migrations[av]

    def _plan(self, av: int) -> list[tuple[float, int, int, bool]]:
        found, owner = [], 0
        for target in range(1, self.rsus + 1):
            place = SPACING * (target - 1) - 0.5 * SPACING
            time = max((place + 30.0 * av) / self.speed, 0.5)
            good = not (av == self.failing and target == 2)
            if time + 5.0 < self.seconds:
                found.append((time, owner, target, good))
                owner = target if good else owner
        return found

    def status(self, av: int, time: float) -> dict[str, Any]:
        values: dict[str, Any] = dict.fromkeys(
            ("migration", "phase", "owner_rsu_id", "source_rsu_id", "target_rsu_id",
             "bytes_done", "bytes_total", "queue_position"), 0,
        )  # fmt: skip
        for number, (begin, source, target, good) in enumerate(self.migrations(av), 1):
            since = time - begin
            if since >= 0.0:
                values["owner_rsu_id"] = target if good and since >= 4.75 else source
            if 0.0 <= since < 5.0:
                phase = [phase for start, phase in STAGES if since >= start][-1]
                values |= {"migration": number, "phase": phase, "source_rsu_id": source}
                values |= {"target_rsu_id": target if phase >= 3 else 0, "bytes_total": BYTES}
                values["bytes_done"] = int(BYTES * min(max((since - 1.0) / 3.0, 0.0), 1.0))
                values["queue_position"] = 2 if phase == 4 else 0
        return values

    def write(self, folder: Path) -> Path:
        """Write the bag with the project's own writer."""
        self._migrations.clear()
        self._bag = BagWriter(folder)
        self._topics: dict[str, int] = {}
        step = 1.0 / self.rate
        for n in range(math.floor(self.seconds * self.rate) + 1):
            time = n * step
            for av in range(1, self.avs + 1):
                self._av(av, time, step)
            if n % max(round(self.rate), 1) == 0:
                owners = [self.status(av, time)["owner_rsu_id"] for av in range(1, self.avs + 1)]
                for rsu in range(1, self.rsus + 1):
                    owned = [av for av, owner in enumerate(owners, 1) if owner == rsu]
                    self._rsu(rsu, time, owned)
        self._bag.close()
        return folder

    def _av(self, av: int, time: float, step: float) -> None:
        x = self.x(av, time)
        if self.odometry:
            kind = self.types.store.types
            odometry = self._odometry()
            position = odometry.pose.pose.position
            position.x, position.y = x, 0.0
            stamp = self.types.header(BEGIN + round(time * 1e9))
            odometry.header = kind["std_msgs/msg/Header"](stamp.stamp, "map")
            data = self.types.store.serialize_cdr(odometry, "nav_msgs/msg/Odometry")
            self._write(f"av_{av}/odom", "nav_msgs/msg/Odometry", "", bytes(data), time)
        state = self.status(av, time)
        moving = 0.35 if state["phase"] == 5 else 0.1
        self._say(
            "twin_status", time, av_id=av, session=7, x=x, y=0.0, connected_rsu_id=0,
            time_to_exit=math.nan, backup_rsu_id=0, epoch=1, standing=0, lease=1.0, recoveries=0,
            candidate_rsu_ids=np.zeros(0, np.uint32), serving_rsu_id=state["owner_rsu_id"],
            actions=1, age=0.1, age_max=moving, downtime=0.01 * time, **state,
        )  # fmt: skip
        for number, (begin, source, target, good) in enumerate(self.migrations(av), 1):
            if begin + 5.0 <= time < begin + 5.0 + step:
                self._report(av, number, time, source, target, good)

    def _report(
        self, av: int, number: int, time: float, source: int, target: int, good: bool
    ) -> None:
        parts = dict.fromkeys(
            ("request_delay", "negotiation_delay", "transfer_delay", "queueing_delay",
             "reinstantiation_delay", "handover_delay"), 0.5,
        )  # fmt: skip
        self._say(
            "migration_reports", time, av_id=av, session=7, migration=number,
            error=0 if good else 5, message="" if good else "RSU 2 was silent", moved=good,
            asked=False, source_rsu_id=source, target_rsu_id=target,
            owner_rsu_id=target if good else source, epoch=number, bandwidth=6.0, price=4.5,
            payment=27.0, spectral_efficiency=10.0, data=16.0, size=BYTES, expected_delay=4.0,
            tolerated_delay=4.6, total_delay=5.0, migration_delay=4.5, downtime=0.25,
            age_max=0.35, **parts,
        )  # fmt: skip

    def _rsu(self, rsu: int, time: float, owned: list[int]) -> None:
        if rsu == self.silent and time > 0.5 * self.seconds:
            return
        none = np.zeros(len(owned), np.uint64)
        self._say(
            "host_status", time, rsu_id=rsu, session=5, coverage_radius=RADIUS,
            x=SPACING * (rsu - 1) if self.places else math.nan, y=20.0 if self.places else math.nan,
            quality=1.0, reputation=1.0 + 0.01 * time, merit=0.1, queue_length=rsu, stored=0,
            actions=0, messages_rejected=0, av_ids=np.array(owned, np.uint32),
            kinds=np.full(len(owned), 4, np.uint8), acting=np.ones(len(owned), bool),
            epochs=none, versions=none, sizes=none, bytes_done=none,
            other_ids=np.zeros(len(owned), np.uint32), leases=np.zeros(len(owned)),
        )  # fmt: skip
        everyone = np.arange(1, self.avs + 1, dtype=np.uint32)
        self._say(
            "settlements", time, session=5, round=int(time) + 1, rsu_id=rsu,
            price=4.0 + math.sin(0.1 * time + rsu), quality=1.0, av_ids=everyone,
            bandwidth=np.full(self.avs, 1.5), matching_probability=np.ones(self.avs),
            payment=np.full(self.avs, 6.0), missing_av_ids=np.zeros(0, np.uint32), duration=0.01,
        )  # fmt: skip

    def _say(self, topic: str, time: float, **values: Any) -> None:
        message = self.types.make(topic, BEGIN + round(time * 1e9), **values)
        name = f"veaat_migration/msg/{type(message).__name__.rpartition('__')[2]}"
        data = self.types.serialise(topic, message)
        self._write(topic, name, self.types.definitions[name], data, time)

    def _write(self, topic: str, kind: str, definition: str, data: bytes, time: float) -> None:
        if topic not in self._topics:
            self._topics[topic] = self._bag.add_topic(
                f"/veaat/{topic}", kind, definition=definition
            )
        moment = BEGIN + round(time * 1e9)
        self._bag.write(self._topics[topic], data, moment, moment)

    def _odometry(self) -> Any:
        kind = self.types.store.types
        geometry = "geometry_msgs/msg/"
        point = kind[f"{geometry}Point"](0.0, 0.0, 0.0)
        pose = kind[f"{geometry}Pose"](point, kind[f"{geometry}Quaternion"](0.0, 0.0, 0.0, 1.0))
        vector = kind[f"{geometry}Vector3"]
        twist = kind[f"{geometry}Twist"](vector(self.speed, 0.0, 0.0), vector(0.0, 0.0, 0.0))
        wide = np.zeros(36)
        return kind["nav_msgs/msg/Odometry"](
            self.types.header(BEGIN), "av",
            kind[f"{geometry}PoseWithCovariance"](pose, wide),
            kind[f"{geometry}TwistWithCovariance"](twist, wide),
        )  # fmt: skip
