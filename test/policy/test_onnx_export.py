"""The ONNX graph answers as the numpy runtime does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from artifacts import make_artifact
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.onnx_export import (
    DIGEST_KEY,
    INPUT,
    OPSET,
    OUTPUT,
    SCHEMA_KEY,
    OnnxMissingError,
    to_onnx,
    write_onnx,
)
from veaat_migration.policy.runtime import NumpyActor
from veaat_migration.policy.schema import PolicySchema

policies = st.builds(
    make_artifact,
    role=st.sampled_from(["leader", "follower"]),
    n_avs=st.integers(2, 4),
    n_rsus=st.integers(1, 4),
    hidden=st.lists(st.integers(1, 40), max_size=3).map(tuple),
    activation=st.sampled_from(["tanh", "relu"]),
    price_scale=st.sampled_from(["geometric", "linear"]),
    price_low=st.sampled_from([0.0, 2.0]),
    low=st.sampled_from([0.0, 1.0]),
    seed=st.integers(0, 10_000),
)


@settings(max_examples=25, deadline=None)
@given(policies, st.integers(1, 9))
def test_onnxruntime_gives_the_same_answer(artifact: PolicyArtifact, batch: int):
    pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = runtime.InferenceSession(
        to_onnx(artifact).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(batch).uniform(-1, 1, (batch, artifact.schema.widths[0]))
    x = x.astype(np.float32)

    (actions,) = session.run([OUTPUT], {INPUT: x})

    actor = NumpyActor(artifact)
    assert actions.shape == (batch, artifact.schema.widths[-1])
    assert actions == pytest.approx(np.array([actor.act(row) for row in x]), rel=1e-5, abs=1e-6)


def test_the_model_carries_description_and_digest(tmp_path: Path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    artifact = make_artifact("leader", 2, policy_version=5)

    write_onnx(artifact, tmp_path / "rsu2.onnx")

    model = onnx.load(str(tmp_path / "rsu2.onnx"))
    onnx.checker.check_model(model, full_check=True)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties[DIGEST_KEY] == artifact.digest
    schema = PolicySchema.from_json(json.loads(properties[SCHEMA_KEY]))
    assert schema.to_json() == artifact.schema.to_json()
    assert model.model_version == 5
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]


def test_export_without_onnx_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnx", None)

    with pytest.raises(OnnxMissingError, match="pip install onnx"):
        to_onnx(make_artifact())
