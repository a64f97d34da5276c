"""A-DISTS with seeded weights: what must hold whatever the network has learned."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from veaat_migration.qoe.adists import (
    Moments,
    local_moments,
    mean_similarity,
    stage_similarity,
    structure_similarity,
    texture_probability,
)
from veaat_migration.qoe.errors import QoeError


def blurred(image: np.ndarray, times: int) -> np.ndarray:
    for _ in range(times):
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
        image = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4
    return image


def noisy(image: np.ndarray, strength: float) -> np.ndarray:
    noise = np.random.default_rng(5).normal(0.0, 1.0, image.shape)
    return (image + strength * noise).clip(0.0, 1.0)


def test_equal_images_have_distance_zero(adists: Any, house: Any, as_tensor: Any) -> None:
    assert adists(as_tensor(house), as_tensor(house)) == [0.0]


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_images_are_finite_and_equal_to_themselves(
    adists: Any, as_tensor: Any, level: float, house: Any
) -> None:
    flat = as_tensor(np.full_like(house, level))
    assert adists(flat, flat) == [0.0]
    (other,) = adists(flat, as_tensor(house))
    assert 0.3 < other <= 1.0


@pytest.mark.parametrize(
    "distorted",
    [
        lambda image: [blurred(image, times) for times in (0, 1, 3, 9, 27)],
        lambda image: [noisy(image, strength) for strength in (0.0, 0.02, 0.05, 0.15, 0.4)],
        lambda image: [0.5 + (image - 0.5) * contrast for contrast in (1.0, 0.8, 0.5, 0.2, 0.05)],
        lambda image: [np.floor(image * levels) / levels for levels in (256, 32, 8, 3)],
    ],
    ids=["blur", "noise", "contrast", "levels"],
)
def test_the_distance_grows_with_the_distortion(
    adists: Any, house: Any, as_tensor: Any, distorted: Any
) -> None:
    distances = [adists(as_tensor(house), as_tensor(image))[0] for image in distorted(house)]
    assert distances[0] < 0.02
    assert all(low < high for low, high in pairwise(distances))
    assert distances[-1] > 0.1


def test_a_batch_gives_what_its_pairs_give(adists: Any, house: Any, as_tensor: Any) -> None:
    x, y = as_tensor(house), as_tensor(noisy(house, 0.1))
    both = adists(torch.cat([x, x]), torch.cat([x, y]))
    np.testing.assert_allclose(both, [0.0, adists(x, y)[0]], atol=1e-6)


def test_the_same_pair_gives_the_same_number(adists: Any, house: Any, as_tensor: Any) -> None:
    x, y = as_tensor(house), as_tensor(blurred(house, 2))
    assert adists(x, y) == adists(x, y)


maps = arrays(np.float64, (1, 2, 24, 26), elements=st.floats(0.0, 100.0, width=32))


@settings(max_examples=30, deadline=None)
@given(x=maps, y=maps)
def test_similarities_are_symmetric_and_bounded(x: np.ndarray, y: np.ndarray) -> None:
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    moments = local_moments(a), local_moments(b)
    for similarity, low in ((mean_similarity, 0.0), (structure_similarity, -1.0)):
        forth = similarity(*moments, local_moments(a - b))
        back = similarity(*moments[::-1], local_moments(b - a))
        torch.testing.assert_close(forth, back)
        assert bool((forth <= 1.0).all())
        assert bool((forth >= low - 1e-9).all())
    texture = texture_probability(moments[0])
    assert bool(((texture > 0.0) & (texture < 1.0)).all())
    assert bool(torch.isfinite(stage_similarity(a, b)).all())
    assert stage_similarity(a, a).tolist() == [[1.0, 1.0]]


def test_the_formulas_against_plain_sums() -> None:
    generator = np.random.default_rng(2)
    x, y = generator.uniform(0.0, 3.0, (2, 21, 21))
    window = np.exp(-0.5 * ((np.arange(21) - 10.0) / 7.0) ** 2)
    w = np.outer(window, window)
    w /= w.sum()
    mean_x, mean_y = (w * x).sum(), (w * y).sum()
    covariance = (w * x * y).sum() - mean_x * mean_y
    variances = [(w * v * v).sum() - (w * v).sum() ** 2 for v in (x, y)]
    a, b = (torch.from_numpy(v).view(1, 1, 21, 21) for v in (x, y))
    moments = local_moments(a), local_moments(b), local_moments(a - b)
    l_expected = (2 * mean_x * mean_y + 1e-6) / (mean_x**2 + mean_y**2 + 1e-6)
    s_expected = (2 * covariance + 1e-6) / (sum(variances) + 1e-6)
    assert float(mean_similarity(*moments)) == pytest.approx(l_expected, rel=1e-9)
    assert float(structure_similarity(*moments)) == pytest.approx(s_expected, rel=1e-9)
    # A single patch is as likely to be texture as structure.
    expected = 0.5 * (l_expected + s_expected)
    assert float(stage_similarity(a, b)) == pytest.approx(expected, rel=1e-9)


def test_texture_is_where_features_are_spread_evenly() -> None:
    mean = torch.ones((1, 3, 1, 4))
    variance = torch.tensor([0.1, 0.1, 0.1, 9.0]).expand(1, 3, 1, 4)
    probability = texture_probability(Moments(mean, variance)).flatten()
    assert (probability[:3] > 0.5).all()
    assert probability[3] < 0.25


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ((1, 3, 64, 64), (1, 3, 64, 65), "differ in size: 64 x 64 and 65 x 64"),
        ((1, 3, 31, 64), (1, 3, 31, 64), "must have 32 pixels a side, got 64 x 31"),
        ((1, 1, 64, 64), (1, 1, 64, 64), r"must be \[N, 3, H, W\]"),
        ((3, 64, 64), (3, 64, 64), r"must be \[N, 3, H, W\]"),
    ],
)
def test_bad_sizes(adists: Any, first: Any, second: Any, message: str) -> None:
    with pytest.raises(QoeError, match=message):
        adists(torch.zeros(first), torch.zeros(second))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_values_that_are_no_colours(adists: Any, value: float) -> None:
    image = torch.full((1, 3, 64, 64), value)
    with pytest.raises(QoeError, match="values from 0 to 1"):
        adists(image, torch.zeros((1, 3, 64, 64)))


def test_the_smallest_image_and_odd_sizes(adists: Any) -> None:
    for shape in ((1, 3, 32, 32), (1, 3, 33, 71)):
        image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
        assert adists(image, image) == [0.0]
        assert 0.0 < adists(image, image.flip(3))[0] <= 1.0
