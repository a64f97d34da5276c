"""Stacked perceptrons compute and differentiate what separate networks of torch would."""

import copy
import itertools

import pytest
import torch
from torch import Tensor

from veaat_migration.learning.rows import in_rows
from veaat_migration.learning.stacked import ACTIVATIONS, StackedMLP


def network(
    activation: str = "tanh",
    *,
    agents: int = 3,
    widths: tuple[int, ...] = (5, 7, 6, 2),
    masked: bool = False,
    seen: Tensor | None = None,
) -> StackedMLP:
    generator = torch.Generator().manual_seed(4)
    net = StackedMLP(agents, widths, activation=activation, seen=seen, generator=generator)
    with torch.no_grad():
        for bias in net.biases:
            bias.normal_(generator=generator)
    if masked:
        net.masks = [
            (torch.rand(agents, width, 1, generator=generator) > 0.4).float()
            for width in widths[1:-1]
        ]
    return net


def double(net: StackedMLP) -> StackedMLP:
    net.double()
    net.masks = [None if mask is None else mask.double() for mask in net.masks]
    return net


def one_agent(net: StackedMLP, agent: int, x: Tensor) -> Tensor:
    """The same network from torch's own operations, sample by row."""
    f = torch.tanh if net.activation == "tanh" else torch.relu
    h = x.T
    last = len(net.weights) - 1
    for layer, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        h = torch.nn.functional.linear(h, weight[agent], bias[agent, :, 0])
        if layer < last:
            h = f(h)
            mask = net.masks[layer]
            if mask is not None:
                h = h * mask[agent, :, 0]
    return h.T


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shared", [False, True])
def test_each_agent_computes_what_a_network_of_torch_would(
    activation: str, masked: bool, shared: bool
) -> None:
    net = network(activation, masked=masked)
    x = torch.randn(5, 9) if shared else torch.randn(3, 5, 9)
    for agent in range(3):
        own = x if shared else x[agent]
        torch.testing.assert_close(net(x)[agent], one_agent(net, agent, own), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shared", [False, True])
def test_gradients_agree_with_differences(activation: str, masked: bool, shared: bool) -> None:
    net = double(network(activation, agents=2, widths=(3, 4, 5, 2), masked=masked))
    shape = (3, 4) if shared else (2, 3, 4)
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(shape, dtype=torch.float64, generator=generator, requires_grad=True)

    def outputs(x: Tensor, values: Tensor) -> Tensor:
        return torch.func.functional_call(net, {"values": values}, (x,))

    assert torch.autograd.gradcheck(outputs, (x, net.values))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("agents", [slice(None), slice(1, 3)])
@pytest.mark.parametrize("ones", [False, True])
def test_evaluators_compute_and_differentiate_as_autograd_does(
    activation: str, masked: bool, agents: slice, ones: bool
) -> None:
    net = network(activation, masked=masked)
    automatic = copy.deepcopy(net)
    for n in (30, 9, 17):  # in memory that is used again
        x, aim = torch.randn(5, n), torch.randn(len(range(3)[agents]), 2, n)
        automatic.zero_grad()
        output = automatic(x, agents)
        (output * aim).sum().backward()
        evaluator = net.evaluator(agents)
        given = torch.cat([x, torch.ones(1, n), torch.full((2, n), 7.0)]) if ones else x
        torch.testing.assert_close(evaluator(given), output)
        net.take_gradient(evaluator, aim, agents)
        assert net.values.grad is not None
        torch.testing.assert_close(net.values.grad, automatic.values.grad)


def test_an_evaluator_follows_the_parameters_when_told_to() -> None:
    net = network(masked=True)
    x = torch.randn(5, 9)
    evaluator = net.evaluator()
    before = evaluator(x).clone()
    with torch.no_grad():
        net.values.add_(1.0)
    assert torch.equal(evaluator(x), before)
    evaluator.refresh()
    torch.testing.assert_close(evaluator(x), net(x))
    assert not torch.equal(net(x), before)


def test_evaluators_that_share_memory_do_not_disturb_each_other() -> None:
    net = network()
    few, many = net.evaluator(slice(0, 1)), net.evaluator()
    x, y = torch.randn(5, 9), torch.randn(5, 30)
    expected = few(x).clone(), many(y).clone()
    torch.testing.assert_close(few(x), expected[0])
    torch.testing.assert_close(many(y), expected[1])


def test_rows_hold_all_numbers_of_an_agent_once() -> None:
    net = StackedMLP(3, (5, 7, 6, 2), further=4)
    rows = torch.randn(net.values.shape)
    layers = net.layers(rows)
    assert [tuple(weight.shape) for weight in layers.weights] == [(3, 7, 5), (3, 6, 7), (3, 2, 6)]
    assert [tuple(bias.shape) for bias in layers.biases] == [(3, 7, 1), (3, 6, 1), (3, 2, 1)]
    assert tuple(layers.further.shape) == (3, 4)
    assert torch.equal(in_rows(layers), rows)


def test_masked_neurons_have_no_gradient() -> None:
    net = network(masked=True)
    net(torch.randn(5, 30)).square().sum().backward()
    for layer, mask in enumerate(net.masks):
        assert mask is not None
        gone = mask[..., 0] == 0.0
        assert bool(gone.any())
        assert net.values.grad is not None
        incoming, outgoing = net.layers(net.values.grad).weights[layer : layer + 2]
        assert float(incoming[gone].abs().max()) == 0.0
        assert float(outgoing.transpose(1, 2)[gone].abs().max()) == 0.0
        assert float(incoming[~gone].abs().max()) > 0.0


def test_a_slice_of_the_agents_computes_the_same_and_leaves_the_others_alone() -> None:
    net = network(masked=True)
    x = torch.randn(5, 9)
    part = net(x, slice(1, 3))
    torch.testing.assert_close(part, net(x)[1:3])
    part.sum().backward()
    for parameter in net.parameters():
        assert parameter.grad is not None
        assert float(parameter.grad[0].abs().max()) == 0.0


def test_hidden_outputs_lead_to_the_output() -> None:
    net = network(masked=True)
    x = torch.randn(5, 9)
    last = net.hidden_outputs(x)[-1]
    torch.testing.assert_close(torch.baddbmm(net.biases[-1], net.weights[-1], last), net(x))


def test_blind_networks_stay_blind_while_they_learn() -> None:
    seen = torch.tensor([[1.0, 1, 1, 0, 0], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]])
    net = network(seen=seen)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        net(torch.randn(5, 20)).square().sum().backward()
        optimizer.step()
    x = torch.randn(5, 9)
    for agent, entry in itertools.product(range(3), range(5)):
        moved = x.clone()
        moved[entry] += 1.0
        with torch.no_grad():
            change = float((net(moved)[agent] - net(x)[agent]).abs().max())
        if seen[agent, entry]:
            assert change > 1e-3
        else:
            assert change == 0.0
