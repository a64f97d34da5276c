"""Compares image files with references, one pair after the other."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from veaat_migration.qoe.adists import Adists
from veaat_migration.qoe.errors import QoeError
from veaat_migration.qoe.features import VggFeatures, load_weights
from veaat_migration.qoe.images import SIZE, image_pairs, load_pair


def compare(
    reference: Path, rendered: Path, weights: Path, *, size: int = SIZE, device: str = "cpu"
) -> Iterator[tuple[str, float]]:
    """Name and A-DISTS of every pair.

    Args:
        reference: image or folder.
        rendered: image or folder of the same names.
        weights: file with the state dict of VGG16.
        size: shorter side to which larger images are shrunk [pixels]; 0: never.
        device: of torch.

    Raises:
        QoeError: something cannot be read or does not fit; says what.
    """
    pairs = image_pairs(reference, rendered)
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise QoeError(f"device {device}: cannot be used: {error!s:.100}") from error
    try:
        adists = Adists(VggFeatures(load_weights(weights), device=device))
    except QoeError as error:
        text = str(error)
        raise QoeError(text if text.startswith(str(weights)) else f"{weights}: {text}") from error
    for name, first, second in pairs:
        x, y = load_pair(first, second, size)
        try:
            (distance,) = adists(x.to(device), y.to(device))
        except QoeError as error:
            raise QoeError(f"{second}: {error}") from error
        yield name, distance


def write_table(path: Path, rows: Iterable[tuple[str, float, float]]) -> None:
    """Write name, distance and quality of each image as CSV.

    Raises:
        QoeError: the file cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(("image", "distance", "quality"))
            writer.writerows(rows)
    except OSError as error:
        raise QoeError(f"{path}: cannot be written: {error.strerror or error}") from error
