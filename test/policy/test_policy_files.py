"""Policies on disk: written whole or not at all, read with care."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from artifacts import make_artifact, make_bundle

from veaat_migration.policy import policy_files
from veaat_migration.policy.artifact import MAX_FILE_SIZE, PolicyFileError
from veaat_migration.policy.checks import SchemaError
from veaat_migration.policy.policy_files import (
    BUNDLE,
    read_bundle,
    read_policy,
    write_bundle,
    write_policy,
)


def digests(artifacts: Any) -> list[str]:
    return [artifact.digest for artifact in artifacts]


def test_a_policy_is_written_and_read(tmp_path: Path):
    artifact = make_artifact("leader", 2)
    path = tmp_path / "rsu2.safetensors"

    write_policy(artifact, path)

    assert read_policy(path).digest == artifact.digest
    assert read_policy(str(path)).digest == artifact.digest
    assert path.read_bytes() == artifact.to_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["rsu2.safetensors"]


def test_files_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_FILE_SIZE + 1)
    for name, message in (
        ("absent", "No such file"),
        ("folder", "is no file"),
        ("pipe", "is no file"),
        ("empty", "ends after 0 bytes"),
        ("huge", "bytes, more than"),
        ("a\0b", "cannot be read"),
    ):
        with pytest.raises(PolicyFileError, match=message) as caught:
            read_policy(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")


def test_a_place_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(PolicyFileError, match="cannot be written"):
        write_policy(make_artifact(), tmp_path / "absent" / "file")
    (tmp_path / "file").touch()
    with pytest.raises(PolicyFileError, match="cannot be made"):
        write_bundle(make_bundle(), tmp_path / "file")


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
def test_a_failure_at_any_step_leaves_the_old_file(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "policy.safetensors"
    old, new = make_artifact(seed=1), make_artifact(seed=2)
    write_policy(old, path)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if step == "open":
            patch.setattr(Path, "open", fail)
        elif step == "write":
            real = Path.open

            def half(self: Path, *args: Any, **kwargs: Any) -> Any:
                file = real(self, *args, **kwargs)
                file.write(b"half")
                file.flush()
                patch.setattr(Path, "open", real)
                file.close()
                return file

            patch.setattr(Path, "open", half)
        elif step == "fsync":
            patch.setattr(os, "fsync", fail)
        else:
            patch.setattr(Path, "replace", fail)
        with pytest.raises(PolicyFileError, match="cannot be written"):
            write_policy(new, path)

    assert read_policy(path).digest == old.digest
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_bundle_is_written_and_read_in_order(tmp_path: Path):
    artifacts = make_bundle()

    listing = write_bundle(reversed(artifacts), tmp_path / "new" / "folder")

    assert listing == tmp_path / "new" / "folder" / BUNDLE
    assert digests(read_bundle(listing.parent)) == digests(artifacts)
    content = json.loads(listing.read_text())
    assert [(entry["role"], entry["id"]) for entry in content["policies"]] == [
        ("leader", 1),
        ("leader", 2),
        ("follower", 1),
        ("follower", 2),
        ("follower", 3),
    ]
    assert len(list(listing.parent.iterdir())) == 6


def test_a_new_bundle_replaces_the_old_one_and_nothing_else(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    write_bundle(make_bundle(seed=1), tmp_path)
    new = make_bundle(seed=2)

    write_bundle(new, tmp_path)

    assert digests(read_bundle(tmp_path)) == digests(new)
    assert len(list(tmp_path.iterdir())) == 5 + 2


@pytest.mark.parametrize("writes", range(6))
def test_a_bundle_interrupted_at_any_file_is_still_the_old_one(
    writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    old = make_bundle(seed=1)
    write_bundle(old, tmp_path)
    real = policy_files.write_file
    done = 0

    def interrupted(path: Path, data: bytes) -> None:
        nonlocal done
        if done == writes:
            raise KeyboardInterrupt
        done += 1
        real(path, data)

    monkeypatch.setattr(policy_files, "write_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(make_bundle(seed=2), tmp_path)

    assert digests(read_bundle(tmp_path)) == digests(old)


def test_a_bundle_is_of_one_game(tmp_path: Path):
    bundle = make_bundle()
    for others in (
        [bundle[0]],
        [make_artifact("follower", 1, n_avs=4)],
        [make_artifact("follower", 3, history=5)],
        [make_artifact("follower", 3, low=1.0)],
        [make_artifact("follower", 3, price_scale="linear")],
    ):
        with pytest.raises(SchemaError, match="policies"):
            write_bundle(bundle[:3] + others, tmp_path)
    with pytest.raises(SchemaError, match="one at least"):
        write_bundle([], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(make_bundle(), tmp_path)
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(PolicyFileError) as caught:
        read_bundle(folder)
    assert ";" in str(caught.value)
    return str(caught.value)


def edit(folder: Path, change: Any) -> None:
    content = json.loads((folder / BUNDLE).read_text())
    change(content)
    (folder / BUNDLE).write_text(json.dumps(content))


def test_a_bundle_without_one_of_its_files(bundle: Path):
    next(bundle.glob("follower-2-*")).unlink()

    assert "cannot be read: No such file" in refused(bundle)


def test_a_bundle_with_a_file_of_another(bundle: Path):
    write_policy(make_artifact("follower", 2, seed=9), next(bundle.glob("follower-2-*")))

    assert "is not the file that" in refused(bundle)


def test_a_bundle_that_takes_one_for_another(bundle: Path):
    def exchange(content: dict[str, Any]) -> None:
        first, second = content["policies"][2:4]
        first["id"], second["id"] = 2, 1

    edit(bundle, exchange)

    assert "is the policy of follower 1, but" in refused(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format="x"), "format: must be"),
        (lambda c: c.update(version=2), "version: must be 1, got 2"),
        (lambda c: c.update(version=True), "version: must be 1"),
        (lambda c: c.update(more=1), "unknown ['more']"),
        (lambda c: c.pop("policies"), "missing ['policies']"),
        (lambda c: c.update(policies={}), "policies: must be a list"),
        (lambda c: c.update(policies=[]), "one at least"),
        (lambda c: c["policies"].append(c["policies"][0]), "one for each agent"),
        (lambda c: c["policies"].append(5), "policies[5]: must be an object"),
        (lambda c: c["policies"][0].pop("size"), "missing ['size']"),
        (lambda c: c["policies"][0].update(size=0), "size: must be a whole number"),
        (lambda c: c["policies"][0].update(size=5), "is not the file"),
        (lambda c: c["policies"][0].update(sha256=None), "is not the file"),
        (lambda c: c["policies"][0].update(file="../secret"), "name of a file"),
        (lambda c: c["policies"][0].update(file="/etc/passwd"), "name of a file"),
        (lambda c: c["policies"][0].update(file=".."), "name of a file"),
        (lambda c: c["policies"][0].update(file=7), "name of a file"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(change: Any, message: str, bundle: Path):
    edit(bundle, change)

    assert message in refused(bundle)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b"[NaN]", b"null"])
def test_a_list_that_is_none_is_refused(content: bytes, bundle: Path):
    (bundle / BUNDLE).write_bytes(content)

    refused(bundle)
    # It stands in the way of no new one.
    new = make_bundle(seed=3)
    write_bundle(new, bundle)
    assert digests(read_bundle(bundle)) == digests(new)


def test_a_false_list_removes_nothing_of_others(bundle: Path):
    (bundle / "notes.txt").write_text("mine")
    edit(bundle, lambda c: c["policies"][0].update(file="notes.txt"))

    write_bundle(make_bundle(seed=3), bundle)

    assert (bundle / "notes.txt").exists()
