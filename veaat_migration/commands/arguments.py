"""Numbers on a command line, checked; what several commands ask for."""

from __future__ import annotations

import argparse
import math


def finite(text: str) -> float:
    """A number that is neither infinite nor NaN."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}")
    return value


def positive(text: str) -> float:
    """A finite number > 0."""
    value = finite(text)
    if value <= 0.0:
        raise argparse.ArgumentTypeError(f"must be > 0, got {text}")
    return value


def add_process_options(group: argparse._ArgumentGroup) -> None:
    """What commands that start nodes can be told: executor, ROS domain, namespace."""
    group.add_argument(
        "--executor", choices=("events", "single_threaded"), default="events",
        help="rclpy executor of the nodes (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--domain-id", type=int, metavar="N",
        help="ROS domain (default: ROS_DOMAIN_ID if set, else a free one)",
    )  # fmt: skip
    group.add_argument(
        "--namespace", default="/veaat", metavar="NAME",
        help="namespace of nodes and topics (default: %(default)s)",
    )  # fmt: skip
