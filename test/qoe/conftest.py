"""Pictures with edges and texture, and a narrow network with seeded weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

CHANNELS = (6, 8, 12, 16, 16)


def seeded_weights(channels: tuple[int, ...], seed: int = 0) -> dict[str, Any]:
    """Random weights that keep the size of features from stage to stage."""
    from veaat_migration.qoe.features import CONVOLUTIONS

    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, Any] = {}
    before = 3
    for numbers, width in zip(CONVOLUTIONS, channels, strict=True):
        for number in numbers:
            scale = (2.0 / (9 * before)) ** 0.5
            draw = torch.randn((width, before, 3, 3), generator=generator)
            weights[f"features.{number}.weight"] = scale * draw
            weights[f"features.{number}.bias"] = 0.01 * torch.randn(width, generator=generator)
            before = width
    return weights


def picture(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """A house with grass: edges above, texture below; [H, W, 3] in [0, 1]."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / height
    image = np.stack([0.5 + 0.2 * x, 0.6 + 0.0 * x, 0.9 - 0.3 * y], axis=-1)
    image[(np.abs(x - 0.5) < 0.25) & (np.abs(y - 0.4) < 0.2)] = (0.7, 0.3, 0.2)
    image[(np.abs(x - 0.5) < 0.05) & (np.abs(y - 0.5) < 0.1)] = (0.1, 0.1, 0.1)
    grass = y > 0.62
    noise = generator.normal(0.0, 0.12, (height, width, 1))
    image[grass] = (np.array([0.25, 0.5, 0.2]) + noise)[grass]
    return image.clip(0.0, 1.0)


def tensor(image: np.ndarray) -> Any:
    """[H, W, 3] to [1, 3, H, W]."""
    return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1).unsqueeze(0)


@pytest.fixture(scope="session")
def adists() -> Any:
    """A-DISTS with a narrow network."""
    from veaat_migration.qoe.adists import Adists
    from veaat_migration.qoe.features import VggFeatures

    torch.set_num_threads(1)
    return Adists(VggFeatures(seeded_weights(CHANNELS), channels=CHANNELS))


@pytest.fixture
def house() -> np.ndarray:
    """The picture."""
    return picture()


@pytest.fixture
def as_tensor() -> Any:
    """[H, W, 3] to [1, 3, H, W]."""
    return tensor


@pytest.fixture
def make_weights() -> Any:
    """See :func:`seeded_weights`."""
    return seeded_weights
