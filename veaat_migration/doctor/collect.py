"""Collects what software and machine are; judges nothing."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
from pathlib import Path

from veaat_migration.doctor.machine import ClockFacts, MachineFacts
from veaat_migration.doctor.software import SoftwareFacts

_FILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE", "CYCLONEDDS_URI")
_UNSYNCHRONISED = 0x40
_CLOCK_ERROR = 5


def software_facts() -> SoftwareFacts:
    """What is installed here."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("ROS_", "RMW_", "FASTRTPS_", "FASTDDS_", "CYCLONEDDS_", "ZENOH_"))
    }
    named = [environment.get(name, "").removeprefix("file://") for name in _FILES]
    rclpy = _version("rclpy")
    rmw, rmw_error = _middleware() if rclpy is not None else (None, "")
    onnxruntime, providers = _onnxruntime()
    return SoftwareFacts(
        python=(sys.version_info.major, sys.version_info.minor, sys.version_info.micro),
        numpy=_version("numpy"),
        rclpy=rclpy,
        distribution=environment.get("ROS_DISTRO", ""),
        rmw=rmw,
        rmw_error=rmw_error,
        onnxruntime=onnxruntime,
        providers=providers,
        environment=environment,
        existing_files=frozenset(name for name in named if name and Path(name).is_file()),
    )


def machine_facts(bags: Path) -> MachineFacts:
    """What this machine is; ``bags`` is where recordings go."""
    memory = Path("/dev/shm")
    segments = list(memory.glob("fastrtps_*")) + list(memory.glob("fastdds_*"))
    release = re.search(r"\bR(\d+)\b", _text("/etc/nv_tegra_release"))
    return MachineFacts(
        shared_memory_free=shutil.disk_usage(memory).free if memory.is_dir() else None,
        shared_memory_segments=len(segments),
        foreign_segments=sum(not os.access(segment, os.W_OK) for segment in segments),
        clock=_clock(),
        governors=tuple(
            _text(file).strip()
            for file in sorted(
                Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
            )
        ),
        model=_text("/proc/device-tree/model").strip("\0\n "),
        l4t=int(release[1]) if release else None,
        power_mode=_power_mode(),
        disk_path=str(bags),
        disk_free=_free(bags),
    )


def _version(module: str) -> str | None:
    """Version of a module; "" if it does not tell, None if it cannot be imported."""
    try:
        imported = __import__(module)
    except ImportError:
        return None
    version = getattr(imported, "__version__", None)
    if isinstance(version, str):
        return version
    from importlib import metadata

    for distribution in (module, f"ros-{module}"):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _middleware() -> tuple[str | None, str]:
    try:
        from rclpy.utilities import get_rmw_implementation_identifier

        return str(get_rmw_implementation_identifier()), ""
    except Exception as error:  # what a library that cannot be loaded raises differs
        return None, " ".join(str(error).split())[:300]


def _onnxruntime() -> tuple[str | None, tuple[str, ...]]:
    try:
        import onnxruntime
    except ImportError:
        return None, ()
    return str(onnxruntime.__version__), tuple(onnxruntime.get_available_providers())


def _clock() -> ClockFacts | None:
    """What adjtimex(2) says of the clock, in any container and without any right."""
    if not sys.platform.startswith("linux") or sys.maxsize < 1 << 40:
        return None
    # struct timex: modes, offset, freq, maxerror, esterror, status, ...; 208 bytes on 64 bit.
    timex = (ctypes.c_long * 32)()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    status = timex[5] & 0xFFFFFFFF
    return ClockFacts(
        synchronised=state != _CLOCK_ERROR and not status & _UNSYNCHRONISED,
        largest_error=1e-6 * timex[3],
    )


def _power_mode() -> str:
    """Name of a Jetson's power mode, from the files of nvpmodel."""
    mode = re.search(r"pmode:(\d+)", _text("/var/lib/nvpmodel/status"))
    if mode is None:
        return ""
    number = int(mode[1])
    name = re.search(rf"POWER_MODEL\s+ID={number}\s+NAME=(\S+)", _text("/etc/nvpmodel.conf"))
    return name[1] if name else str(number)


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
