"""The AVs' equilibrium of a very small game in plain numbers, where numpy's overhead dominates."""

from __future__ import annotations

from collections.abc import Sequence

Rows = list[list[float]]

LARGEST = 12
"""Unknowns V * R up to which plain numbers are faster."""
_SWEEPS = 40


def settle(
    *,
    prices: Sequence[float],
    pair: Rows,
    social: Rows,
    satisfaction: Sequence[float],
    offset: Sequence[float],
    cap: float,
    demand: Rows,
    precision: float,
) -> bool:
    """Repeat every demand's answer to the others in place (Eq. 14) until nothing changes.

    Args:
        prices: p_j, length R.
        pair: W_js = eta_js (1 + theta_s / theta_j), R x R.
        social: zeta_ik, V x V.
        satisfaction: delta_i, length V.
        offset: E_i, length V.
        cap: b_max.
        demand: where to start, V x R; the equilibrium afterwards.
        precision: largest change in the last round [MHz].

    Returns:
        Whether it has come to rest; slow games are left to Newton.
    """
    avs, rsus = range(len(demand)), range(len(prices))
    before = float("inf")
    for _ in range(_SWEEPS):
        change = 0.0
        for i in avs:
            own, friends, delta, e = demand[i], social[i], satisfaction[i], offset[i]
            least = delta / (cap + e)
            for j in rsus:
                x, row = prices[j], pair[j]
                for k in avs:
                    x -= friends[k] * demand[k][j]
                for s in rsus:
                    x -= row[s] * own[s]
                b = cap
                if x > least:
                    b = delta / x - e
                    b = 0.0 if b < 0.0 else b
                change = max(change, abs(b - own[j]))
                own[j] = b
        if change <= precision or (change <= 1e-12 * cap and change >= before):
            return True
        if change > 0.5 * before:
            return False
        before = change
    return False
