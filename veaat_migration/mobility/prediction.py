"""When a vehicle leaves or enters a coverage: at constant velocity, or along a known path.

Coverage is a disc, so both have closed forms. Times are seconds from now; infinite: never.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


class Crossings(NamedTuple):
    """Where N straight lines meet R discs; shapes [N, R]."""

    enters: FloatArray
    """Time until the line enters the disc [s]; negative: it has."""
    leaves: FloatArray
    """Time until it leaves it [s]."""
    inside: npt.NDArray[np.bool_]
    """Whether the vehicle is in the disc now."""


def time_to_exit(positions: Any, velocities: Any, sites: Any, radius: Any) -> FloatArray:
    """Time until each vehicle leaves each disc at constant velocity [s].

    0: it is outside now; infinite: it stands inside. An unknown velocity (NaN) counts as 0.

    Args:
        positions: [m], shape [N, 2].
        velocities: [m/s], shape [N, 2].
        sites: centres of the discs [m], shape [R, 2].
        radius: [m], a number or shape [R].

    Returns:
        Shape [N, R].
    """
    return exit_of(crossings(positions, velocities, sites, radius))


def time_to_enter(positions: Any, velocities: Any, sites: Any, radius: Any) -> FloatArray:
    """Time until each vehicle enters each disc at constant velocity [s].

    0: it is inside now; infinite: it never does. Arguments and shape as in :func:`time_to_exit`.
    """
    return entry_of(crossings(positions, velocities, sites, radius))


def exit_of(lines: Crossings) -> FloatArray:
    """Result of :func:`time_to_exit` from the crossings."""
    return np.where(lines.inside, np.maximum(lines.leaves, 0.0), 0.0)


def entry_of(lines: Crossings) -> FloatArray:
    """Result of :func:`time_to_enter` from the crossings."""
    enters, leaves, inside = lines
    ahead = np.where((leaves >= 0.0) & np.isfinite(enters), np.maximum(enters, 0.0), np.inf)
    return np.where(inside, 0.0, ahead)


def crossings(positions: Any, velocities: Any, sites: Any, radius: Any) -> Crossings:
    """Times at which the straight line enters and leaves each disc, and who is inside; [N, R].

    Arguments as in :func:`time_to_exit`; times before now are negative.

    Lines that miss a disc give (inf, -inf), standing vehicles (-inf, inf) inside and (inf, -inf)
    outside.
    """
    place = np.asarray(positions, dtype=np.float64).reshape(-1, 1, 2)
    speed = np.nan_to_num(np.asarray(velocities, dtype=np.float64)).reshape(-1, 1, 2)
    centre = np.asarray(sites, dtype=np.float64).reshape(1, -1, 2)
    r = np.broadcast_to(np.asarray(radius, dtype=np.float64), centre.shape[1])
    offset = place - centre
    inside = np.hypot(offset[..., 0], offset[..., 1]) <= r
    v = np.hypot(speed[..., 0], speed[..., 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        heading = speed / v[..., None]
        along = (offset * heading).sum(axis=-1)  # how far past the nearest point of the line
        across = offset[..., 0] * heading[..., 1] - offset[..., 1] * heading[..., 0]
        # (r - a)(r + a) rather than r^2 - a^2: no cancellation near a tangent.
        chord = np.sqrt((r - np.abs(across)) * (r + np.abs(across)))
        enters, leaves = (-along - chord) / v, (-along + chord) / v
    hits = np.isfinite(enters) & np.isfinite(leaves)
    enters = np.where(hits, enters, np.where(inside, -np.inf, np.inf))
    leaves = np.where(hits, leaves, np.where(inside & (v < 1e-12), np.inf, -np.inf))
    # Rounding may see a vehicle on the edge inside although its line misses the disc.
    return Crossings(enters, np.where(inside & ~hits & (v >= 1e-12), 0.0, leaves), inside)


def path_time_to_exit(times: Any, path: Any, site: Any, radius: float) -> float:
    """Time until a vehicle that drives along a known path leaves a disc [s].

    Args:
        times: of the points of the path [s], increasing, shape [T], T >= 1; the first is now.
        path: points [m], shape [t, 2] with 1 <= t <= T; straight lines between them.
        site: centre [m], shape [2].
        radius: [m]

    Returns:
        0 if it is outside now; infinite if the path ends inside.

    Raises:
        ValueError: shapes do not fit.
    """
    return _first_crossing(times, path, site, radius, leaving=True)


def path_time_to_enter(times: Any, path: Any, site: Any, radius: float) -> float:
    """Time until a vehicle that drives along a known path enters a disc [s].

    0: it is inside now; infinite: not on this path. Arguments as in :func:`path_time_to_exit`.
    """
    return _first_crossing(times, path, site, radius, leaving=False)


def _first_crossing(times: Any, path: Any, site: Any, radius: float, *, leaving: bool) -> float:
    points = np.asarray(path, dtype=np.float64)
    moments = np.asarray(times, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not 1 <= len(points) <= len(moments):
        raise ValueError(f"path: must be [t, 2] with 1 to {len(moments)} points: {points.shape}")
    offset = points - np.asarray(site, dtype=np.float64)
    inside = np.hypot(offset[:, 0], offset[:, 1]) <= radius
    if inside[0] != leaving:
        return 0.0
    moments = moments[: len(points)] - moments[0]
    for k in range(len(points) - 1):
        span = moments[k + 1] - moments[k]
        if leaving:
            # A disc is convex: a straight piece with both ends inside stays inside.
            if inside[k + 1]:
                continue
            after = time_to_exit(points[k], points[k + 1] - points[k], site, radius)
        else:
            after = time_to_enter(points[k], points[k + 1] - points[k], site, radius)
        share = float(after[0, 0])
        if leaving or share <= 1.0:
            return float(moments[k] + min(share, 1.0) * span)
    return np.inf
