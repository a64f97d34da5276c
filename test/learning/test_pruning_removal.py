"""Removing neurons: the compact network is the masked one, and others take over what is lost."""

import copy

import pytest
import torch
from torch import Tensor

from veaat_migration.learning.pruning.compensate import KINDS, compensate
from veaat_migration.learning.pruning.shrink import clear, set_masks, shrink, survivors
from veaat_migration.learning.stacked import ACTIVATIONS, StackedMLP


def network(activation: str = "tanh", agents: int = 3) -> StackedMLP:
    generator = torch.Generator().manual_seed(2)
    net = StackedMLP(agents, [5, 12, 9, 2], activation=activation, generator=generator)
    with torch.no_grad():
        for bias in net.biases:
            bias.normal_(generator=generator)
    return net


def step(net: StackedMLP, optimizer: torch.optim.Optimizer, x: Tensor, target: Tensor) -> None:
    optimizer.zero_grad()
    (net(x) - target).square().mean(-1).sum().backward()
    optimizer.step()


def random_masks(net: StackedMLP, counts: list[list[int]], seed: int = 0) -> list[Tensor]:
    """Masks that keep ``counts`` [layer][agent] neurons, chosen at random."""
    generator = torch.Generator().manual_seed(seed)
    result = []
    for width, kept in zip(net.widths[1:-1], counts, strict=True):
        rows = []
        for count in kept:
            row = torch.zeros(width)
            row[torch.randperm(width, generator=generator)[:count]] = 1.0
            rows.append(row)
        result.append(torch.stack(rows))
    return result


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("counts", [[[4, 4, 4], [5, 5, 5]], [[4, 6, 10], [9, 4, 5]]])
@pytest.mark.parametrize("fused", [False, True])
def test_the_compact_network_computes_and_learns_as_the_masked_one(
    activation: str, counts: list[list[int]], fused: bool
) -> None:
    torch.manual_seed(1)
    x, target = torch.randn(5, 40), torch.randn(3, 2, 40)
    masked = network(activation)
    optimizer = torch.optim.Adam(masked.parameters(), lr=0.01, fused=fused)
    for _ in range(3):
        step(masked, optimizer, x, target)
    set_masks(masked, random_masks(masked, counts))
    compact = copy.deepcopy(masked)
    own = torch.optim.Adam(compact.parameters(), lr=0.01, fused=fused)
    own.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    cuts = []
    assert shrink(compact, own, on_layer=lambda layer, chosen: cuts.append((layer, chosen)))
    assert compact.widths == [5, max(counts[0]), max(counts[1]), 2]
    assert {layer: tuple(chosen.shape) for layer, chosen in cuts} == {
        layer: (3, max(kept))
        for layer, kept in enumerate(counts)
        if max(kept) < masked.widths[layer + 1]
    }
    torch.testing.assert_close(compact(x), masked(x), atol=1e-6, rtol=0.0)
    # Moments were cut alike: further steps keep them the same.
    for _ in range(3):
        step(masked, optimizer, x, target)
        step(compact, own, x, target)
        torch.testing.assert_close(compact(x), masked(x), atol=1e-6, rtol=0.0)


def test_nothing_is_cut_without_masks_or_where_an_agent_needs_all() -> None:
    net = network()
    assert not shrink(net, None)
    set_masks(net, random_masks(net, [[12, 4, 4], [9, 9, 9]]))
    assert not shrink(net, None)
    assert net.masks[0] is not None
    assert net.masks[1] is None
    assert net.widths == [5, 12, 9, 2]


def test_survivors_keep_their_order() -> None:
    mask = torch.tensor([[0.0, 1, 0, 1, 1], [1, 0, 0, 0, 1]])
    chosen = survivors(mask)
    assert chosen[0].tolist() == [1, 3, 4]
    assert {0, 4} <= set(chosen[1].tolist())
    assert chosen[1].tolist() == sorted(chosen[1].tolist())


def test_compensation_keeps_outputs_where_others_can_take_over() -> None:
    """A neuron is the double of another, and one is constant: no output is lost with them."""
    net = network()
    x = torch.randn(5, 300)
    with torch.no_grad():
        net.weights[0][:, 3] = net.weights[0][:, 7]
        net.biases[0][:, 3] = net.biases[0][:, 7]
        net.weights[0][:, 5] = 0.0
    before = net(x).detach()
    kept = [torch.ones(3, 12), torch.ones(3, 9)]
    kept[0][:, [3, 5]] = 0.0
    plain = copy.deepcopy(net)
    compensate(net, kept, x, "linear")
    for pruned in (net, plain):
        set_masks(pruned, kept)
    with torch.no_grad():
        assert float((plain(x) - before).abs().max()) > 0.1
    torch.testing.assert_close(net(x), before, atol=2e-2, rtol=0.0)
    # And the neurons can be removed for good.
    shrink(net, None)
    torch.testing.assert_close(net(x), before, atol=2e-2, rtol=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_compensation_is_better_the_more_it_may_do(kind: str) -> None:
    x = torch.randn(5, 300, generator=torch.Generator().manual_seed(1))
    errors = {}
    for each in KINDS:
        net = network()
        before = net(x).detach()
        kept = random_masks(net, [[8, 8, 8], [6, 6, 6]])
        compensate(net, kept, x, each)
        set_masks(net, kept)
        errors[each] = float((net(x) - before).square().mean().detach())
    order = ["linear", "mean", "none"]
    assert errors[kind] == sorted(errors.values())[order.index(kind)]


def test_without_compensation_weights_stay_as_they_are() -> None:
    net = network()
    before = [parameter.detach().clone() for parameter in net.parameters()]
    compensate(net, random_masks(net, [[4, 4, 4], [4, 4, 4]]), torch.randn(5, 30), "none")
    for parameter, value in zip(net.parameters(), before, strict=True):
        assert torch.equal(parameter, value)


def test_masked_neurons_can_be_cleared_without_a_trace_and_stay_clear() -> None:
    torch.manual_seed(1)
    x, target = torch.randn(5, 40), torch.randn(3, 2, 40)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    step(net, optimizer, x, target)
    set_masks(net, random_masks(net, [[4, 5, 6], [9, 4, 5]]))
    with torch.no_grad():
        before = net(x)
        clear(net, optimizer)
        assert torch.equal(net(x), before)
    step(net, optimizer, x, target)
    mask = net.masks[0]
    assert mask is not None
    gone = mask[..., 0] == 0.0
    for weights in (net.weights[0], net.biases[0], net.weights[1].transpose(1, 2)):
        assert float(weights.detach()[gone].abs().max()) == 0.0
