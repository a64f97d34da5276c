"""Which neurons go, and when: Eqs. (35) to (40) and (44)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.learning.pruning.importance import (
    ImportanceWindow,
    importance,
    sparsity_penalty,
)
from veaat_migration.learning.pruning.schedule import PruningSchedule
from veaat_migration.learning.pruning.threshold import LEAST_NEURONS, RULES, masks
from veaat_migration.learning.stacked import StackedMLP

shares = st.floats(0.0, 1.0)


def network() -> StackedMLP:
    return StackedMLP(2, [3, 6, 5, 2], generator=torch.Generator().manual_seed(1))


def test_importance_is_the_square_of_what_comes_in_times_that_of_what_goes_out() -> None:
    net = network().requires_grad_(False)
    for layer, omega in enumerate(importance(net)):
        for agent in range(2):
            for neuron in range(omega.shape[1]):
                incoming = sum(float(w) ** 2 for w in net.weights[layer][agent, neuron])
                outgoing = sum(float(w) ** 2 for w in net.weights[layer + 1][agent, :, neuron])
                assert float(omega[agent, neuron]) == pytest.approx(incoming * outgoing, rel=1e-5)


def test_neurons_that_are_gone_carry_no_penalty() -> None:
    net = network().requires_grad_(False)
    first, second = importance(net)
    whole = float(sparsity_penalty(net, [6, 5]))
    assert whole == pytest.approx(float(first.sum() / 6 + second.sum() / 5), rel=1e-5)
    net.masks[0] = torch.ones(2, 6, 1)
    net.masks[0][:, 2] = 0.0
    left = float(sparsity_penalty(net, [6, 5]))
    assert whole - left == pytest.approx(float(first[:, 2].sum() / 6), rel=1e-4)


def test_window_forgets_with_age_and_beyond_its_width() -> None:
    net, width, decay = network(), 3, 0.5
    window = ImportanceWindow(width, decay)
    history = []
    for step in range(5):
        with torch.no_grad():
            net.weights[0].mul_(1.0 + 0.1 * step)
        history.append(importance(net)[0].detach())
        window.observe(net)
    mask = torch.ones(2, 6, 1)
    mask[0, 4] = 0.0
    net.masks[0] = mask
    expected = sum(decay**age * history[-1 - age] for age in range(width))
    torch.testing.assert_close(window.scores(net)[0], expected * mask[..., 0])


def test_window_follows_a_removal() -> None:
    net = network()
    window = ImportanceWindow(2, 0.9)
    window.observe(net)
    before = window.scores(net)[0]
    window.keep(0, torch.tensor([[0, 2, 5], [1, 2, 3]]))
    kept = window.entries[-1][0]
    torch.testing.assert_close(kept, torch.stack([before[0, [0, 2, 5]], before[1, [1, 2, 3]]]))


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 80), shares, shares, st.lists(shares, max_size=60))
def test_schedule_rises_to_its_end_whatever_the_exploration(
    start: int, duration: int, one: float, other: float, surprises: list[float]
) -> None:
    initial, final = sorted((one, other))
    schedule = PruningSchedule(initial, final, start, duration)
    reached = 0.0
    for t in range(start + duration + 3):
        assert 0.0 <= schedule.progress(t) <= 1.0
        quick, slow = schedule.quick(t), schedule.slow(t)
        assert initial - 1e-12 <= slow <= quick + 1e-12 <= final + 2e-12
        assert quick >= schedule.quick(t - 1) - 1e-12
        assert slow >= schedule.slow(t - 1) - 1e-12
        surprise = surprises[t % len(surprises)] if surprises else 0.0
        rate = float(schedule.adapted(t, torch.tensor([surprise]), 0.7))
        if t < start:
            assert rate == 0.0
        else:
            assert slow - 1e-6 <= rate <= quick + 1e-6
        reached = max(reached, rate)
    assert schedule.quick(start + duration) == schedule.slow(start + duration) == final
    assert reached == pytest.approx(final, abs=1e-6)


def test_schedule_follows_the_printed_curves() -> None:
    schedule = PruningSchedule(0.1, 0.9, 10, 20)
    assert schedule.quick(15) == pytest.approx(0.9 - 0.8 * 0.75**4)
    assert schedule.slow(15) == pytest.approx(0.9 - 0.8 * 0.75**2)
    assert schedule.quick(10) == schedule.slow(10) == pytest.approx(0.1)


@settings(deadline=None)
@given(st.integers(0, 20), shares, shares)
def test_more_exploration_is_pruned_no_earlier(t: int, one: float, other: float) -> None:
    schedule = PruningSchedule(0.0, 0.85, 0, 20)
    less, more = sorted((one, other))
    rates = schedule.adapted(t, torch.tensor([less, more]), 0.8)
    assert float(rates[0]) >= float(rates[1])
    indifferent = schedule.adapted(t, torch.tensor([less, more]), 0.0)
    assert indifferent.tolist() == pytest.approx([schedule.quick(t)] * 2, abs=1e-6)


def scores(widths: list[int], seed: int, agents: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(agents, width, generator=generator) + 1e-3 for width in widths]


@settings(deadline=None)
@given(
    st.lists(st.integers(2, 70), min_size=1, max_size=3),
    st.lists(shares, min_size=3, max_size=3),
    st.integers(0, 9),
    st.sampled_from(RULES),
)
def test_the_least_important_of_each_layer_go_and_some_always_stay(
    widths: list[int], rates: list[float], seed: int, rule: str
) -> None:
    found = scores(widths, seed)
    for score, mask in zip(found, masks(found, torch.tensor(rates), widths, rule), strict=True):
        for s, m in zip(score, mask, strict=True):
            assert set(m.tolist()) <= {0.0, 1.0}
            assert int(m.sum()) >= min(LEAST_NEURONS, len(m))
            if bool((m == 0).any()):
                assert float(s[m == 0].max()) <= float(s[m == 1].min())


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(0, 20))
def test_each_layer_keeps_exactly_what_the_rate_leaves(width: int, twentieths: int) -> None:
    """In whole numbers, so that no rounding of the test's own is in the way."""
    (mask,) = masks(scores([width], 1), torch.full((3,), twentieths / 20), [width])
    gone = min(twentieths * width // 20, width - min(LEAST_NEURONS, width))
    assert mask.sum(1).tolist() == [width - gone] * 3


def test_agents_may_be_pruned_at_different_rates() -> None:
    (mask,) = masks(scores([40], 1), torch.tensor([0.0, 0.5, 0.85]), [40])
    assert mask.sum(1).tolist() == [40.0, 20.0, 6.0]


def test_rates_count_from_the_original_width_after_a_removal() -> None:
    (mask,) = masks(scores([24], 1), torch.tensor([0.4, 0.5, 0.85]), [40])
    assert mask.sum(1).tolist() == [24.0, 20.0, 6.0]


def test_neurons_that_are_gone_stay_gone() -> None:
    (score,) = scores([20], 3)
    gone = masks([score], torch.full((3,), 0.5), [20])[0] == 0
    later = masks([score.masked_fill(gone, 0.0)], torch.full((3,), 0.6), [20])[0]
    assert float(later[gone].max()) == 0.0


def test_cumulative_rule_keeps_most_of_the_importance_of_a_layer() -> None:
    score = torch.tensor([[1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 10.0]])
    (mask,) = masks([score], torch.tensor([0.21]), [7], "cumulative")
    # All of the first four fit into 0.21 of the sum, but four are to stay.
    assert mask[0].tolist().count(1.0) == LEAST_NEURONS
    assert mask[0, 4:].tolist() == [1.0, 1.0, 1.0]
    (mask,) = masks([score], torch.tensor([0.11]), [7], "cumulative")
    assert mask[0].tolist().count(0.0) == 2


def test_literal_rule_removes_nearly_everything_at_once() -> None:
    found = scores([64, 64], 1)
    for mask in masks(found, torch.full((3,), 0.02), [64, 64], "literal"):
        assert mask.sum(1).tolist() == [float(LEAST_NEURONS)] * 3


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="per_layer"):
        masks(scores([8], 1), torch.zeros(3), [8], "other")
