"""Stages of features of an image: the image itself and five stages of VGG16.

The network is that of Simonyan and Zisserman (2014) with weights trained on ImageNet, which the
user gives as a file. Its maximum pooling is replaced by L2 pooling with a Hanning window, which
does not alias (as in DISTS and A-DISTS).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional

from veaat_migration.qoe.errors import QoeError

CONVOLUTIONS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""Numbers of the convolutions of each stage in ``features`` of torchvision's vgg16."""
VGG16_CHANNELS = (64, 128, 256, 512, 512)
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_DEVIATION = (0.229, 0.224, 0.225)
"""Of the images of ImageNet, by which the network's input is normalised."""
_POOLING_FLOOR = 1e-12
"""Under the square root of the pooling, so that its gradient stays finite."""


class VggFeatures:
    """The image and the outputs of relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3."""

    def __init__(
        self,
        weights: Mapping[str, Any],
        *,
        channels: tuple[int, ...] = VGG16_CHANNELS,
        device: str = "cpu",
    ) -> None:
        """Check the weights and keep those of the convolutions.

        Args:
            weights: tensors ``features.N.weight`` and ``features.N.bias`` as in torchvision's
                vgg16; others are ignored.
            channels: feature maps of each stage; other widths than VGG16's are for tests.
            device: of torch.

        Raises:
            QoeError: a tensor is missing, has another shape or is not finite.
        """
        self.channels = (3, *channels)
        self._mean = torch.tensor(IMAGE_MEAN, device=device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(IMAGE_DEVIATION, device=device).view(1, 3, 1, 1)
        window = torch.hann_window(5, periodic=False, device=device)[1:-1]
        kernel = torch.outer(window, window)
        self._pooling = kernel / kernel.sum()
        self._device = device
        self._stages: list[list[tuple[Any, Any]]] = []
        for numbers, (before, width) in zip(CONVOLUTIONS, pairwise(self.channels), strict=True):
            inputs = [before, *([width] * (len(numbers) - 1))]
            self._stages.append(
                [
                    (
                        self._tensor(weights, f"features.{number}.weight", (width, size, 3, 3)),
                        self._tensor(weights, f"features.{number}.bias", (width,)),
                    )
                    for number, size in zip(numbers, inputs, strict=True)
                ]
            )

    def _tensor(self, weights: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Any:
        tensor = weights.get(name)
        if tensor is None:
            raise QoeError(
                f"{name}: missing; the file must hold the state dict of torchvision's vgg16"
            )
        if not isinstance(tensor, torch.Tensor) or tuple(tensor.shape) != shape:
            found = tuple(getattr(tensor, "shape", ()))
            raise QoeError(f"{name}: must have the shape {shape} of VGG16, has {found}")
        converted = tensor.detach().to(self._device, torch.float32)
        if not bool(torch.isfinite(converted).all()):
            raise QoeError(f"{name}: has values that are not finite")
        return converted

    def __call__(self, image: Any) -> list[Any]:
        """Feature maps of images in [0, 1], shape [N, 3, H, W]: six tensors [N, Z_c, H_c, W_c]."""
        stages = [image]
        x = (image - self._mean) / self._deviation
        for number, stage in enumerate(self._stages):
            if number:
                x = self._pooled(x)
            for weight, bias in stage:
                x = functional.relu(functional.conv2d(x, weight, bias, padding=1))
            stages.append(x)
        return stages

    def _pooled(self, x: Any) -> Any:
        """Root of the weighted mean of squares, every second position."""
        channels = x.shape[1]
        kernel = self._pooling.expand(channels, 1, 3, 3)
        mean = functional.conv2d(x * x, kernel, stride=2, padding=1, groups=channels)
        return (mean + _POOLING_FLOOR).sqrt()


def load_weights(path: Path) -> dict[str, Any]:
    """Tensors of a ``.safetensors`` or PyTorch file (``.pth``, ``.pt``); runs no code of the file.

    Raises:
        QoeError: it cannot be read or holds something else.
    """
    if not path.is_file():
        raise QoeError(f"{path}: no such file; --weights needs the state dict of vgg16")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(path)
        elif path.suffix in (".pth", ".pt"):
            weights = torch.load(path, map_location="cpu", weights_only=True)
        else:
            raise QoeError(f"{path}: must end in .safetensors, .pth or .pt")
    except QoeError:
        raise
    except Exception as error:
        # Damaged files make both libraries fail in many ways; none of them is ours to know.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise QoeError(f"{path}: cannot be read: {reason:.200}") from error
    if not isinstance(weights, Mapping):
        raise QoeError(f"{path}: holds a {type(weights).__name__}, not a state dict")
    return {str(name): tensor for name, tensor in weights.items()}
