"""Images as tensors, and pairs of images in two folders."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from veaat_migration.qoe.errors import QoeError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
SIZE = 256
"""Larger images are shrunk so that their shorter side has this many pixels, as for DISTS."""
MAX_PIXELS = 100_000_000


def load_image(path: Path) -> Any:
    """An image as a PIL image in RGB; transparency is shown on white.

    Raises:
        QoeError: it cannot be read, or is too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            if image.width * image.height > MAX_PIXELS:
                raise QoeError(f"{path}: more than {MAX_PIXELS // 10**6} megapixels")
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                over = image.convert("RGBA")
                ground = Image.new("RGBA", over.size, "white")
                return Image.alpha_composite(ground, over).convert("RGB")
            if image.mode.startswith(("I", "F")):
                raise QoeError(f"{path}: has mode {image.mode}: save it with 8 bits per channel")
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise QoeError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise QoeError(f"{path}: is no image, or of a kind that is not known") from error
    except QoeError:
        raise
    except Image.DecompressionBombError as error:
        raise QoeError(f"{path}: is too large") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise QoeError(f"{path}: cannot be read: {error}") from error


def load_pair(reference: Path, rendered: Path, size: int = SIZE) -> tuple[Any, Any]:
    """Two images as tensors in [0, 1], shape [1, 3, H, W].

    Args:
        reference: image file.
        rendered: image file of the same size.
        size: both are shrunk until their shorter side has this many pixels; 0: never.

    Raises:
        QoeError: one cannot be read, or their sizes differ.
    """
    first, second = load_image(reference), load_image(rendered)
    if first.size != second.size:
        raise QoeError(
            f"{rendered}: has {second.width} x {second.height} pixels, its reference "
            f"{reference} {first.width} x {first.height}"
        )
    return _tensor(first, size), _tensor(second, size)


def _tensor(image: Any, size: int) -> Any:
    from PIL import Image

    shorter = min(image.size)
    if size and shorter > size:
        width, height = (max(1, round(side * size / shorter)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    values = np.asarray(image, dtype=np.float32) / np.float32(255.0)
    return torch.from_numpy(values.copy()).permute(2, 0, 1).unsqueeze(0)


def image_pairs(reference: Path, rendered: Path) -> list[tuple[str, Path, Path]]:
    """Pairs to compare: two files, or the images of the same name in two folders.

    Names count without their suffix, also in subfolders.

    Returns:
        Name, reference and rendered image, by name.

    Raises:
        QoeError: one is a folder and the other is not, names are not unique, or an image has
            no partner.
    """
    if reference.is_dir() != rendered.is_dir():
        raise QoeError(f"{reference} and {rendered}: give two images or two folders")
    if not reference.is_dir():
        return [(rendered.name, reference, rendered)]
    first, second = _images(reference), _images(rendered)
    if not first:
        raise QoeError(f"{reference}: holds no image ({', '.join(SUFFIXES)})")
    alone = [f"{rendered} lacks {name}" for name in sorted(first.keys() - second.keys())]
    alone += [f"{reference} lacks {name}" for name in sorted(second.keys() - first.keys())]
    if alone:
        more = f"; and {len(alone) - 5} more" if len(alone) > 5 else ""
        raise QoeError(f"images without a partner: {'; '.join(alone[:5])}{more}")
    return [(name, first[name], second[name]) for name in sorted(first)]


def _images(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise QoeError(f"{path} and {found[name]} have the same name")
            found[name] = path
    return found
