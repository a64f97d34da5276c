"""What an iteration of any algorithm reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """What an iteration did."""

    iteration: int
    """Iterations done."""
    steps: int
    """Environment steps done: rounds times games."""
    rewards: list[float]
    """Mean utility of every agent while exploring [money], [R + V]."""
    surprise: list[float]
    """Mean r_int of every agent (Eq. 30) [nats], [R + V]."""
    sparsity: list[float]
    """Share of each actor's hidden neurons that are gone, [R + V]."""
    widths: list[int]
    """Hidden widths as they are computed."""
