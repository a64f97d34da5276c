"""Which policy an inference node begins with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from veaat_migration.nodes.inference_parameters import POLICY
from veaat_migration.nodes.policy_keeper import PolicyKeeper
from veaat_migration.nodes.policy_source import make_reception, read_first, read_kept
from veaat_migration.nodes.specification import Value
from veaat_migration.policy.policy_files import write_bundle, write_policy
from veaat_migration.policy.policy_store import PolicyStore
from veaat_migration.policy.reception import Reception
from veaat_migration.policy.verdict import Accepted

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))

from artifacts import make_artifact, make_bundle


def reception(**values: Value) -> Reception:
    defaults: dict[str, Value] = {
        spec.name: spec.default for spec in POLICY if spec.default is not None
    }
    return make_reception({**defaults, **values}, "follower", 1, (0.0, 10.0))


def kept(folder: Path, version: int) -> PolicyStore:
    """A store that holds a policy of this version."""
    store = PolicyStore(folder, "follower", 1)
    taken = reception().take(make_artifact(policy_version=version).to_bytes())
    assert isinstance(taken, Accepted)
    store.save(taken)
    return store


def begun_with(path: Path, store: PolicyStore | None) -> Reception:
    found = reception()
    assert read_first(found, str(path)) == ""
    if store is not None:
        read_kept(found, store, reception())
    return found


def test_a_person_may_name_a_file_or_a_bundle(tmp_path: Path):
    write_policy(make_artifact(policy_version=5), tmp_path / "one.safetensors")
    write_bundle(make_bundle(policy_version=6), tmp_path / "bundle")
    for path, version in (("one.safetensors", 5), ("bundle", 6)):
        found = begun_with(tmp_path / path, None).current
        assert found is not None
        assert found.version == version


@pytest.mark.parametrize(("named", "stored", "played"), [(5, 7, 7), (7, 5, 7), (7, 7, 7)])
def test_the_newer_one_of_named_and_kept_is_played_without_a_complaint(
    tmp_path: Path, named: int, stored: int, played: int
):
    path = tmp_path / "one.safetensors"
    write_policy(make_artifact(policy_version=named), path)
    found = begun_with(path, kept(tmp_path / "store", stored))
    assert found.current is not None
    assert found.current.version == played
    assert sum(found.refusals.values()) == 0


def test_what_was_kept_and_is_damaged_is_counted(tmp_path: Path):
    store = kept(tmp_path, 7)
    next(tmp_path.glob("*.safetensors")).write_bytes(b"no policy")
    found = reception()
    read_kept(found, store, reception())
    assert found.current is None
    assert sum(found.refusals.values()) == 1
    assert found.last_refusal


def test_what_is_wrong_with_the_named_one_is_told(tmp_path: Path):
    assert "no policy file" in read_first(reception(), str(tmp_path / "nothing"))
    (tmp_path / "bad.safetensors").write_bytes(b"no policy")
    assert read_first(reception(), str(tmp_path / "bad.safetensors"))
    write_policy(make_artifact(agent_id=2), tmp_path / "other.safetensors")
    assert "made for follower 2" in read_first(reception(), str(tmp_path / "other.safetensors"))
    assert read_first(reception(), "") == ""


def test_a_policy_for_other_bandwidths_is_refused(tmp_path: Path):
    write_policy(make_artifact(), tmp_path / "one.safetensors")
    narrow = make_reception(
        {spec.name: spec.default for spec in POLICY if spec.default is not None},
        "follower", 1, (0.0, 8.0),
    )  # fmt: skip
    assert "actions from 0 to 10" in read_first(narrow, str(tmp_path / "one.safetensors"))


def test_the_keeper_writes_the_last_policy_it_was_given(tmp_path: Path):
    store = PolicyStore(tmp_path, "follower", 1)
    keeper = PolicyKeeper(store)
    for version in range(1, 6):
        taken = reception().take(make_artifact(policy_version=version).to_bytes())
        assert isinstance(taken, Accepted)
        keeper.keep(taken)
    keeper.close()
    assert keeper.problem == ""
    again = PolicyStore(tmp_path, "follower", 1).load(reception())
    assert isinstance(again, Accepted)
    assert again.version == 5


def test_a_disk_that_refuses_is_told_and_does_not_end_the_keeper(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    keeper = PolicyKeeper(PolicyStore(tmp_path / "file", "follower", 1))
    taken = reception().take(make_artifact().to_bytes())
    assert isinstance(taken, Accepted)
    keeper.keep(taken)
    keeper.close()
    assert keeper.problem.startswith("policy_store: ")
