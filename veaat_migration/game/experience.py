"""Quality of experience of an RSU's rendering service (Eq. 4, corrected) and its reputation.

A-DISTS is a distance (0: identical images, 1: nothing in common), so the paper's
k ln(D / D_th) would reward bad images. The similarity 1 - D takes its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from veaat_migration.game.instance import InstanceError

QUALITY_MIN = 1e-3
"""Lowest q_j: a matching probability (Eq. 1) needs a positive quality."""


@dataclass(frozen=True)
class Reputation:
    """Law of the service reputation k(n) = k_new + (k_max - k_new) n / (n + n_half).

    It grows with every completed high-quality migration and stays below ``highest``;
    half of the possible gain is reached after ``half_migrations``.
    """

    newcomer: float = 1.0
    """k of an RSU without any completed migration [-], > 0."""
    highest: float = 2.0
    """Limit of k after very many migrations [-], >= newcomer."""
    half_migrations: float = 50.0
    """Migrations after which half of the gain is reached, > 0."""
    failure_share: float = 0.1
    """Share of its merit that an RSU loses by a failed migration, in [0, 1)."""

    def __post_init__(self) -> None:
        """Check the range of the law."""
        if not 0.0 < self.newcomer <= self.highest < math.inf:
            raise InstanceError(
                "reputation: must satisfy 0 < newcomer <= highest, "
                f"got {self.newcomer:g} and {self.highest:g}"
            )
        if not 0.0 < self.half_migrations < math.inf:
            raise InstanceError(
                f"reputation.half_migrations: must be > 0, got {self.half_migrations:g}"
            )

        if not 0.0 <= self.failure_share < 1.0:
            raise InstanceError(
                f"reputation.failure_share: must be in [0, 1), got {self.failure_share:g}"
            )

    def merit(self, before: float, *, failed: bool) -> float:
        """Count one more migration of an RSU: the n of :meth:`after`, made of all its past.

        A completed migration of good quality adds one. A failed one takes ``failure_share`` of what
        there is. So with a share f of failures n settles near (1 - f) / (f failure_share): what
        counts in the long run is how often an RSU fails, not how much traffic passes it.
        """
        return before * (1.0 - self.failure_share) if failed else before + 1.0

    def after(self, migrations: float) -> float:
        """k_j after ``migrations`` completed high-quality migrations (>= 0)."""
        if not migrations >= 0:
            raise InstanceError(f"migrations: must be >= 0, got {migrations:g}")
        if math.isinf(migrations):
            return self.highest
        gain = migrations / (migrations + self.half_migrations)
        return self.newcomer + (self.highest - self.newcomer) * gain


def quality_of_experience(distortion: float, threshold: float, reputation: float = 1.0) -> float:
    """q_j = k_j ln((1 - D_j) / (1 - D_th)), at least ``QUALITY_MIN`` (Eq. 4 corrected).

    Args:
        distortion: D_j, A-DISTS between rendered and reference images, in [0, 1].
        threshold: D_th, the worst distortion that users accept, in [0, 1).
        reputation: k_j > 0, see :class:`Reputation`.

    Raises:
        InstanceError: an argument is out of range.
    """
    if not 0.0 <= distortion <= 1.0:
        raise InstanceError(f"distortion: must be in [0, 1], got {distortion:g}")
    if not 0.0 <= threshold < 1.0:
        raise InstanceError(f"distortion_threshold: must be in [0, 1), got {threshold:g}")
    if not 0.0 < reputation < math.inf:
        raise InstanceError(f"reputation: must be > 0, got {reputation:g}")
    if distortion >= threshold:
        return QUALITY_MIN
    quality = reputation * (math.log1p(-distortion) - math.log1p(-threshold))
    return max(quality, QUALITY_MIN)
