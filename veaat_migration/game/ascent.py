"""Newton steps that climb the AVs' potential where it is not concave (additive couplings).

A Newton step on b = G(b) divides the change r = G(b) - b by 1 - mu along each eigenvector of dG/db.
Where mu > 1 it leads to a saddle; dividing by |1 - mu| leads away from it, and where two equilibria
have just merged and vanished (mu near 1, replies creep) it is a long step.
"""

from __future__ import annotations

import numpy as np

from veaat_migration.game.instance import FloatArray
from veaat_migration.game.replies import PriceBatch, Reply

_LEAST, _LONGEST, _HALVINGS = 1e-6, 0.25, 8


def uphill(batch: PriceBatch, demand: FloatArray, reply: Reply, floor: FloatArray) -> FloatArray:
    """The next point from ``demand`` [n, i, j], between ``floor`` and b_max.

    Without a delay constraint the potential rises (or the step is tiny).
    """
    step = ascent_step(batch, demand, reply)
    size = np.abs(step).max(axis=(1, 2))
    share = np.minimum(1.0, _LONGEST * batch.cap / np.maximum(size, 1e-300))
    point: FloatArray = np.clip(demand + share[:, None, None] * step, floor, batch.cap)
    if batch.strained is not None:
        return point
    now = potential(batch, demand)
    now = now - 1e-13 * np.abs(now)
    for _ in range(_HALVINGS):
        falls = potential(batch, point) < now
        if not falls.any():
            break
        share = np.where(falls, 0.25 * share, share)
        point = np.clip(demand + share[:, None, None] * step, floor, batch.cap)
    return point


def potential(batch: PriceBatch, demand: FloatArray) -> FloatArray:
    """The exact potential of the AVs' game (docs/model.md) for additive couplings, [n]."""
    pushed = batch.instance.social @ demand + demand @ batch.pair.transpose(0, 2, 1)
    logs = np.log(np.maximum(demand + batch.offset, 1e-300))
    inner = batch.delta * logs + demand * (0.5 * pushed - batch.prices[:, None, :])
    return np.asarray((batch.theta[:, None, :] * inner).sum(axis=(1, 2)))


def ascent_step(batch: PriceBatch, demand: FloatArray, reply: Reply) -> FloatArray:
    """The step from ``demand`` [n, i, j], to be cut off at the bounds.

    dG/db = S C with C symmetric and S = L L', where L scales by the flexibilities and, under a
    binding delay constraint, projects on the demands that keep it.
    """
    n, v, r = demand.shape
    change = reply.demand - demand
    theta = batch.theta[:, None, :]
    free = reply.flexibility > 0.0
    scale = np.sqrt(reply.flexibility / theta)
    normal = np.zeros_like(demand)
    if reply.pull is not None:
        normal = scale * theta * reply.pull
        length = np.sqrt((normal**2).sum(axis=2, keepdims=True))
        normal = normal / np.where(length > 0.0, length, 1.0)

    def project(x: FloatArray) -> FloatArray:
        return np.asarray(x - normal * (normal * x).sum(axis=2, keepdims=True))

    coupling = batch.couplings(demand, reply) * theta[:, :, :, None, None]
    root = scale.reshape(n, v * r)
    matrix = coupling.reshape(n, v * r, v * r) * root[:, :, None] * root[:, None, :]
    if reply.pull is not None:
        projector = np.zeros((n, v, r, v, r))
        avs, rsus = np.arange(v), np.arange(r)
        projector[:, avs[:, None], rsus, avs[:, None], rsus] = 1.0
        outer = normal[..., None] * normal[:, :, None, :]
        projector[:, avs, :, avs, :] -= outer.transpose(1, 0, 2, 3)
        flat = projector.reshape(n, v * r, v * r)
        matrix = flat @ matrix @ flat
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.transpose(0, 2, 1)))
    inner = project(np.where(free, change / np.where(free, scale, 1.0), 0.0))
    along = (vectors.transpose(0, 2, 1) @ inner.reshape(n, v * r, 1))[..., 0]
    along = along / np.maximum(np.abs(1.0 - values), _LEAST)
    moved = (vectors @ along[..., None]).reshape(n, v, r)
    step: FloatArray = scale * project(moved) + (change - scale * inner)
    return step
