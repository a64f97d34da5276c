"""Neurons that stay take over from those that go; the paper simply drops them.

A removed neuron is mostly redundant: over the records that are played, its output is close to a
linear combination of the others' and a constant. Adding that combination to their outgoing weights
and to the next bias keeps the policy nearly unchanged through a pruning step, where dropping the
neuron moves prices and demands by tens of per cent until gradients have repaired it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from veaat_migration.learning.stacked import StackedMLP

KINDS = ("linear", "mean", "none")
RIDGE = 1e-4
"""Relative to the mean square of an output: neurons with the same output share the weight."""


@torch.no_grad()
def compensate(network: StackedMLP, kept: list[Tensor], records: Tensor, kind: str) -> None:
    """Prepare a network for new masks.

    Args:
        network: with the masks of before.
        kept: the masks to come, [A, width] for each hidden layer.
        records: what is played, [record, N].
        kind: ``linear`` replaces a neuron by the best combination of those that stay and a
            constant, ``mean`` by its mean output, ``none`` by nothing.
    """
    if kind == "none":
        return
    # Layers are treated one after the other: what the second one sees has changed by then.
    for layer, keep in enumerate(kept):
        before = network.masks[layer]
        present = torch.ones_like(keep) if before is None else before[..., 0]
        gone = present * (1.0 - keep)
        if not bool(gone.any()):
            continue
        outputs = network.hidden_outputs(records)[layer].double()
        constant = torch.ones_like(outputs[:, :1])
        helpers = outputs * (keep[..., None] if kind == "linear" else 0.0)
        basis = torch.cat([helpers, constant], 1)
        lost = outputs * gone[..., None]
        n = outputs.shape[-1]
        gram = basis @ basis.transpose(1, 2) / n
        gram = gram + RIDGE * torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
        shares = torch.linalg.solve(gram, basis @ lost.transpose(1, 2) / n)  # [A, width + 1, width]
        following = network.weights[layer + 1]
        taken = following.double() @ shares.transpose(1, 2)  # [A, out, width + 1]
        following.add_(taken[..., :-1].to(following.dtype))
        following.mul_(keep[:, None, :])
        network.biases[layer + 1].add_(taken[..., -1:].to(following.dtype))
