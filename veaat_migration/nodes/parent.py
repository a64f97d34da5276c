"""A child process that ends with the process that started it, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping

VARIABLE = "VEAAT_PARENT_PID"
"""Environment variable with which a starter asks its children to end with it: its own pid."""

_PR_SET_PDEATHSIG = 1


def environment_for_children(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` plus the request to end with this process."""
    return {**environment, VARIABLE: str(os.getpid())}


def end_with_parent() -> None:
    """Let the kernel send SIGTERM when the parent dies, even by SIGKILL, if the parent asked.

    Linux only; elsewhere a starter that is killed leaves its children running.
    """
    parent = os.environ.get(VARIABLE, "")
    if not parent.isdigit() or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the request; one that is only not our direct parent
    # (a wrapper such as a debugger between us) has not.
    if os.getppid() != int(parent) and not _alive(int(parent)):
        os.kill(os.getpid(), signal.SIGTERM)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
