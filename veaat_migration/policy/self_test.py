"""Whether a policy that came from outside answers as it should, tried before it is played."""

from __future__ import annotations

from typing import Any

import numpy as np

from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.interface import FloatArray
from veaat_migration.policy.runtime import Actor, NotFiniteError, NumpyActor

AGREEMENT = 1e-3
"""Largest difference from :class:`~veaat_migration.policy.runtime.NumpyActor` that another
runtime may have, as a share of the action's interval: half precision passes, another graph not."""
_RANDOM = 6
_SEED = 20260101


class SelfTestError(Exception):
    """The policy does not answer as it should; the message says how."""


def self_test(actor: Actor, artifact: PolicyArtifact) -> None:
    """Ask an actor a handful of questions, each twice.

    The observations are both ends and the middle of what can be observed, and a few points
    between. Every answer must be finite, within the interval of the action, the same when asked
    again, and that of the numpy runtime.

    Args:
        actor: what will answer in the game.
        artifact: the policy that it was made from.

    Raises:
        SelfTestError: it does not.
    """
    if actor.digest != artifact.digest:
        raise SelfTestError("the runtime has loaded another policy")
    scale = artifact.schema.action_scale
    width = scale.high - scale.low
    records = sample_records(artifact)
    reference = actor if type(actor) is NumpyActor else NumpyActor(artifact)
    first = [_ask(actor, record) for record in records]
    for record, answer in zip(reversed(records), reversed(first), strict=True):
        if not np.array_equal(_ask(actor, record), answer):
            raise SelfTestError("it answers the same observation in two ways")
    for record, answer in zip(records, first, strict=True):
        if answer.shape != width.shape or not np.isfinite(answer).all():
            raise SelfTestError(f"its answer must be {width.size} finite numbers")
        if np.any(answer < scale.low) or np.any(answer > scale.high):
            raise SelfTestError("its answer is outside the interval of the action")
        if np.any(np.abs(answer - _ask(reference, record)) > AGREEMENT * width):
            raise SelfTestError("its answer differs from that of the numpy runtime")


def sample_records(artifact: PolicyArtifact) -> list[FloatArray]:
    """The records that are tried, each of shape [record_size + 1]; the same on every machine."""
    size = artifact.schema.layout.record_size
    rng = np.random.default_rng(_SEED)
    fixed = [np.full(size, value) for value in (-1.0, 0.0, 1.0)]
    records = [*fixed, *rng.uniform(-1.0, 1.0, (_RANDOM, size))]
    return [np.append(record, 1.0) for record in records]


def _ask(actor: Actor, record: Any) -> FloatArray:
    try:
        return np.array(actor.act_on_record(record), dtype=np.float64)
    except NotFiniteError as error:
        raise SelfTestError(str(error)) from error
