"""Running statistics that keep learning targets of about unit size."""

from __future__ import annotations

import torch
from torch import Tensor

FORGET = 0.1
"""Weight of the latest iteration."""


class RunningScale:
    """Mean and deviation of each agent's values over the last iterations."""

    def __init__(self, agents: int, *, device: torch.device | str = "cpu") -> None:
        self.mean = torch.zeros(agents, 1, 1, device=device)
        self.deviation = torch.zeros(agents, 1, 1, device=device)
        self.count = 0

    def __call__(self, values: Tensor) -> Tensor:
        """Learn from values [A, T, G] and return them with mean about 0 and deviation about 1."""
        mean = values.mean((1, 2), keepdim=True)
        deviation = values.std((1, 2), keepdim=True)
        weight = 1.0 if self.count == 0 else FORGET
        self.mean = self.mean.lerp(mean, weight)
        self.deviation = self.deviation.lerp(deviation, weight)
        self.count += 1
        return self.apply(values)

    def apply(self, values: Tensor, agents: slice = slice(None)) -> Tensor:
        """Values of some agents, [A, T, G], on the same scale, without learning from them."""
        return (values - self.mean[agents]) / (self.deviation[agents] + 1e-8)
