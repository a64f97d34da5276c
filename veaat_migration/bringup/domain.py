"""A ROS domain of one's own, so that a simulation and its neighbours do not meet."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

from veaat_migration.errors import VeaatError

HIGHEST = 101
"""Domains above it use ports that Linux gives away to other programs."""


class NoFreeDomainError(VeaatError):
    """Every ROS domain is in use on this machine."""


def free_domain_id(candidates: Iterable[int] | None = None) -> int:
    """A ROS domain in which no program of this machine takes part, chosen at random.

    Raises:
        NoFreeDomainError: all ``candidates`` (1 to 101) are in use.
    """
    listed = list(range(1, HIGHEST + 1)) if candidates is None else list(candidates)
    random.SystemRandom().shuffle(listed)
    for domain_id in listed:
        if not in_use(domain_id):
            return domain_id
    raise NoFreeDomainError("no free ROS domain on this machine; give one with --domain-id")


def in_use(domain_id: int) -> bool:
    """Whether a program of this machine takes part in the domain.

    The first participant listens for discovery on a port that the DDS standard gives it.
    """
    port = 7400 + 250 * domain_id + 10
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return True
    return False
