"""``veaat policy``: says what a policy is, or why it is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from veaat_migration.cli import main
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.observation import ObservationLayout
from veaat_migration.policy.policy_files import write_bundle, write_policy
from veaat_migration.policy.scaling import Scale
from veaat_migration.policy.schema import PolicySchema
from veaat_migration.policy.training_record import TrainingRecord


def make_policy(rsu_id: int) -> PolicyArtifact:
    layout = ObservationLayout(n_avs=1, n_rsus=2, history=1)
    schema = PolicySchema(
        role="leader",
        agent_id=rsu_id,
        rsu_ids=(1, 2),
        av_ids=(1,),
        layout=layout,
        price_scale=Scale("linear", np.array([2.0, 2.5]), np.array([30.0, 30.0])),
        bandwidth_scale=Scale("linear", np.zeros(2), np.full(2, 10.0)),
        arrival_rate=(4.0, 4.0),
        service_rate=(10.0, 10.0),
        widths=(layout.leader_size, 3, 1),
        unpruned=(64,),
        training=TrainingRecord("0" * 64, 7, 1000, "0.1.0", "2026-01-31T12:00:00Z"),
    )
    weights = [np.ones((3, layout.leader_size)), np.ones((1, 3))]
    return PolicyArtifact.from_arrays(schema, weights, [np.zeros(3), np.zeros(1)])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle([make_policy(1), make_policy(2)], tmp_path)
    return tmp_path


def test_a_bundle_is_described(bundle: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["policy", str(bundle)]) == 0

    text = capsys.readouterr().out
    assert "leader policy of RSU 1" in text
    assert "leader policy of RSU 2" in text


def test_a_file_is_described_for_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    policy = make_policy(2)
    write_policy(policy, tmp_path / "rsu2.safetensors")

    assert main(["policy", str(tmp_path / "rsu2.safetensors"), "--json"]) == 0

    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["sha256"] == policy.digest
    assert entry["schema"]["network"]["widths"] == [6, 3, 1]
    assert entry["parameters"] == 25


def test_a_damaged_file_is_an_error(bundle: Path, capsys: pytest.CaptureFixture[str]):
    file = next(bundle.glob("leader-2-*"))
    file.write_bytes(file.read_bytes()[:-1])

    assert main(["policy", str(file)]) == 2
    assert main(["policy", str(bundle)]) == 2
    assert main(["policy", str(bundle / "absent")]) == 2
    assert capsys.readouterr().err.count("leader-2") == 2


def test_policies_are_exported(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")

    assert main(["policy", str(bundle), "--onnx", str(tmp_path / "out" / "onnx")]) == 0

    assert "wrote 2 ONNX files" in capsys.readouterr().out
    model = onnx.load(str(tmp_path / "out" / "onnx" / "leader-2.onnx"))
    assert model.graph.name == "leader_2"


def test_policies_are_signed_and_checked(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    keys = tmp_path / "keys"
    private, public = keys / "policy-signing.key", keys / "policy-signing.pub"
    assert main(["policy", "keygen", str(keys)]) == 0
    assert str(public) in capsys.readouterr().out
    assert main(["policy", str(bundle), "--public-key", str(public)]) == 2
    assert "not signed" in capsys.readouterr().err

    assert main(["policy", "sign", str(bundle), "--key", str(private)]) == 0

    assert capsys.readouterr().out.count("wrote") == 2
    assert main(["policy", str(bundle), "--public-key", str(public)]) == 0
    assert f"2 signatures fit {public}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["sign", "x"], ["keygen", "a", "b"], ["seal", "x"]])
def test_words_that_mean_nothing_are_explained(
    words: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(["policy", *words]) == 2
    assert "keygen DIR" in capsys.readouterr().err
