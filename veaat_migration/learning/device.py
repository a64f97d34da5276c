"""Where to compute, checked before anything depends on it."""

from __future__ import annotations

from veaat_migration.errors import VeaatError


class DeviceError(VeaatError, ValueError):
    """torch cannot compute there; the message says why."""


def check_device(name: str) -> None:
    """Complain now about a device that torch cannot use, not in the middle of something.

    Raises:
        DeviceError: there is no such device.
    """
    import torch

    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(f"device {name}: {reason}; try cpu") from error
