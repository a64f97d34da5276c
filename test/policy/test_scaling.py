"""Shares of intervals: there and back, the same with numpy and torch, ends met exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.policy.scaling import KINDS, LOWEST_RATIO, Scale


@st.composite
def scales(draw: st.DrawFn) -> Scale:
    size = draw(st.integers(1, 5))
    low = np.array(draw(st.lists(st.floats(0.0, 50.0), min_size=size, max_size=size)))
    width = np.array(draw(st.lists(st.floats(0.1, 100.0), min_size=size, max_size=size)))
    return Scale(draw(st.sampled_from(KINDS)), low, low + width)


shares = st.floats(0.0, 1.0)


@given(scales(), shares)
def test_a_share_becomes_a_value_and_a_share_again(scale: Scale, share: float):
    value = scale.value(np.full(scale.low.shape, share))

    assert np.all(value >= scale.low * (1 - 1e-9) - 1e-9)
    assert np.all(value <= scale.high * (1 + 1e-9))
    assert scale.share(value) == pytest.approx(share, abs=1e-7)


@given(scales())
def test_the_ends_are_the_interval(scale: Scale):
    assert scale.value(np.zeros(scale.low.size)) == pytest.approx(scale.low, abs=1e-9)
    assert scale.value(np.ones(scale.low.size)) == pytest.approx(scale.high)
    assert scale.share(scale.low) == pytest.approx(0.0, abs=1e-9)
    assert scale.share(scale.high) == pytest.approx(1.0)


@given(scales(), shares, shares)
def test_larger_shares_are_larger_values(scale: Scale, first: float, second: float):
    low, high = sorted((first, second))

    assert np.all(scale.value(np.array([low])) <= scale.value(np.array([high])) + 1e-9)


@given(scales(), st.lists(shares, min_size=1, max_size=4))
def test_batches_are_many_single_ones(scale: Scale, rows: list[float]):
    batch = np.outer(rows, np.ones(scale.low.size))

    assert np.array_equal(scale.value(batch), np.array([scale.value(row) for row in batch]))
    values = scale.value(batch)
    assert np.array_equal(scale.share(values), np.array([scale.share(row) for row in values]))


@settings(deadline=None)  # the first example imports torch
@given(scales(), shares)
def test_numpy_and_torch_agree(scale: Scale, share: float):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    vector = np.full(scale.low.size, share)
    tensor = torch.from_numpy(vector)

    values = scale.value(tensor)

    assert values.dtype is torch.float64
    assert values.numpy() == pytest.approx(scale.value(vector), rel=1e-13, abs=1e-13)
    assert scale.share(values).numpy() == pytest.approx(
        scale.share(values.numpy()), rel=1e-12, abs=1e-13
    )
    single = scale.value(tensor.float())
    assert single.dtype is torch.float32
    assert single.numpy() == pytest.approx(scale.value(vector), rel=1e-5, abs=1e-5)


def test_gradients_flow_through_values():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    scale = Scale("geometric", np.array([2.0]), np.array([30.0]))
    share = torch.full((1,), 0.5, dtype=torch.float64, requires_grad=True)

    scale.value(share).sum().backward()

    step = 1e-6
    numeric = (scale.value(0.5 + step) - scale.value(0.5 - step)) / (2 * step)
    assert share.grad.numpy() == pytest.approx(numeric, rel=1e-6)


def test_a_geometric_scale_without_cost_is_shifted():
    scale = Scale("geometric", np.array([0.0, 5.0]), np.array([30.0, 30.0]))

    ends = (scale.low + scale.shift) / (scale.high + scale.shift)
    assert ends[0] == pytest.approx(LOWEST_RATIO)
    assert scale.shift[1] == 0.0
    # Half of the scale is the geometric mean of its ends.
    assert scale.value(np.array([0.5, 0.5]))[1] == pytest.approx(np.sqrt(5.0 * 30.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [0.25, 1, np.float64(0.25), np.float32(0.25)])
def test_a_plain_number_serves_every_action(kind: str, number: float):
    scale = Scale(kind, np.array([2.0, 2.5]), np.array([30.0, 30.0]))

    assert scale.value(number) == pytest.approx(scale.value(np.full(2, float(number))))
    assert scale.share(4.0 + number) == pytest.approx(scale.share(np.full(2, 4.0 + number)))


def test_a_value_far_below_a_geometric_scale_has_a_finite_share():
    scale = Scale("geometric", np.array([2.0]), np.array([30.0]))

    assert np.isfinite(scale.share(np.array([-5.0]))).all()
    assert scale.share(np.array([-5.0])) < -1.0


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("cubic", [0.0], [1.0]),
        ("linear", [1.0], [1.0]),
        ("linear", [0.0, 1.0], [2.0]),
        ("linear", [[0.0]], [[1.0]]),
        ("linear", [np.nan], [1.0]),
        ("linear", [0.0], [np.inf]),
        ("geometric", [-1.0], [1.0]),
    ],
)
def test_a_scale_without_meaning_is_refused(kind: str, low: list[float], high: list[float]):
    with pytest.raises(ValueError, match="scale"):
        Scale(kind, np.array(low), np.array(high))
