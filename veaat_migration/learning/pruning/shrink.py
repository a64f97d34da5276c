"""Physical removal of pruned neurons (Algorithm 3, line 12), moments of the optimiser included."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

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
    for layer, mask in enumerate(network.masks):
        if mask is None:
            continue
        outgoing = mask.transpose(1, 2)
        for parameter, factor in (
            (network.weights[layer], mask),
            (network.biases[layer], mask),
            (network.weights[layer + 1], outgoing),
        ):
            parameter.mul_(factor)
            if optimizer is not None:
                for value in optimizer.state.get(parameter, {}).values():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        value.mul_(factor)


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
    cut = False
    for layer in range(len(network.masks)):
        mask = network.masks[layer]
        if mask is None:
            continue
        chosen = survivors(mask[..., 0])
        if chosen.shape[1] == mask.shape[1]:
            continue
        cut = True
        _replace(network.weights[layer], chosen, 1, optimizer)
        _replace(network.biases[layer], chosen, 1, optimizer)
        _replace(network.weights[layer + 1], chosen, 2, optimizer)
        left = mask.gather(1, chosen[..., None])
        network.masks[layer] = None if bool(left.all()) else left
        if on_layer is not None:
            on_layer(layer, chosen)
    return cut


def _replace(
    parameter: torch.nn.Parameter, chosen: Tensor, axis: int, owner: torch.optim.Optimizer | None
) -> None:
    """Keep ``chosen`` [A, new] along an axis of a parameter, its gradient and its moments."""
    before = parameter.shape
    index = chosen[:, :, None] if axis == 1 else chosen[:, None, :]
    other = parameter.shape[3 - axis]
    index = index.expand(-1, -1, other) if axis == 1 else index.expand(-1, other, -1)
    parameter.data = parameter.data.gather(axis, index)
    parameter.grad = None
    if owner is not None:
        for name, value in owner.state.get(parameter, {}).items():
            if isinstance(value, Tensor) and value.shape == before:
                owner.state[parameter][name] = value.gather(axis, index)
