"""The comparison of learning throughput: its workload, its games and its figures."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from veaat_migration.game.instance import GameInstance
from veaat_migration.scenario import load_game

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "marl_throughput"
MODULES = ("workload", "entrants", "installation", "report", "torch_game")


class Benchmark:
    """The benchmark's modules, which import each other by their bare names."""

    def __getattr__(self, name: str) -> ModuleType:
        return importlib.import_module(name)


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Benchmark]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield Benchmark()
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def base() -> GameInstance:
    return load_game(ROOT / "config" / "base.yaml")


@pytest.fixture
def workload(benchmark: Benchmark, base: GameInstance) -> Any:
    del benchmark  # only its path is needed
    spec = importlib.util.spec_from_file_location("marl_throughput", FOLDER / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    main = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(main)
    return main.make_workload(base, warm_up=1, iterations=2)


def test_the_workload_is_the_one_that_the_figures_are_about(workload: Any) -> None:
    assert (workload.steps, workload.minibatch, workload.n_agents) == (6400, 1600, 5)
    assert (workload.leader_observation, workload.follower_observation) == (34, 26)


def test_a_workload_survives_its_file(workload: Any, tmp_path: Path) -> None:
    workload.save(tmp_path / "workload.json")
    assert type(workload).load(tmp_path / "workload.json") == workload


def test_followers_see_prices_and_others_but_not_their_own_past(
    benchmark: Benchmark, workload: Any
) -> None:
    index = benchmark.workload.observation_index(workload)
    filler = benchmark.workload.record_size(workload) - 1
    size = workload.round_size
    for i in range(3):
        seen = set(index[2 + i].tolist()) - {filler}
        assert len(seen) == workload.follower_observation
        own = {r * size + 2 * (1 + i) + j for r in range(4) for j in range(2)}
        assert seen == set(range(4 * size + 2)) - own


def test_the_game_in_torch_is_the_game(benchmark: Benchmark, workload: Any) -> None:
    game = benchmark.torch_game.TorchGame(workload)
    state, observations = game.reset()
    assert tuple(observations.shape) == (64, 5, 34)
    history, prices = state
    (after, next_prices), _, rewards = game.step(state, torch.zeros(64, 5, 2))
    expected = game.utilities(prices, torch.full((64, 3, 2), 5.0)) / 30.0
    np.testing.assert_allclose(rewards, expected, rtol=1e-6)
    np.testing.assert_allclose(after[:, : -workload.round_size], history[:, workload.round_size :])
    np.testing.assert_allclose(next_prices[0], [16.0, 16.25])


def test_another_game_is_refused(benchmark: Benchmark, workload: Any) -> None:
    other = dataclasses.replace(workload.game, price_max=29.0, quality=[1.0, 1.3])
    with pytest.raises(SystemExit, match="leaders differ"):
        benchmark.torch_game.TorchGame(dataclasses.replace(workload, game=other))


def run(speed: float, busy: float = 1.0) -> dict[str, Any]:
    seconds = 6400 / speed
    lap = {"seconds": seconds, "cpu_seconds": busy * seconds, "parts": {"update": seconds}}
    return {"laps": [lap] * 3, "profile": {}, "versions": {}, "settings": ""}


def test_ratios_compare_turns_side_by_side(benchmark: Benchmark) -> None:
    # The machine was four times slower in the second turn and twice in the third.
    results = {
        "veaat-mappo": [run(32000), run(8000), run(16000)],
        "torchrl": [run(8000), run(2000), run(5000)],
    }
    figures = benchmark.report.summary(results, 6400, "seconds")
    assert figures["veaat-mappo"]["steps_per_second"] == pytest.approx(16000)
    assert figures["torchrl"]["ratios"] == {"veaat-mappo": pytest.approx(4.0)}
    assert benchmark.report.verdict(figures, 3.0)[1]
    assert not benchmark.report.verdict(figures, 4.5)[1]
    assert any("torchrl" in line and "4.00" in line for line in benchmark.report.table(figures))


def test_cpu_seconds_tell_a_busy_machine_from_a_slow_learner(benchmark: Benchmark) -> None:
    results = {"veaat-mappo": [run(5000, busy=0.25)], "torchrl": [run(5000, busy=1.0)]}
    figures = benchmark.report.summary(results, 6400, "cpu_seconds")
    assert figures["veaat-mappo"]["steps_per_cpu_second"] == pytest.approx(20000)
    assert figures["torchrl"]["ratios"]["veaat-mappo"] == pytest.approx(4.0)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER), "--only", "nobody"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "benchmarl-mappo" in done.stderr
