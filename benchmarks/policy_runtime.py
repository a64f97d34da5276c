"""Time of one decision of a learned policy, and memory of a process that makes it.

  dense      actors of 80-80 (what config/train/base.yaml trains), 64-64 and 128-128 hidden neurons
  pruned     the same with 85 % of the hidden neurons removed

Every figure comes from a process of its own, with one thread, that imports what it needs and no
more; repetitions take turns. A decision is one observation in, one action in its own unit out.
numpy is what a vehicle runs; onnxruntime and torch are measured where they are installed. The
bars are for numpy with pruned actors: 5 us (median), 15 us (99 %), 40 MiB.

They are for an idle thread. Where another process works on the same core (its other hyperthread),
a decision takes about 1.7 times as long, in all runtimes alike; figures of processes then lie in
two groups, and the range of p50 shows both.

Examples:
  tools/run python benchmarks/policy_runtime.py
  tools/run python benchmarks/policy_runtime.py --repetitions 9 --only numpy
"""

from __future__ import annotations

# Children measure their own memory: everything else is imported where it is needed.
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

WARM_UP, DECISIONS, OBSERVATIONS = 2_000, 20_000, 256
RUNTIMES = ("numpy", "onnxruntime", "torch")
HIDDEN = {
    "dense 80-80": ((80, 80), (80, 80)),
    "pruned 12-12": ((12, 12), (80, 80)),
    "dense 64-64": ((64, 64), (64, 64)),
    "pruned 10-9": ((10, 9), (64, 64)),
    "dense 128-128": ((128, 128), (128, 128)),
    "pruned 20-18": ((20, 18), (128, 128)),
}
PAIRS = (
    ("dense 80-80", "pruned 12-12"),
    ("dense 64-64", "pruned 10-9"),
    ("dense 128-128", "pruned 20-18"),
)
ROLES = ("leader", "follower")
BARS = {"p50": 5.0, "p99": 15.0, "memory": 40.0}
"""us, us, MiB"""


def memory(field: str = "VmHWM") -> float:
    """Resident memory of this process [MiB]; VmHWM: the most so far."""
    with open("/proc/self/status") as status:  # noqa: PTH123 - without pathlib
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) / 1024


def numpy_decider(path: str) -> Callable[[Any], Any]:
    """What a vehicle runs."""
    from veaat_migration.policy.policy_files import read_policy
    from veaat_migration.policy.runtime import NumpyActor

    return NumpyActor(read_policy(path)).act


