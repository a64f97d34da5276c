"""Checks of policy files and bundles."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from veaat_migration.doctor.finding import Level
from veaat_migration.doctor.policies import check_policy
from veaat_migration.policy.policy_files import write_bundle, write_policy
from veaat_migration.policy.signature import load_private_key, make_keys, sign_files


@pytest.fixture(scope="module")
def artifacts() -> Any:
    path = Path(__file__).resolve().parents[1] / "policy" / "artifacts.py"
    specification = importlib.util.spec_from_file_location("doctor_artifacts", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["doctor_artifacts"] = module
    specification.loader.exec_module(module)
    return module


def test_a_bundle_and_a_file(artifacts: Any, tmp_path: Path):
    write_bundle(artifacts.make_bundle(policy_version=4), tmp_path)
    write_policy(artifacts.make_artifact(), tmp_path / "one.safetensors")

    bundle, single = check_policy(tmp_path), check_policy(tmp_path / "one.safetensors")

    assert bundle.level is Level.OK
    assert "leader 1, leader 2, follower 1" in bundle.found
    assert "version 4" in bundle.found
    assert single.level is Level.OK
    assert "not signed" in single.found


def test_damage_and_absence(artifacts: Any, tmp_path: Path):
    path = tmp_path / "one.safetensors"
    path.write_bytes(artifacts.make_artifact().to_bytes()[:-1])

    assert check_policy(path).level is Level.FAIL
    assert check_policy(tmp_path / "missing").level is Level.FAIL
    assert check_policy(tmp_path).level is Level.FAIL


def test_signatures(artifacts: Any, tmp_path: Path):
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    bundle = tmp_path / "bundle"
    write_bundle(artifacts.make_bundle(), bundle)
    private, public = make_keys(tmp_path / "keys")
    _, other = make_keys(tmp_path / "others")

    assert check_policy(bundle, public).level is Level.FAIL
    sign_files(load_private_key(private), bundle)
    assert "signatures fit" in check_policy(bundle, public).found
    assert "not compared" in check_policy(bundle).found
    assert check_policy(bundle, other).level is Level.FAIL
    assert check_policy(bundle, tmp_path / "no.pub").level is Level.FAIL
