"""How fast agents learn here, against libraries for multi-agent reinforcement learning.

Everybody learns the same: the base game (3 AVs and 2 RSUs), 64 games side by side in episodes of
100 rounds, PPO with GAE and Adam, for each of the 5 agents an actor and a critic of its own with
two hidden layers of 64 tanh neurons, 4 epochs of 4 minibatches for every 6400 environment steps,
one CPU thread. In an environment step all players act once. The figure is environment steps per
second of learning, that is, of collection and update together: the median iteration after a
warm-up.

Each entrant runs in a process of its own, one after the other, in turns (A B C A B C ...), so
that a busy machine slows all alike; ratios compare turns side by side. The competitors' game is a
vectorised one of their own in torch or JAX, compared with veaat_migration.game at the start.
They are installed once, pinned, into a virtual environment of their own, and get the settings
that are fastest here: no logging, evaluation or checkpoints, fused optimisers.

  veaat-mappo      this project's learner with the algorithm of the others
  veaat-iei        the same with the exploration incentive (MA-IEI-PPO)
  veaat-tiny       the same, pruned meanwhile (TinyMA-IEI-PPO); mean of a whole run
  benchmarl-mappo  BenchMARL, critics that see all observations (its MAPPO)
  benchmarl-ippo   BenchMARL, critics of own observations, as all others here have them
  torchrl          TorchRL's collector, GAE and ClipPPOLoss in a plain loop
  torch            plain PyTorch: stacked weights, autograd
  jax              one compiled function per iteration, as PureJaxRL does it

Examples:
  tools/run python benchmarks/marl_throughput                 # about ten minutes
  tools/run python benchmarks/marl_throughput --quick         # about two
  tools/run python benchmarks/marl_throughput --only veaat-mappo,torchrl --repetitions 5
  tools/run python benchmarks/marl_throughput --json throughput.json --at-least 3
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from entrants import BY_NAME, ENTRANTS, Entrant
from installation import competitors_python
from report import CLOCKS, summary, table, verdict, where_time_goes
from workload import Game, Samples, Workload

ROOT = Path(__file__).resolve().parents[2]
# Where the benchmark is run from a checkout, its own package counts.
sys.path.insert(0, str(ROOT))

from veaat_migration.game.instance import GameInstance  # noqa: E402
from veaat_migration.game.utilities import follower_utilities, leader_utilities  # noqa: E402
from veaat_migration.scenario import load_game  # noqa: E402

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "",
    "RL_WARNINGS": "0",
}


def make_workload(instance: GameInstance, *, warm_up: int, iterations: int) -> Workload:
    """The workload on a game, with samples to check other implementations of it by."""
    rng = np.random.default_rng(1)
    prices = rng.uniform(instance.price_min, instance.price_max, (50, instance.n_rsus))
    demands = rng.uniform(0.0, instance.bandwidth_max, (50, instance.n_avs, instance.n_rsus))
    samples = Samples(
        prices.tolist(),
        demands.tolist(),
        leader_utilities(instance, prices, demands).tolist(),
        follower_utilities(instance, prices, demands).tolist(),
    )
    game = Game(
        satisfaction=instance.satisfaction.tolist(),
        offset=instance.offset.tolist(),
        quality=instance.quality.tolist(),
        cost=instance.cost.tolist(),
        social=instance.social.tolist(),
        service=instance.service.tolist(),
        price_max=instance.price_max,
        bandwidth_max=instance.bandwidth_max,
    )
    return Workload(game, samples, warm_up=warm_up, iterations=iterations)


def run_worker(entrant: Entrant, workload: Workload, python: Path, seed: int) -> dict[str, Any]:
    """One repetition of one entrant: what its worker wrote.

    Raises:
        RuntimeError: the worker failed.
    """
    folder = Path(__file__).parent
    workload = dataclasses.replace(workload, options=dict(entrant.options), seed=seed)
    environment = {**os.environ, **ONE_THREAD}
    environment.pop("PYTHONPATH", None)
    if entrant.ours:
        environment["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as temporary:
        task, result = Path(temporary) / "workload.json", Path(temporary) / "result.json"
        workload.save(task)
        command = [str(python), "-W", "ignore", str(folder / entrant.script)]
        done = subprocess.run(
            [*command, str(task), str(result)],
            env=environment, cwd=temporary, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode or not result.exists():
            raise RuntimeError("\n".join((done.stdout + done.stderr).splitlines()[-15:]))
        content: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return content


def measure(
    entrants: list[Entrant], workload: Workload, repetitions: int, folder: Path
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """All repetitions in turns: results, and what went wrong, by name."""
    theirs = None if all(e.ours for e in entrants) else competitors_python(folder)
    results: dict[str, list[dict[str, Any]]] = {entrant.name: [] for entrant in entrants}
    failures: dict[str, str] = {}
    for repetition in range(1, repetitions + 1):
        for entrant in entrants:
            if entrant.name in failures:
                continue
            python = Path(sys.executable) if entrant.ours or theirs is None else theirs
            print(f"turn {repetition} of {repetitions}: {entrant.name}", file=sys.stderr)
            try:
                results[entrant.name].append(run_worker(entrant, workload, python, repetition))
            except RuntimeError as error:
                failures[entrant.name] = str(error)
                del results[entrant.name]
    return results, failures


def chosen(text: str) -> list[Entrant]:
    """Entrants by names separated by commas; the beginning of a name stands for all such."""
    found = []
    for name in text.split(","):
        matching = [entrant for entrant in ENTRANTS if entrant.name.startswith(name)]
        exact = [BY_NAME[name]] if name in BY_NAME else matching
        if not exact:
            raise argparse.ArgumentTypeError(
                f"nobody is called {name!r}; there are {', '.join(BY_NAME)}"
            )
        found += [entrant for entrant in exact if entrant not in found]
    return found


def main() -> int:
    """Measure and print; status 1 where somebody failed or --at-least is missed."""
    parser = argparse.ArgumentParser(
        prog="marl_throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", metavar="NAMES", type=chosen, default=list(ENTRANTS),
        help="some entrants, with commas between; 'veaat' means all that begin so",
    )  # fmt: skip
    parser.add_argument("--repetitions", type=int, metavar="N", help="turns (default: 3)")
    parser.add_argument("--iterations", type=int, metavar="N", help="measured (default: 10)")
    parser.add_argument("--quick", action="store_true", help="one turn of 4 iterations")
    parser.add_argument(
        "--at-least", type=float, metavar="X",
        help="status 1 unless ours is so many times as fast as BenchMARL and TorchRL",
    )  # fmt: skip
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall",
        help="what ratios compare: seconds, or on a busy machine seconds of the CPU, which on an "
        "idle one are the same (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.add_argument(
        "--environment", type=Path, metavar="FOLDER", default=ROOT / "runs" / "benchmark-venv",
        help="where competitors are installed (default: runs/benchmark-venv)",
    )  # fmt: skip
    options = parser.parse_args()
    repetitions = options.repetitions or (1 if options.quick else 3)
    iterations = options.iterations or (4 if options.quick else 10)
    workload = make_workload(
        load_game(ROOT / "config" / "base.yaml"),
        warm_up=2 if options.quick else 3,
        iterations=iterations,
    )
    results, failures = measure(options.only, workload, repetitions, options.environment.absolute())
    figures = summary(results, workload.steps, CLOCKS[options.clock])
    print(
        f"{repetitions} turns of {iterations} iterations of {workload.steps} environment steps, "
        f"one thread, {os.cpu_count()} CPUs ({platform.machine()}), "
        f"load {os.getloadavg()[0]:.1f}\n"
    )
    print("\n".join(table(figures)))
    print(f"'NAME x': how many times as fast NAME is as the entrant of the line ({options.clock})")
    if any(figure["cores"] < 0.9 for figure in figures.values()):
        print(
            "Less than a core was free: compare CPU seconds (--clock cpu) or wait for a quiet one"
        )
    print()
    print("An iteration:", *where_time_goes(figures), sep="\n  ")
    print("\nVersions and settings:")
    for name, figure in figures.items():
        versions = " ".join(f"{what} {version}" for what, version in figure["versions"].items())
        print(f"  {name}: {versions}; {figure['settings']}")
    lines, met = verdict(figures, options.at_least or 3.0)
    print("", *lines, sep="\n")
    for name, error in failures.items():
        print(f"\n{name} failed:\n{error}", file=sys.stderr)
    if options.json:
        content = {
            "workload": {**dataclasses.asdict(workload), "samples": None},
            "entrants": figures,
            "laps": {name: [run["laps"] for run in runs] for name, runs in results.items()},
            "failures": failures,
        }
        options.json.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return int(bool(failures) or (options.at_least is not None and not met))


if __name__ == "__main__":
    sys.exit(main())
