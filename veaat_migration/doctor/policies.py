"""Checks of policy files and bundles: whether a node would play them."""

from __future__ import annotations

from pathlib import Path

from veaat_migration.doctor.finding import Finding, fail, ok
from veaat_migration.errors import VeaatError
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.policy_files import policy_contents
from veaat_migration.policy.runtime import NumpyActor
from veaat_migration.policy.self_test import SelfTestError, self_test
from veaat_migration.policy.signature import load_public_key, read_signature, verify_files


def check_policy(path: Path, public_key: Path | None = None) -> Finding:
    """A policy file or a bundle's folder: form, digests, signatures, answers."""
    check = "policy"
    advice = "copy or export it again; docs/policies.md says what a policy file is"
    try:
        contents = policy_contents(path)
        artifacts = [PolicyArtifact.from_bytes(data, str(file)) for file, data in contents]
        for (file, _), artifact in zip(contents, artifacts, strict=True):
            try:
                self_test(NumpyActor(artifact), artifact)
            except SelfTestError as error:
                return fail(check, f"{file}: {error}", "train and export it again")
        unsigned = sum(not read_signature(file) for file, _ in contents)
        if public_key is not None:
            advice = "sign it with the right key ('veaat policy sign'), or give its public key"
            verify_files(load_public_key(public_key), path)
    except VeaatError as error:
        return fail(check, str(error), advice)
    versions = sorted({artifact.schema.policy_version for artifact in artifacts})
    names = ", ".join(f"{a.schema.role} {a.schema.agent_id}" for a in artifacts[:8])
    more = f" and {len(artifacts) - 8} more" if len(artifacts) > 8 else ""
    signed = (
        "signatures fit the key"
        if public_key is not None
        else "signed, not compared with a key"
        if not unsigned
        else "not signed"
    )
    version = ", ".join(map(str, versions))
    return ok(check, f"{path}: {names}{more}; version {version}; answers well; {signed}")
