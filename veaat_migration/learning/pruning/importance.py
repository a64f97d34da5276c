"""How much a hidden neuron matters: Eqs. (35) and (36), and the regulariser of Eq. (45)."""

from __future__ import annotations

import itertools
from collections import deque

import torch
from torch import Tensor

from veaat_migration.learning.stacked import StackedMLP


def importance(network: StackedMLP) -> list[Tensor]:
    """Omega of every hidden neuron (Eq. 35), [A, width] for each hidden layer.

    The squares of the weights that come in, summed, times those of the weights that go out.
    """
    return [
        incoming.square().sum(2) * outgoing.square().sum(1)
        for incoming, outgoing in itertools.pairwise(network.weights)
    ]


def sparsity_penalty(network: StackedMLP, original: list[int]) -> Tensor:
    """Sum of Omega over the neurons that are left, per original neuron of the layer (Eq. 45).

    The window of Eq. (36) holds constants, so the current Omega is all that has a gradient.
    """
    total = torch.zeros((), device=network.values.device)
    for omega, mask, width in zip(importance(network), network.masks, original, strict=True):
        left = omega if mask is None else omega * mask[..., 0]
        total = total + left.sum() / width
    return total


class ImportanceWindow:
    """S of Eq. (36): Omega over the last w updates, each forgotten with its age."""

    def __init__(self, width: int, decay: float) -> None:
        self.width, self.decay = width, decay
        self.entries: deque[list[Tensor]] = deque(maxlen=width)

    def observe(self, network: StackedMLP) -> None:
        """Remember the current Omega."""
        with torch.no_grad():
            self.entries.append(importance(network))

    def scores(self, network: StackedMLP) -> list[Tensor]:
        """S = m sum over the window of decay^age Omega, [A, width] for each hidden layer."""
        layers = []
        for layer, mask in enumerate(network.masks):
            total = torch.zeros_like(self.entries[-1][layer])
            for entry in self.entries:  # oldest first
                total = total * self.decay + entry[layer]
            layers.append(total if mask is None else total * mask[..., 0])
        return layers

    def keep(self, layer: int, chosen: Tensor) -> None:
        """Follow a removal of neurons: only those of ``chosen`` [A, new width] are left."""
        for entry in self.entries:
            entry[layer] = entry[layer].gather(1, chosen)