def onnxruntime_decider(path: str) -> Callable[[Any], Any]:
    """The exported graph."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        f"{path}.onnx", options, providers=["CPUExecutionProvider"]
    )

    def decide(observation: Any) -> Any:
        given = observation[None].astype(np.float32)
        return session.run(None, {"observation": given})[0][0].tolist()

    return decide


def torch_decider(path: str) -> Callable[[Any], Any]:
    """The network as it is trained, in inference mode."""
    import torch

    from veaat_migration.policy.policy_files import read_policy

    torch.set_num_threads(1)
    artifact = read_policy(path)
    modules: list[Any] = []
    for layer in artifact.layers:
        linear = torch.nn.Linear(*layer.weight.shape[::-1])
        linear.weight.data = torch.from_numpy(layer.weight.copy())
        linear.bias.data = torch.from_numpy(layer.bias.copy())
        modules += [linear, torch.nn.Tanh()]
    network = torch.nn.Sequential(*modules[:-1])
    scale = artifact.schema.action_scale

    @torch.inference_mode()
    def decide(observation: Any) -> Any:
        share = torch.sigmoid(network(torch.from_numpy(observation).float()))
        return scale.value(share).tolist()

    return decide


def child(runtime: str, path: str, size: int) -> None:
    """Measure one actor in this process."""
    deciders = {
        "numpy": numpy_decider,
        "onnxruntime": onnxruntime_decider,
        "torch": torch_decider,
    }
    decide = deciders[runtime](path)
    # Shares that wander over the interval; numpy.random would add to the memory.
    import numpy as np

    steps = np.arange(OBSERVATIONS * size).reshape(OBSERVATIONS, size)
    observations = list(np.sin(0.7 * steps))
    for k in range(WARM_UP):
        decide(observations[k % OBSERVATIONS])
    resident = memory()
    durations = np.empty(DECISIONS)
    clock = time.perf_counter_ns
    for k in range(DECISIONS):
        observation = observations[k % OBSERVATIONS]
        begin = clock()
        decide(observation)
        durations[k] = clock() - begin
    p50, p99 = np.percentile(durations, [50, 99]) / 1e3
    print(json.dumps({"p50": p50, "p99": p99, "memory": resident}))


def player_child(path: str) -> None:
    """A whole follower, with its history and its fallback."""
    import numpy as np

    from veaat_migration.game.profiles import FollowerProfile
    from veaat_migration.policy.best_response import BestResponseFollower
    from veaat_migration.policy.interface import FollowerObservation
    from veaat_migration.policy.learned import LearnedFollower
    from veaat_migration.policy.policy_files import read_policy

    profile = FollowerProfile(1, 20.0, 1.2, 10.0)
    player = LearnedFollower(read_policy(path), BestResponseFollower(profile))
    prices, qualities, demand = np.array([4.0, 5.0]), np.array([1.0, 1.2]), np.full((2, 2), 3.0)
    durations = np.empty(DECISIONS)
    clock = time.perf_counter_ns
    for k in range(-WARM_UP, DECISIONS):
        seen = FollowerObservation(k + WARM_UP + 1, (1, 2), prices, qualities, (2, 3), demand)
        begin = clock()
        player.act(seen)
        durations[k] = clock() - begin
    p50, p99 = np.percentile(durations, [50, 99]) / 1e3
    print(json.dumps({"p50": p50, "p99": p99, "memory": memory()}))


def write_actor(folder: Any, role: str, name: str, *, onnx: bool) -> tuple[str, int, int]:
    """A policy file of the base case with random weights: path, observed entries, parameters."""
    from itertools import pairwise

    import numpy as np

    from veaat_migration.policy.artifact import PolicyArtifact
    from veaat_migration.policy.observation import ObservationLayout
    from veaat_migration.policy.policy_files import write_policy
    from veaat_migration.policy.scaling import Scale
    from veaat_migration.policy.schema import PolicySchema
    from veaat_migration.policy.training_record import TrainingRecord

    layout = ObservationLayout(3, 2)
    hidden, unpruned = HIDDEN[name]
    widths = (
        (layout.leader_size, *hidden, 1) if role == "leader" else (layout.follower_size, *hidden, 2)
    )
    schema = PolicySchema(
        role=role,
        agent_id=1,
        rsu_ids=(1, 2),
        av_ids=(1, 2, 3),
        layout=layout,
        price_scale=Scale("geometric", np.array([2.0, 2.5]), np.array([30.0, 30.0])),
        bandwidth_scale=Scale("linear", np.zeros(6), np.full(6, 10.0)),
        arrival_rate=(4.0, 4.0),
        service_rate=(10.0, 10.0),
        widths=widths,
        unpruned=unpruned,
        training=TrainingRecord("0" * 64, 1, 0, "0.1.0", "2026-01-31T12:00:00Z"),
    )
    rng = np.random.default_rng(1)
    artifact = PolicyArtifact.from_arrays(
        schema,
        [
            rng.standard_normal((outputs, inputs)) / inputs**0.5
            for inputs, outputs in pairwise(widths)
        ],
        [0.1 * rng.standard_normal(outputs) for outputs in widths[1:]],
    )
    path = str(folder / f"{role}-{name.replace(' ', '-')}.safetensors")
    write_policy(artifact, path)
    if onnx:
        from veaat_migration.policy.onnx_export import write_onnx

        write_onnx(artifact, f"{path}.onnx")
    return path, widths[0], artifact.n_parameters


def measure(arguments: Sequence[str]) -> dict[str, float]:
    """Run a child with one thread."""
    import subprocess

    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    result = subprocess.run(
        [sys.executable, __file__, *arguments],
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SystemExit(result.stderr)
    figures: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Measure, print, compare with the bars."""
    import argparse
    import statistics
    import tempfile
    from importlib.util import find_spec
    from pathlib import Path

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", choices=RUNTIMES, help="measure this runtime only")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    options = parser.parse_args()
    runtimes = [
        name
        for name in ([options.only] if options.only else RUNTIMES)
        if find_spec(name) and (name != "onnxruntime" or find_spec("onnx"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        actors = {
            (role, name): write_actor(Path(folder), role, name, onnx="onnxruntime" in runtimes)
            for role in ROLES
            for name in HIDDEN
        }
        runs: dict[tuple[str, str, str], list[str]] = {
            (runtime, role, name): ["--child", runtime, path, str(size)]
            for runtime in runtimes
            for (role, name), (path, size, _) in actors.items()
        }
        if "numpy" in runtimes:
            path, *_ = actors["follower", "pruned 20-18"]
            runs["numpy", "follower", "whole player"] = ["--player", path]
        figures: dict[tuple[str, str, str], list[dict[str, float]]] = {run: [] for run in runs}
        for _ in range(options.repetitions):
            for run, arguments in runs.items():
                figures[run].append(measure(arguments))
    middle = {
        run: {key: statistics.median([one[key] for one in taken]) for key in BARS}
        for run, taken in figures.items()
    }
    print(f"medians of {options.repetitions} processes; us a decision, MiB resident")
    print(f"{'':12s} {'':9s} {'':14s} {'p50':>8s} {'(range)':>16s} {'p99':>8s} {'MiB':>7s}")
    for run, figure in middle.items():
        runtime, role, name = run
        medians = [one["p50"] for one in figures[run]]
        spread = f"({min(medians):.2f}-{max(medians):.2f})"
        values = f"{figure['p50']:8.2f} {spread:>16s} {figure['p99']:8.2f} {figure['memory']:7.1f}"
        print(f"{runtime:12s} {role:9s} {name:14s} {values}")
    for role in ROLES:
        for dense, pruned in PAIRS:
            # Two operations for a parameter: a multiplication and an addition.
            before, after = actors[role, dense][2], actors[role, pruned][2]
            print(f"{role}: {dense} has {before} parameters and twice as many operations, ", end="")
            print(f"{pruned} has {after}, 1/{before / after:.1f}; a decision takes ", end="")
            ratios = [
                middle[runtime, role, pruned]["p50"] / middle[runtime, role, dense]["p50"]
                for runtime in runtimes
            ]
            named = [f"{ratio:.2f} ({name})" for name, ratio in zip(runtimes, ratios, strict=True)]
            print(", ".join(named), "of the time")
    if options.json:
        rows = [
            {"runtime": runtime, "role": role, "actor": name, **figure}
            for (runtime, role, name), figure in middle.items()
        ]
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    if "numpy" in runtimes:
        pruned_runs = [run for run in middle if run[0] == "numpy" and run[2].startswith("pruned")]
        for key, bar in BARS.items():
            worst = max(middle[run][key] for run in pruned_runs)
            least = max(min(one[key] for one in figures[run]) for run in pruned_runs)
            print(
                f"{key}: {worst:.2f}, bar {bar:g}: {'met' if worst <= bar else 'MISSED'} "
                f"(in the quietest process of each actor at most {least:.2f})"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    elif sys.argv[1:2] == ["--player"]:
        player_child(sys.argv[2])
    else:
        main()
