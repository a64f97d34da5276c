"""Releases on disk: whole or absent, versions that only grow, damage noticed and survived."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from artifacts import make_artifact, make_bundle

from veaat_migration.policy import releases
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.policy_files import read_bundle
from veaat_migration.policy.release import RELEASE, Figures, Release, ReleaseError
from veaat_migration.policy.releases import ReleaseBook
from veaat_migration.policy.signature import load_private_key, load_public_key, make_keys, verify

GOOD = Figures(0.01, 0.002)


def policies(version: int, seed: int = 0) -> list[PolicyArtifact]:
    return make_bundle(policy_version=version, seed=seed)


def release(book: ReleaseBook, version: int | None = None, seed: int = 0) -> Release:
    version = book.next_version() if version is None else version
    return book.add(policies(version, seed), game="g", figures=GOOD)


def test_a_release_is_written_found_and_read_by_another(tmp_path: Path):
    book = ReleaseBook(tmp_path / "releases")
    assert book.latest is None
    with pytest.raises(ReleaseError, match="nothing has been released"):
        book.find("leader", 1)
    before = time.time()

    made = book.add(policies(7), game="abc", figures=Figures(0.01, math.nan), final=True)

    other = ReleaseBook(tmp_path / "releases")
    found = other.latest
    assert found is not None
    assert replace(found, figures=GOOD) == replace(made, figures=GOOD)
    assert found.policy_version == 7
    assert (found.origin.training, found.origin.seed) == ("0" * 64, 7)
    assert (found.origin.iteration, found.origin.game) == (1000, "abc")
    assert found.final
    assert found.figures.gap == 0.01
    assert math.isnan(found.figures.exploitability)
    assert before - 1 <= found.released <= time.time()
    agents = [(policy.role, policy.agent_id) for policy in found.policies]
    assert agents == [("leader", 1), ("leader", 2), *(("follower", i) for i in (1, 2, 3))]
    for artifact, policy in zip(policies(7), found.policies, strict=True):
        assert policy.read() == artifact.to_bytes()
        assert policy.size == len(artifact.to_bytes())
        assert policy.sparsity == artifact.schema.sparsity
        assert policy.signature == b""
    assert len(read_bundle(tmp_path / "releases" / "7")) == 5  # a bundle for all other tools


def test_versions_only_grow(tmp_path: Path):
    book = ReleaseBook(tmp_path)
    now = int(time.time())
    assert now <= book.next_version() <= now + 2
    assert book.next_version(now=5.9) == 5
    assert book.next_version(now=5.9, above=8) == 9
    release(book, 100)
    assert book.next_version(now=50.0) == 101  # the clock was set back
    for version in (100, 99):
        with pytest.raises(ReleaseError, match="must be above 100"):
            release(book, version)
    shutil.rmtree(tmp_path)  # lost: time tells
    assert ReleaseBook(tmp_path).next_version() >= now


def test_a_file_of_a_former_release_is_found_by_digest(tmp_path: Path):
    book = ReleaseBook(tmp_path)
    first, second = release(book, 1, seed=1), release(book, 2, seed=2)

    assert book.find("leader", 2) == (second, second.policies[1])
    assert book.find("leader", 2, first.policies[1].sha256) == (first, first.policies[1])
    with pytest.raises(ReleaseError, match="no policy for it"):
        book.find("leader", 3)
    # Another agent's digest does not do.
    for digest in (first.policies[0].sha256, "0" * 64, "x"):
        with pytest.raises(ReleaseError, match="digest"):
            book.find("leader", 2, digest)


def test_only_the_newest_are_kept(tmp_path: Path):
    book = ReleaseBook(tmp_path, keep=2)
    for version in (1, 2, 3):
        release(book, version)

    assert [r.policy_version for r in book.releases] == [3, 2]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["2", "3"]


def test_a_reader_follows_the_writer(tmp_path: Path):
    writer, reader = ReleaseBook(tmp_path, keep=1), ReleaseBook(tmp_path, keep=1)
    release(writer, 1)
    assert reader.latest is None
    reader.refresh()
    assert reader.latest is not None
    assert reader.latest.policy_version == 1
    (old, *_) = reader.latest.policies
    release(writer, 2, seed=1)

    with pytest.raises(ReleaseError, match="cannot be read"):
        old.read()
    reader.refresh()
    assert [r.policy_version for r in reader.releases] == [2]


def damage_list(folder: Path) -> None:
    (folder / RELEASE).write_text("{")


def damage_policy(folder: Path) -> None:
    file = next(folder.glob("follower-2*"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def remove_policy(folder: Path) -> None:
    next(folder.glob("follower-2*")).unlink()


def lead_astray(folder: Path) -> None:
    content = json.loads((folder / RELEASE).read_text())
    content["policies"][0]["file"] = "../2/" + content["policies"][0]["file"]
    (folder / RELEASE).write_text(json.dumps(content))


def wrong_types(folder: Path) -> None:
    content = json.loads((folder / RELEASE).read_text())
    content["gap"] = "good"
    (folder / RELEASE).write_text(json.dumps(content))


def rename(folder: Path) -> None:
    folder.rename(folder.with_name("3"))


@pytest.mark.parametrize(
    "damage", [damage_list, damage_policy, remove_policy, lead_astray, wrong_types, rename]
)
def test_a_damaged_release_gives_way_to_the_one_before(
    tmp_path: Path, damage: Callable[[Path], None]
):
    book = ReleaseBook(tmp_path)
    for version in (1, 2):
        release(book, version, seed=version)
    damage(tmp_path / "2")

    book = ReleaseBook(tmp_path)

    assert book.latest is not None
    assert book.latest.policy_version == 1
    (problem,) = book.problems.values()
    assert str(tmp_path) in problem
    # Its number is used up all the same: vehicles may have seen it.
    assert book.next_version(now=0.0) == max(book.problems) + 1
    release(book, 10)
    assert not book.problems
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["1", "10"]


def test_a_file_that_changes_later_is_not_handed_out(tmp_path: Path):
    book = ReleaseBook(tmp_path)
    made = release(book)
    damage_policy(tmp_path / str(made.policy_version))
    with pytest.raises(ReleaseError, match="no longer the file"):
        made.policies[3].read()


def test_foreign_entries_are_no_releases(tmp_path: Path):
    for name in ("notes", "007", "-3", "²", ".unfinished-1-2"):
        (tmp_path / name).mkdir()
    (tmp_path / "5").write_text("a file")
    assert ReleaseBook(tmp_path).latest is None
    release(ReleaseBook(tmp_path), 6)
    assert (tmp_path / "notes").is_dir()
    assert not (tmp_path / ".unfinished-1-2").exists()  # left behind by a crash


def test_policies_of_two_runs_are_no_release(tmp_path: Path):
    book = ReleaseBook(tmp_path)
    with pytest.raises(ReleaseError, match="one version"):
        book.add(
            [
                make_artifact("leader", 1, policy_version=1),
                make_artifact("leader", 2, policy_version=2),
            ],
            game="g",
            figures=GOOD,
        )
    with pytest.raises(ReleaseError, match="one version"):
        book.add([], game="g", figures=GOOD)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", ["write_bundle", "write_file", "_sync"])
def test_a_failure_leaves_no_part_of_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
):
    book = ReleaseBook(tmp_path)
    release(book, 1)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(releases, step, fail)
        with pytest.raises(ReleaseError, match="No space left"):
            release(book, 2)

    fresh = ReleaseBook(tmp_path)
    assert not fresh.problems
    assert all(len(r.policies) == 5 for r in fresh.releases)
    assert not list(tmp_path.glob(".unfinished*"))


def test_releases_are_signed(tmp_path: Path):
    private, public = make_keys(tmp_path / "keys")
    book = ReleaseBook(tmp_path / "releases")
    made = book.add(policies(1), game="g", figures=GOOD, key=load_private_key(private))
    for policy in made.policies:
        verify(load_public_key(public), policy.read(), policy.signature)


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from artifacts import make_bundle
from veaat_migration.policy.release import Figures
from veaat_migration.policy.releases import ReleaseBook
book = ReleaseBook(Path(sys.argv[1]), keep=3)
print("ready", flush=True)
while True:
    version = book.next_version(now=0.0)
    book.add(
        make_bundle(policy_version=version, seed=version), game="g", figures=Figures(0.0, 0.0)
    )
"""


@pytest.mark.parametrize("seconds", [0.05, 0.11, 0.17, 0.23])
def test_a_killed_writer_leaves_whole_releases_only(tmp_path: Path, seconds: float):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)

    book = ReleaseBook(tmp_path, keep=3)
    last = book.last_version
    assert not book.problems
    assert release(book, book.next_version(now=0.0)).policy_version == last + 1
