"""A-DISTS: locally adaptive structure and texture similarity of two images (Eqs. 2 and 3).

From the formulas of Ding, Liu, Zou, Wang and Ma (2021) as the paper uses them. Where a patch
looks like texture, it is enough that the means of its features agree; where it looks like
structure, the features themselves have to. docs/qoe.md says what is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional

from veaat_migration.qoe.errors import QoeError
from veaat_migration.qoe.features import VggFeatures

WINDOW = 21
"""Side of the Gaussian window; its standard deviation is a third of it [pixels]."""
MIN_SIDE = 32
"""Smallest image: its last stage has 2 x 2 positions [pixels]."""
_C1 = _C2 = 1e-6
"""Constants that keep the similarities finite where nothing is to be seen."""


@dataclass(frozen=True)
class Moments:
    """Local means and variances of feature maps under the window; [N, Z, Q_h, Q_w]."""

    mean: Any
    variance: Any


class Adists:
    """A-DISTS with given features."""

    def __init__(self, features: VggFeatures) -> None:
        self._features = features

    def __call__(self, reference: Any, rendered: Any) -> list[float]:
        """Distance of each pair of images: 0 for equal ones, near 1 for nothing in common.

        Args:
            reference: values in [0, 1], shape [N, 3, H, W].
            rendered: of the same shape.

        Raises:
            QoeError: shapes differ, images are too small or not in [0, 1].
        """
        _check(reference, rendered)
        with torch.inference_mode():
            total: Any = 0.0
            maps = 0
            pairs = zip(self._features(reference), self._features(rendered), strict=True)
            for x, y in pairs:
                total = total + stage_similarity(x, y).sum(dim=1)
                maps += x.shape[1]
            distance = (1.0 - total / maps).clamp(0.0, 1.0)  # Eq. 2
        return [float(value) for value in distance]


def stage_similarity(x: Any, y: Any) -> Any:
    """S of each feature map of one stage (Eq. 3), x being the reference; shape [N, Z]."""
    x, y = x.to(torch.float64), y.to(torch.float64)  # float32 loses variances of flat regions
    of_x, of_y = local_moments(x), local_moments(y)
    of_difference = _moments(x - y, of_x.mean - of_y.mean)  # filtering is linear
    texture = texture_probability(of_x)
    similarity = texture * mean_similarity(of_x, of_y, of_difference) + (
        1.0 - texture
    ) * structure_similarity(of_x, of_y, of_difference)
    return similarity.mean(dim=(2, 3))


def mean_similarity(x: Moments, y: Moments, difference: Moments) -> Any:
    """l, texture term: (2 mu_x mu_y + c) / (mu_x^2 + mu_y^2 + c).

    Written with the moments of x - y, so that equal images give exactly 1.
    """
    return 1.0 - difference.mean**2 / (x.mean**2 + y.mean**2 + _C1)


def structure_similarity(x: Moments, y: Moments, difference: Moments) -> Any:
    """s, structure term: (2 cov_xy + c) / (var_x + var_y + c), from -1 to 1.

    With var(x - y) = var_x + var_y - 2 cov_xy.
    """
    return (1.0 - difference.variance / (x.variance + y.variance + _C2)).clamp(-1.0, 1.0)


def texture_probability(reference: Moments) -> Any:
    """Probability that a patch of the reference is texture; shape [N, 1, Q_h, Q_w].

    The dispersion index (variance over mean, averaged over the feature maps) is low where
    features are spread evenly, as in texture, and high where few of them stand out, as at edges.
    Standardised over the image, its sigmoid is the probability of structure.
    """
    index = (reference.variance / (reference.mean.abs() + _C1)).mean(dim=1, keepdim=True)
    centre = index.mean(dim=(2, 3), keepdim=True)
    spread = ((index - centre) ** 2).mean(dim=(2, 3), keepdim=True).sqrt()
    # Rounding alone must not look like structure in an image that is the same everywhere.
    standard = torch.where(
        spread > 1e-9 * centre.abs() + 1e-12, (index - centre) / spread.clamp_min(1e-300), 0.0
    )
    return torch.sigmoid(-standard)


def local_moments(x: Any) -> Moments:
    """Moments under a Gaussian window of 21 x 21, smaller where the maps are smaller."""
    return _moments(x, _filtered(x))


def _moments(x: Any, mean: Any) -> Moments:
    return Moments(mean, (_filtered(x * x) - mean * mean).clamp_min(0.0))


def _filtered(x: Any) -> Any:
    """Weighted means at all places where the whole window fits, rows and columns in turn."""
    channels = x.shape[1]
    for axis in (2, 3):
        size = min(WINDOW, x.shape[axis])
        place = torch.arange(size, dtype=x.dtype, device=x.device) - (size - 1) / 2.0
        window = torch.exp(-0.5 * (place / (size / 3.0)) ** 2)
        shape = [channels, 1, 1, 1]
        shape[axis] = size
        kernel = (window / window.sum()).view(1, 1, *shape[2:]).expand(shape)
        x = functional.conv2d(x, kernel, groups=channels)
    return x


def _check(reference: Any, rendered: Any) -> None:
    if reference.ndim != 4 or reference.shape[1] != 3:
        raise QoeError(f"images must be [N, 3, H, W], got {tuple(reference.shape)}")
    if reference.shape != rendered.shape:
        (a, b), (c, d) = reference.shape[2:], rendered.shape[2:]
        raise QoeError(f"the images differ in size: {b} x {a} and {d} x {c} pixels")
    if min(reference.shape[2:]) < MIN_SIDE:
        height, width = reference.shape[2:]
        raise QoeError(f"images must have {MIN_SIDE} pixels a side, got {width} x {height}")
    for images in (reference, rendered):
        if not bool(((images >= 0.0) & (images <= 1.0)).all()):
            raise QoeError("images must have values from 0 to 1")
