"""What is written down while a fleet drives: each migration, the service of each twin, loads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from veaat_migration.game.instance import FloatArray
from veaat_migration.protocol.migration.codes import ErrorCode, Phase

LEFT_MAP = "LEFT_MAP"
"""Instead of an error code: the vehicle ended its journey."""
OPEN = "OPEN"
"""The simulation ended first."""
LEFT_COVERAGE = "the vehicle left the target's coverage"


@dataclass(slots=True)
class Migration:
    """One request and what became of it. Times in seconds of the trace."""

    vehicle: str
    requested: float
    source: int
    """Index of the RSU with the twin."""
    target: int = -1
    """-1: none was chosen."""
    alternatives: int = 0
    """RSUs in its game."""
    players: int = 0
    """AVs in its game."""
    bought: float = math.nan
    """When the game was over."""
    price: float = math.nan
    """p_j at the target [money/MHz]"""
    bandwidth: float = math.nan
    """b_ij there [MHz]"""
    efficiency: float = math.nan
    """s_ij when bought [bit/s/Hz]"""
    utility: float = math.nan
    """U_i of the whole bid (Eq. 9) [money]"""
    surplus: float = math.nan
    """What the purchase is worth, delta_i ln(b_ij + E_i) - p_j b_ij at the target [money]"""
    cost: float = math.nan
    """c_j of the target [money/MHz]"""
    deadline: float = math.nan
    """T_i^max"""
    expected_transfer: float = math.nan
    """D / (b s)"""
    expected_queue: float = math.nan
    """lambda / (mu (mu - lambda))"""
    expected_compute: float = math.nan
    """C / f"""
    outcome: str = OPEN
    """Name of an ErrorCode, ``NONE`` for success, or LEFT_MAP, OPEN."""
    reason: str = ""
    moved: bool = False
    transfer: float = math.nan
    queue: float = math.nan
    compute: float = math.nan
    total: float = math.nan
    """From the purchase to the connection with the target."""
    downtime: float = math.nan
    """Looks in coverage without service since the last with it, times their distance: in the mean
    over many migrations right also for interruptions shorter than a step."""
    reached: dict[Phase, float] = field(default_factory=dict)
    """When each phase was first seen."""

    @property
    def expected(self) -> float:
        """T_ij of the model [s]."""
        return self.expected_transfer + self.expected_queue + self.expected_compute

    @property
    def completed(self) -> bool:
        """Whether the twin was connected at the target."""
        return self.outcome == ErrorCode.NONE.name

    @property
    def late(self) -> bool:
        """Whether it was connected after its deadline."""
        return self.completed and self.total > self.deadline

    def finish(self, outcome: str, reason: str, *, moved: bool, now: float) -> None:
        """Write down the end."""
        self.outcome, self.reason, self.moved = outcome, reason, moved
        if outcome != ErrorCode.NONE.name:
            return
        self.total = now - self.bought
        built = self.reached.get(Phase.REINSTANTIATING)
        arrived = self.reached.get(Phase.QUEUED, built)
        if arrived is not None and built is not None:  # else messages were lost
            self.transfer = arrived - self.bought
            self.queue = built - arrived
            self.compute = now - built


AGE_BINS = 2048


class Meters:
    """Sums over time of what every twin and every RSU does."""

    def __init__(self, n_rsus: int, step: float) -> None:
        """Begin at zero; looks are ``step`` [s] apart."""
        self.step = step
        self.looks = 0
        self.vehicles = 0
        """Vehicles seen, summed over looks."""
        self.covered = 0
        """Of them with a deployed twin and in some coverage."""
        self.served = 0
        """Of those served by their twin."""
        self.age_sum = 0.0
        self.ages = np.zeros(AGE_BINS, dtype=np.int64)
        """Histogram of the age of twins in steps; the last bin has all that is older."""
        self.hosted: FloatArray = np.zeros(n_rsus)
        self.used: FloatArray = np.zeros(n_rsus)
        self.most_vehicles = 0

    def look(
        self, vehicles: int, covered: int, ages: FloatArray, hosted: FloatArray, used: FloatArray
    ) -> None:
        """Add one look.

        Args:
            vehicles: on the map.
            covered: of them with a deployed twin and in some coverage.
            ages: time since each of those was served last, 0: now [s].
            hosted: twins at each RSU, [R].
            used: bandwidth in use for transfers to each RSU [MHz], [R].
        """
        self.looks += 1
        self.vehicles += vehicles
        self.most_vehicles = max(self.most_vehicles, vehicles)
        self.covered += covered
        self.served += int((ages <= 0.0).sum())
        self.age_sum += float(ages.sum())
        bins = np.minimum(np.round(ages / self.step).astype(np.int64), AGE_BINS - 1)
        self.ages += np.bincount(bins, minlength=AGE_BINS)
        self.hosted += hosted
        self.used += used

    def age_quantile(self, share: float) -> float:
        """Age below which this share of looks was [s]; NaN without any."""
        total = int(self.ages.sum())
        if total == 0:
            return math.nan
        return float(np.searchsorted(np.cumsum(self.ages), share * total) * self.step)


def jain(values: FloatArray) -> float:
    """Jain's index (sum x)^2 / (n sum x^2), 1: all equal, 1/n: one has all; NaN: nothing to share.

    Negative values count as 0.
    """
    x = np.maximum(np.asarray(values, dtype=np.float64), 0.0)
    squares = float((x * x).sum())
    return float(x.sum()) ** 2 / (len(x) * squares) if squares > 0.0 else math.nan
