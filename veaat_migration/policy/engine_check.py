"""Whether a TensorRT engine answers as the policy that it was built from.

For ``deploy/build_engine.sh``: it lets ``trtexec`` answer sample observations and compares::

    python3 -m veaat_migration.policy.engine_check sample POLICY FILE
    python3 -m veaat_migration.policy.engine_check compare POLICY OUTPUT.json

``sample`` writes observations, float32 [N, O] without a header, as ``trtexec --loadInputs`` reads
them, and prints N and O. ``compare`` reads what ``trtexec --exportOutput`` wrote.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from veaat_migration.errors import VeaatError
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.interface import FloatArray
from veaat_migration.policy.onnx_export import OUTPUT
from veaat_migration.policy.policy_files import read_limited, read_policy, write_file
from veaat_migration.policy.runtime import NumpyActor
from veaat_migration.policy.self_test import AGREEMENT, sample_records

MAX_OUTPUT = 1 << 20
"""Most bytes of an output of trtexec."""


class EngineError(VeaatError):
    """An engine that does not answer as its policy."""


def sample_observations(artifact: PolicyArtifact) -> FloatArray:
    """The observations that are tried, shape [N, O]."""
    return np.array(sample_records(artifact))[:, artifact.schema.columns]


def largest_difference(artifact: PolicyArtifact, answers: FloatArray) -> float:
    """Largest difference between answers to the samples and the policy's, in shares of intervals.

    Args:
        artifact: the policy.
        answers: to :func:`sample_observations`, shape [N, K].

    Raises:
        EngineError: the shape is another one, or a number is not finite.
    """
    actor = NumpyActor(artifact)
    wanted = np.array([actor.act(row) for row in sample_observations(artifact)])
    if answers.shape != wanted.shape:
        raise EngineError(
            f"the engine answers with shape {answers.shape}, the policy with {wanted.shape}"
        )
    if not np.isfinite(answers).all():
        raise EngineError("the engine's answer is not finite")
    scale = artifact.schema.action_scale
    return float((np.abs(answers - wanted) / (scale.high - scale.low)).max())


def read_output(path: Path) -> FloatArray:
    """Answers out of a file of ``trtexec --exportOutput``, shape [N, K].

    Raises:
        EngineError: it holds no such answers.
    """
    try:
        entries: Any = json.loads(read_limited(path, MAX_OUTPUT))
        (entry,) = [entry for entry in entries if entry["name"] == OUTPUT]
        shape = [int(size) for size in entry["dimensions"].split("x")]
        answers = np.array(entry["values"], dtype=np.float64).reshape(shape)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EngineError(f"{path}: holds no output {OUTPUT!r} of trtexec ({error})") from error
    return answers


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 if all is well, 1 if an engine differs, 2 for an error."""
    if len(arguments) != 3 or arguments[0] not in ("sample", "compare"):
        print("usage: engine_check sample|compare POLICY FILE", file=sys.stderr)
        return 2
    command, policy, file = arguments
    try:
        artifact = read_policy(policy)
        if command == "sample":
            samples = sample_observations(artifact).astype("<f4")
            write_file(Path(file), samples.tobytes())
            print(*samples.shape)
            return 0
        difference = largest_difference(artifact, read_output(Path(file)))
    except VeaatError as error:
        print(f"engine_check: {error}", file=sys.stderr)
        return 2
    agrees = difference <= AGREEMENT
    verdict = "agrees with" if agrees else "DIFFERS from"
    print(f"{policy}: the engine {verdict} the policy within {difference:.2g} of the interval")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
