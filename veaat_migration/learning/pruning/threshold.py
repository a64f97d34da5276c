"""Which neurons go: thresholds on S (Eq. 37) and the masks they make (Eq. 44)."""

from __future__ import annotations

import torch
from torch import Tensor

RULES = ("per_layer", "cumulative", "literal")
LEAST_NEURONS = 4
"""No layer of any agent is pruned below this width."""


def masks(
    scores: list[Tensor], rates: Tensor, original: list[int], rule: str = "per_layer"
) -> list[Tensor]:
    """1 for neurons that stay, 0 for those that go, [A, width] for each hidden layer.

    Args:
        scores: S of every stored neuron, 0 where one is gone already, [A, width] per layer.
        rates: p_t of each agent, share of the original neurons to be removed, [A].
        original: widths before any pruning.
        rule: ``per_layer`` removes the floor(p_t N_l) least important of each layer, N_l its
            original width. ``cumulative`` removes the least important ones of a layer as long as
            their S sum to at most p_t of the layer's. ``literal`` is Eq. (37) as printed, which
            compares each S with p_t times the sum of all and so removes nearly everything at
            once. All keep :data:`LEAST_NEURONS`.
    """
    total = torch.stack([score.sum(1) for score in scores]).sum(0)
    result = []
    for score, width in zip(scores, original, strict=True):
        order = score.argsort(1)
        if rule == "per_layer":
            # 1e-4: 0.35 of 200 shall be 70, though single precision has a little less than 0.35.
            gone = (rates.double() * width + 1e-4).floor().long() - (width - score.shape[1])
        elif rule == "cumulative":
            rising = score.gather(1, order).cumsum(1)
            gone = (rising <= rates[:, None] * rising[:, -1:]).sum(1)
        elif rule == "literal":
            gone = (score < (rates * total)[:, None]).sum(1)
        else:
            raise ValueError(f"rule: must be one of {', '.join(RULES)}, got {rule!r}")
        least = min(LEAST_NEURONS, width)
        gone = gone.clamp(0, score.shape[1] - least)
        rank = order.argsort(1)
        result.append((rank >= gone[:, None]).to(score.dtype))
    return result
