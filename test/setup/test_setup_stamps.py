"""When the set-up is done again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from environment.stamps import Stamp, build_fingerprint, packages_fingerprint
from environment.target import Target


@pytest.fixture
def project(tmp_path: Path) -> Target:
    for name in (
        "CMakeLists.txt",
        "package.xml",
        "msg/PriceOffer.msg",
        "veaat_migration/cli.py",
        "launch/sim.launch.py",
        "config/base.yaml",
        "scripts/veaat",
    ):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("old\n")
    return Target(tmp_path, "jazzy")


@pytest.mark.parametrize("name", ["CMakeLists.txt", "package.xml", "msg/PriceOffer.msg"])
def test_what_is_compiled_counts_by_content(project: Target, name: str) -> None:
    before = build_fingerprint(project)
    (project.root / name).write_text("new\n")

    assert build_fingerprint(project) != before


@pytest.mark.parametrize(
    "name", ["msg/New.msg", "veaat_migration/game/new.py", "launch/x.py", "config/x", "scripts/x"]
)
def test_a_new_file_counts(project: Target, name: str) -> None:
    before = build_fingerprint(project)
    file = project.root / name
    file.parent.mkdir(exist_ok=True)
    file.touch()

    assert build_fingerprint(project) != before


def test_edits_of_linked_files_and_litter_do_not_count(project: Target) -> None:
    before = build_fingerprint(project)
    (project.root / "veaat_migration/cli.py").write_text("new\n")
    (project.root / "config/base.yaml").write_text("new\n")
    (project.root / "veaat_migration/.cli.py.swp").touch()
    (project.root / "veaat_migration/cli.py~").touch()
    (project.root / "veaat_migration/__pycache__").mkdir()
    (project.root / "veaat_migration/__pycache__/cli.cpython-312.pyc").touch()

    assert build_fingerprint(project) == before


def test_a_moved_project_needs_new_packages(project: Target, tmp_path: Path) -> None:
    moved = Target(tmp_path / "elsewhere", "jazzy")

    assert packages_fingerprint(moved) != packages_fingerprint(project)
    assert packages_fingerprint(Target(project.root, "kilted")) != packages_fingerprint(project)


@pytest.fixture
def stamp(tmp_path: Path) -> Stamp:
    (tmp_path / "lib" / "rclpy").mkdir(parents=True)
    (tmp_path / "lib" / "library.so").touch()
    stamp = Stamp(tmp_path, [tmp_path / "lib"])
    stamp.write("fingerprint")
    return stamp


def test_an_untouched_folder_matches(stamp: Stamp, tmp_path: Path) -> None:
    (tmp_path / "lib" / "added by the user").touch()
    (tmp_path / "lib" / "__pycache__").mkdir()

    assert stamp.matches("fingerprint")
    assert not stamp.matches("another")


def test_what_has_gone_is_noticed(stamp: Stamp, tmp_path: Path) -> None:
    (tmp_path / "lib" / "library.so").unlink()
    assert not stamp.matches("fingerprint")

    shutil.rmtree(tmp_path / "lib")
    assert not stamp.matches("fingerprint")


def test_every_watched_folder_counts(tmp_path: Path) -> None:
    folders = [tmp_path / "bin", tmp_path / "lib"]
    for folder in folders:
        folder.mkdir()
        (folder / "file").touch()
    stamp = Stamp(tmp_path, folders)
    stamp.write("fingerprint")
    assert stamp.matches("fingerprint")

    (folders[0] / "file").unlink()
    assert not stamp.matches("fingerprint")


def test_a_link_to_nowhere_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "source.py"
    source.touch()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "source.py").symlink_to(source)
    stamp = Stamp(tmp_path, [tmp_path / "lib"])
    stamp.write("fingerprint")
    assert stamp.matches("fingerprint")

    source.unlink()
    assert not stamp.matches("fingerprint")


@pytest.mark.parametrize("text", ["", "garbage", "[]", "{}", '{"fingerprint": "fingerprint"}'])
def test_an_unreadable_stamp_does_not_match(stamp: Stamp, tmp_path: Path, text: str) -> None:
    (tmp_path / ".veaat_setup.json").write_text(text)

    assert not stamp.matches("fingerprint")


def test_a_removed_stamp_does_not_match(stamp: Stamp) -> None:
    stamp.remove()
    stamp.remove()

    assert not stamp.exists()
    assert not stamp.matches("fingerprint")
