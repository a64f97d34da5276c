"""Measure how good rendered images look: A-DISTS against references, and the quality q.

A-DISTS (Eqs. 2 and 3) is a distance: 0 for images that look the same, near 1 for images that have
nothing in common. It needs the weights of VGG16 trained on ImageNet, as a file in the layout of
torchvision's vgg16 (.safetensors, or .pth as torchvision downloads it). The quality of experience
is q = k ln((1 - D) / (1 - D_th)) (Eq. 4, corrected), k the reputation after --migrations.

REFERENCE and RENDERED are two images of the same size, or two folders with images of the same
names; their mean is then what a scenario calls 'distortion' (docs/qoe.md).

Examples:
  # one pair of images
  veaat qoe reference.png rendered.png --weights vgg16.safetensors

  # all frames of two folders, as a table, and the numbers for a scenario
  veaat qoe frames/reference frames/rsu1 --weights vgg16.pth --csv rsu1.csv --migrations 40
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

SUMMARY = "measure the quality of rendered images (A-DISTS)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("reference", type=Path, metavar="REFERENCE", help="image or folder: how it should look")
    add("rendered", type=Path, metavar="RENDERED", help="image or folder: what users see")
    add("--weights", type=Path, required=True, metavar="FILE", help="of VGG16")
    add("--size", type=_size, default=256, metavar="N",
        help="shrink larger images: shorter side in pixels; 0: never (default 256)")  # fmt: skip
    add("--threshold", type=_share, default=0.6, metavar="D",
        help="D_th, worst distance that users accept (default 0.6)")  # fmt: skip
    add("--migrations", type=_count, default=0, metavar="N",
        help="completed migrations of good quality, for the reputation k (default 0)")  # fmt: skip
    add("--csv", type=Path, metavar="FILE", help="write a row for each image")
    add("--json", action="store_true", help="print the results as JSON")
    add("--device", default="cpu", help="of PyTorch, such as cuda (default: cpu)")


def run(args: argparse.Namespace) -> int:
    """Compare all pairs and print the result."""
    from veaat_migration.game.experience import Reputation, quality_of_experience
    from veaat_migration.qoe.measure import compare, write_table

    reputation = Reputation().after(args.migrations)
    rows = []
    for name, distance in compare(
        args.reference, args.rendered, args.weights, size=args.size, device=args.device
    ):
        quality = quality_of_experience(distance, args.threshold, reputation)
        rows.append((name, distance, quality))
        if not args.json:
            print(f"{name}: A-DISTS {distance:.6f}, q {quality:.4f}", flush=True)
    mean = math.fsum(distance for _, distance, _ in rows) / len(rows)
    quality = quality_of_experience(mean, args.threshold, reputation)
    if args.csv:
        write_table(args.csv, rows)
    if args.json:
        result = {
            "images": [
                {"name": name, "distance": distance, "quality": q} for name, distance, q in rows
            ],
            "mean_distance": mean,
            "quality": quality,
            "reputation": reputation,
            "threshold": args.threshold,
        }
        print(json.dumps(result, indent=2, allow_nan=False))
        return 0
    if len(rows) > 1:
        print(f"mean of {len(rows)} images: A-DISTS {mean:.6f}, q {quality:.4f}")
    print(
        f"in a scenario: quality: {{distortion: {mean:.4f}, "
        f"distortion_threshold: {args.threshold:g}, migrations: {args.migrations}}}"
    )
    return 0


def _size(text: str) -> int:
    value = int(text)
    if value != 0 and not 32 <= value <= 8192:
        raise argparse.ArgumentTypeError(f"must be 0 or from 32 to 8192, got {text}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError(f"must be from 0 to below 1, got {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 10**9:
        raise argparse.ArgumentTypeError(f"must be from 0 to 10^9, got {text}")
    return value
