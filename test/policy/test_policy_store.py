"""The last good policy on disk: it comes back as it was, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from artifacts import make_artifact

from veaat_migration.policy.artifact import PolicyFileError
from veaat_migration.policy.policy_store import PolicyStore
from veaat_migration.policy.reception import Accepted, Reception, RefusalReason, Refused


def take(version: int = 1, seed: int = 0, agent_id: int = 1) -> Accepted:
    artifact = make_artifact(
        "follower", agent_id, av_ids=(1, 2, 11), policy_version=version, seed=seed
    )
    verdict = Reception("follower", agent_id).take(artifact.to_bytes())
    assert isinstance(verdict, Accepted)
    return verdict


def load(folder: Path, agent_id: int = 1) -> Accepted | Refused | None:
    return PolicyStore(folder, "follower", agent_id).load(Reception("follower", agent_id))


def test_what_was_kept_comes_back(tmp_path: Path):
    kept = take(3)
    PolicyStore(tmp_path / "new" / "folder", "follower", 1).save(kept)

    found = load(tmp_path / "new" / "folder")

    assert isinstance(found, Accepted)
    assert (found.content, found.version, found.sha256) == (kept.content, 3, kept.sha256)


def test_nothing_was_kept(tmp_path: Path):
    assert load(tmp_path) is None
    assert load(tmp_path / "missing") is None


def test_only_the_newest_is_kept_and_others_are_left_alone(tmp_path: Path):
    for agent in (1, 11):
        PolicyStore(tmp_path, "follower", agent).save(take(agent_id=agent))
    store = PolicyStore(tmp_path, "follower", 1)
    for version in (2, 3):
        store.save(take(version, seed=version))

    assert len(list(tmp_path.iterdir())) == 4
    found = load(tmp_path)
    assert isinstance(found, Accepted)
    assert found.version == 3
    assert isinstance(load(tmp_path, 11), Accepted)


def test_a_damaged_store_is_a_refusal_and_no_error(tmp_path: Path):
    PolicyStore(tmp_path, "follower", 1).save(take())
    listing = tmp_path / "follower-1.json"
    (policy,) = tmp_path.glob("*.safetensors")
    text, content = listing.read_text(), policy.read_bytes()
    for damaged in (
        "",
        "{",
        "[" * 100_000,
        "[]",
        '{"a": 1}',
        text.replace('"version":1', '"version":2'),
        text.replace("follower-1-", "../follower-1-"),
        text[:-10],
        "9" * 5000,
    ):
        listing.write_text(damaged)
        found = load(tmp_path)
        assert isinstance(found, Refused)
        assert found.reason is RefusalReason.STORE
        assert "follower-1.json" in found.message
    listing.write_text(text)
    for broken in (content[:-1], b"", content[:50] + b"x" + content[51:]):
        policy.write_bytes(broken)
        assert isinstance(load(tmp_path), Refused)
    policy.unlink()
    found = load(tmp_path)
    assert isinstance(found, Refused)
    policy.write_bytes(content)
    assert isinstance(load(tmp_path), Accepted)


def test_only_the_file_that_it_wrote_itself_is_read(tmp_path: Path):
    PolicyStore(tmp_path / "store", "follower", 1).save(take())
    listing = tmp_path / "store" / "follower-1.json"
    (policy,) = (tmp_path / "store").glob("*.safetensors")
    policy.rename(tmp_path / policy.name)
    values = json.loads(listing.read_text())
    listing.write_text(json.dumps({**values, "file": f"../{policy.name}"}))

    found = load(tmp_path / "store")

    assert isinstance(found, Refused)
    assert found.reason is RefusalReason.STORE


def test_it_passes_the_checks_of_the_reception(tmp_path: Path):
    PolicyStore(tmp_path, "follower", 1).save(take())
    reception = Reception("follower", 1, limits=(0.0, 8.0))

    found = PolicyStore(tmp_path, "follower", 1).load(reception)

    assert isinstance(found, Refused)
    assert found.reason is RefusalReason.MISMATCH
    assert reception.current is None


def test_the_signature_is_kept(tmp_path: Path):
    module = pytest.importorskip(
        "cryptography.hazmat.primitives.asymmetric.ed25519", reason="cryptography is not installed"
    )
    key = module.Ed25519PrivateKey.generate()
    reception = Reception("follower", 1, public_key=key.public_key())
    content = make_artifact().to_bytes()
    verdict = reception.take(content, key.sign(content))
    assert isinstance(verdict, Accepted)
    store = PolicyStore(tmp_path, "follower", 1)
    store.save(verdict)

    again = Reception("follower", 1, public_key=key.public_key())
    assert isinstance(store.load(again), Accepted)
    listing = tmp_path / "follower-1.json"
    values = json.loads(listing.read_text())
    listing.write_text(json.dumps({**values, "signature": ""}))
    found = store.load(Reception("follower", 1, public_key=key.public_key()))
    assert isinstance(found, Refused)
    assert found.reason is RefusalReason.UNSIGNED


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(PolicyFileError, match="file"):
        PolicyStore(tmp_path / "file", "follower", 1).save(take())
