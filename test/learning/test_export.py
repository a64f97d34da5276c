"""What leaves training answers as the networks in training do."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from veaat_migration.game.instance import GameInstance  # noqa: E402
from veaat_migration.learning.config import TrainingConfig  # noqa: E402
from veaat_migration.learning.export import export_policies  # noqa: E402
from veaat_migration.learning.learner import Learner  # noqa: E402
from veaat_migration.learning.pruning.shrink import set_masks, shrink  # noqa: E402
from veaat_migration.learning.surroundings import Surroundings  # noqa: E402
from veaat_migration.policy.artifact import PolicyArtifact  # noqa: E402
from veaat_migration.policy.policy_files import read_bundle, write_bundle  # noqa: E402
from veaat_migration.policy.runtime import NumpyActor  # noqa: E402


def make_learner(**network: object) -> Learner:
    instance = GameInstance.create(
        satisfaction=[20.0, 25.0, 30.0],
        offset=[1.2, 0.9, -0.5],  # the last AV's interval does not begin at 0
        quality=[1.0, 1.2],
        cost=[2.0, 2.5],
        social=0.02,
        service=0.02,
        price_max=30.0,
        bandwidth_max=10.0,
    )
    network = {"hidden": [64, 64], **network}
    config = TrainingConfig.model_validate({"game": "base.yaml", "network": network})
    around = Surroundings(np.array([4.0, 5.0]), np.array([10.0, 11.0]))
    learner = Learner(instance, config, seed=1, surroundings=around)
    with torch.no_grad():
        for weight, bias in zip(learner.average.weights, learner.average.biases, strict=True):
            weight.mul_(3.0)
            bias.normal_(0.0, 0.3, generator=learner.generator)
        learner.average.weights[-1].mul_(100.0)  # begins near nothing
    learner.average.blind()
    return learner


def agrees(learner: Learner, artifacts: list[PolicyArtifact]) -> None:
    records = 2.0 * torch.rand(learner.layout.record_size, 30, generator=learner.generator) - 1.0
    with torch.no_grad():
        shares = learner.average(records).sigmoid()
    for agent, artifact in enumerate(artifacts):
        actions = artifact.schema.widths[-1]
        expected = artifact.schema.action_scale.value(shares[agent, :actions].T.double())
        actor = NumpyActor(artifact)
        inputs = torch.cat([records, torch.ones(1, 30)]).T.double().numpy()
        answers = [actor.act_on_record(record) for record in inputs]
        assert np.array(answers) == pytest.approx(expected.numpy(), rel=1e-5)
        assert np.ptp(answers) > 0.1


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_dense_policies_answer_as_in_training(activation: str):
    learner = make_learner(activation=activation)

    artifacts = export_policies(learner)

    agrees(learner, artifacts)
    assert [(a.schema.role, a.schema.agent_id) for a in artifacts] == [
        ("leader", 1),
        ("leader", 2),
        ("follower", 1),
        ("follower", 2),
        ("follower", 3),
    ]
    assert artifacts[0].schema.widths == (34, 64, 64, 1)
    assert artifacts[4].schema.action_scale.low[0] > 0.5


@pytest.mark.parametrize("shrunk", [False, True])
def test_pruned_policies_answer_as_in_training(shrunk: bool):
    """Every agent keeps other neurons, and another number of them."""
    learner = make_learner()
    generator = torch.Generator().manual_seed(2)
    kept = [torch.zeros(5, 64), torch.zeros(5, 64)]
    for layer, mask in enumerate(kept):
        for agent in range(5):
            mask[agent, torch.randperm(64, generator=generator)[: 10 + agent + layer]] = 1.0
    set_masks(learner.average, kept)
    if shrunk:
        assert shrink(learner.average, None)

    artifacts = export_policies(learner)

    agrees(learner, artifacts)
    assert [a.schema.widths[1:-1] for a in artifacts] == [(10 + k, 11 + k) for k in range(5)]
    assert artifacts[0].schema.sparsity == pytest.approx(1 - 21 / 128)


def test_the_training_is_on_record(tmp_path):
    learner = make_learner()
    learner.iteration = 42
    created = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)

    artifacts = export_policies(learner, policy_version=3, created=created)
    write_bundle(artifacts, tmp_path)
    schema = read_bundle(tmp_path)[1].schema

    assert schema.training.seed == 1
    assert schema.training.iteration == 42
    assert schema.training.config_sha256 == learner.config.digest()
    assert schema.training.created == "2026-01-31T12:00:00Z"
    assert schema.policy_version == 3
    assert schema.arrival_rate == (4.0, 5.0)
    assert schema.service_rate == (10.0, 11.0)
