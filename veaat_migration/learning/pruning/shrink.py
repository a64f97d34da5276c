"""Physical removal of pruned neurons (Algorithm 3, line 12), moments of the optimiser included."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from veaat_migration.learning.rows import Layers, in_rows
from veaat_migration.learning.stacked import StackedMLP


def set_masks(network: StackedMLP, kept: list[Tensor]) -> None:
    """Give the network the masks of Eq. (42), [A, width] of 0 and 1 for each hidden layer."""
    network.masks = [None if bool(mask.all()) else mask[..., None].clone() for mask in kept]


@torch.no_grad()
def clear(network: StackedMLP, optimizer: torch.optim.Optimizer | None) -> None:
    """Set all weights of masked neurons, and their moments, to 0; outputs stay the same.

    A neuron that is still stored then counts for no norm and no importance, as if it were cut:
    otherwise left-over moments would go on to move weights that have no gradient any more.
    """
    kept = torch.ones_like(network.values)
    weights, biases, _ = network.layers(kept)
    for layer, mask in enumerate(network.masks):
        if mask is not None:
            weights[layer].mul_(mask)
            biases[layer].mul_(mask)
            weights[layer + 1].mul_(mask.transpose(1, 2))
    network.values.mul_(kept)
    for value in _moments(network, optimizer).values():
        value.mul_(kept)


def survivors(mask: Tensor) -> Tensor:
    """Neurons that stay when all agents keep as many as the one that keeps most, [A, new width].

    Kept ones in their order; where an agent has fewer, masked ones fill up.
    """
    width = int(mask.sum(1).max())
    # A stable sort keeps the order within the kept and within the masked.
    first = (1.0 - mask).argsort(dim=1, stable=True)[:, :width]
    return first.sort(1).values


@torch.no_grad()
def shrink(
    network: StackedMLP,
    optimizer: torch.optim.Optimizer | None,
    *,
    on_layer: Callable[[int, Tensor], None] | None = None,
) -> bool:
    """Cut masked neurons out of a network; its outputs stay the same.

    Args:
        network: with masks.
        optimizer: of its parameters; its moments are cut alike.
        on_layer: called with each layer that was cut and its :func:`survivors`.

    Returns:
        Whether anything was cut.
    """
    numbers = torch.arange(network.values.shape[1], device=network.values.device)
    weights, biases, further = network.layers(numbers.expand_as(network.values))
    widths = list(network.widths)
    for layer, mask in enumerate(network.masks):
        if mask is None:
            continue
        chosen = survivors(mask[..., 0])
        width = chosen.shape[1]
        if width == widths[layer + 1]:
            continue
        widths[layer + 1] = width
        incoming, outgoing = weights[layer], weights[layer + 1]
        weights[layer] = incoming.gather(1, chosen[:, :, None].expand(-1, -1, incoming.shape[2]))
        biases[layer] = biases[layer].gather(1, chosen[..., None])
        weights[layer + 1] = outgoing.gather(
            2, chosen[:, None, :].expand(-1, outgoing.shape[1], -1)
        )
        left = mask.gather(1, chosen[..., None])
        network.masks[layer] = None if bool(left.all()) else left
        if on_layer is not None:
            on_layer(layer, chosen)
    if widths == network.widths:
        return False
    kept = in_rows(Layers(weights, biases, further))
    for name, value in _moments(network, optimizer).items():
        assert optimizer is not None
        optimizer.state[network.values][name] = value.gather(1, kept)
    network.values.data = network.values.data.gather(1, kept)
    network.values.grad = None
    network.widths = widths
    return True


def _moments(network: StackedMLP, optimizer: torch.optim.Optimizer | None) -> dict[str, Tensor]:
    """What an optimiser remembers of each number of the network, [A, P] each."""
    state = {} if optimizer is None else optimizer.state.get(network.values, {})
    return {
        name: value
        for name, value in state.items()
        if isinstance(value, Tensor) and value.shape == network.values.shape
    }
