"""Mending a half filled virtual environment, adapting the wheels to the local Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from environment.packages import forget_broken_packages, patch_wheels
from environment.target import Target


@pytest.fixture
def target(tmp_path: Path) -> Target:
    target = Target(tmp_path, "jazzy")
    (target.venv / "lib/python3.11/site-packages").mkdir(parents=True)
    (target.venv / "bin").mkdir()
    target.python.symlink_to(sys.executable)
    return target


def install(target: Target, name: str) -> Path:
    """Put a package into the environment as pip does; returns its metadata folder."""
    packages = target.site_packages()
    assert packages is not None
    info = packages / f"{name}-1.0.dist-info"
    info.mkdir()
    (packages / f"{name}.py").touch()
    (info / "METADATA").touch()
    record = f"{name}.py,sha256=x,0\n__pycache__/{name}.cpython-311.pyc,,\n"
    (info / "RECORD").write_text(record + f"{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    return info


def test_whole_packages_stay(target: Target) -> None:
    info = install(target, "whole")

    assert forget_broken_packages(target) == []
    assert info.is_dir()


def test_half_installed_packages_are_forgotten(target: Target) -> None:
    for name in ("no_record", "no_metadata", "no_module", "whole"):
        install(target, name)
    packages = target.site_packages()
    assert packages is not None
    (packages / "no_record-1.0.dist-info" / "RECORD").unlink()
    (packages / "no_metadata-1.0.dist-info" / "METADATA").unlink()
    (packages / "no_module.py").unlink()
    (packages / "~eplaced").mkdir()

    broken = forget_broken_packages(target)

    assert broken == ["no_metadata-1.0", "no_module-1.0", "no_record-1.0"]
    assert [path.name for path in packages.glob("*.dist-info")] == ["whole-1.0.dist-info"]
    assert not (packages / "~eplaced").exists()


def test_no_environment_is_not_broken(tmp_path: Path) -> None:
    assert forget_broken_packages(Target(tmp_path, "jazzy")) == []


def test_cmake_files_name_the_local_python(target: Target) -> None:
    folder = target.venv / "share/std_msgs/cmake"
    folder.mkdir(parents=True)
    file = folder / "export.cmake"
    build = "/opt/python/cp311-cp311"
    file.write_text(
        f'INTERFACE_INCLUDE_DIRECTORIES "{build}/include/python3.11;'
        f'{build}/lib/python3.11/site-packages/numpy/_core/include"\n'
    )
    (folder / "other.cmake").write_text("untouched")

    assert patch_wheels(target) == 1

    include, numpy = file.read_text().split('"')[1].split(";")
    assert (Path(include) / "Python.h").is_file()
    assert numpy == f"{target.site_packages()}/numpy/_core/include"
    assert patch_wheels(target) == 0
