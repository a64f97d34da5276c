"""From the stack of a training run to one compact policy file's content per agent.

The stack holds more than an agent needs: entries of the record that it does not see, neurons that
only others kept, outputs that a leader does not have. All of that is cut away here; the answers
stay the same.
"""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import numpy.typing as npt

from veaat_migration.learning.learner import Learner
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.schema import PolicySchema
from veaat_migration.policy.training_record import TrainingRecord

Float32Array = npt.NDArray[np.float32]


def export_policies(
    learner: Learner, *, policy_version: int = 1, created: datetime | None = None
) -> list[PolicyArtifact]:
    """The deployable actors of a run: RSU 1..R, AV 1..V.

    Args:
        learner: the run; its averaged actors are what is deployed.
        policy_version: grows with every policy that replaces another.
        created: time of training; now by default.

    Raises:
        SchemaError: a weight is not finite.
    """
    layout, environment = learner.layout, learner.environment
    created = created or datetime.now(timezone.utc)
    record = TrainingRecord(
        config_sha256=learner.config.digest(),
        seed=learner.seed,
        iteration=learner.iteration,
        package_version=_package_version(),
        created=created.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    rsu_ids = tuple(range(1, layout.n_rsus + 1))
    av_ids = tuple(range(1, layout.n_avs + 1))
    artifacts = []
    for agent in range(layout.n_rsus + layout.n_avs):
        leads = agent < layout.n_rsus
        place = agent if leads else agent - layout.n_rsus
        columns = layout.leader_columns(place) if leads else layout.follower_columns(place)
        weights, biases = compact(learner, agent, columns, 1 if leads else layout.n_rsus)
        schema = PolicySchema(
            role="leader" if leads else "follower",
            agent_id=place + 1,
            rsu_ids=rsu_ids,
            av_ids=av_ids,
            layout=layout,
            price_scale=environment.price_scale,
            bandwidth_scale=environment.bandwidth_scale,
            arrival_rate=tuple(learner.surroundings.arrival_rate.tolist()),
            service_rate=tuple(learner.surroundings.service_rate.tolist()),
            widths=(len(columns), *(len(weight) for weight in weights)),
            unpruned=tuple(learner.config.network.hidden),
            training=record,
            activation=learner.average.activation,
            policy_version=policy_version,
        )
        artifacts.append(PolicyArtifact.from_arrays(schema, weights, biases))
    return artifacts


def compact(
    learner: Learner, agent: int, columns: list[int], actions: int
) -> tuple[list[Float32Array], list[Float32Array]]:
    """Weights [out, in] and biases [out] of one agent, without what it does not use."""
    network = learner.average
    last = len(network.weights) - 1
    inputs = np.array(columns)
    weights, biases = [], []
    for layer, (stacked, offsets) in enumerate(zip(network.weights, network.biases, strict=True)):
        outputs = np.arange(stacked.shape[1])
        if layer == last:
            outputs = outputs[:actions]
        elif (mask := network.masks[layer]) is not None:
            outputs = np.flatnonzero(mask[agent, :, 0].cpu().numpy())
        weight: Float32Array = stacked[agent].detach().cpu().numpy()
        bias: Float32Array = offsets[agent, :, 0].detach().cpu().numpy()
        weights.append(weight[np.ix_(outputs, inputs)])
        biases.append(bias[outputs])
        inputs = outputs
    return weights, biases


def _package_version() -> str:
    try:
        return version("veaat_migration")
    except PackageNotFoundError:
        return "unknown"
