"""`veaat train` and `veaat evaluate` as a user types them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from veaat_migration.cli import main

ROOT = Path(__file__).parents[2]
QUICK = ["--set", "iterations=8", "--set", "environment.games=8", "--set", "environment.rounds=10",
         "--set", "stages.follower_iterations=2", "--set", "network.hidden=[20,20]",
         "--set", "incentive.steps=1", "--no-tensorboard"]  # fmt: skip


@pytest.mark.slow
def test_two_seeds_are_trained_judged_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "base", *QUICK, "--seeds", "2", "-o", str(tmp_path)]) == 0
    assert "tiny_ma_iei_ppo, 2 seeds" in capsys.readouterr().out
    assert (tmp_path / "training.png").stat().st_size > 10_000
    status = main(["evaluate", str(tmp_path), "--perturb", "5", "--games", "1", "--json"])
    reports = json.loads(capsys.readouterr().out)
    assert [report["seed"] for report in reports] == [1, 2]
    assert status == int(any(report["exploitability"] > 0.02 for report in reports))
    assert all(len(report["gaps"]) == 5 for report in reports)
    assert main(["evaluate", str(tmp_path / "seed-1"), "--perturb", "", "--tolerance", "1e9"]) == 0
    assert "RSU 1" in capsys.readouterr().out
    # A finished run is not trained again.
    before = (tmp_path / "seed-1" / "checkpoint.safetensors").stat().st_mtime_ns
    assert main(["train", "base", *QUICK, "--seeds", "2", "-o", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "seed-1" / "result.json").read_text())
    assert result["iterations"] == 8
    assert (tmp_path / "seed-1" / "checkpoint.safetensors").stat().st_mtime_ns >= before


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_run_goes_on_with_the_same_numbers(tmp_path: Path, how: signal.Signals) -> None:
    def command(folder: str) -> list[str]:
        options = [*QUICK, "--set", "iterations=60", "-o", str(tmp_path / folder)]
        return [sys.executable, "-m", "veaat_migration.cli", "train", "base", *options]

    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    checkpoint = tmp_path / "broken" / "seed-1" / "checkpoint.safetensors"
    process = subprocess.Popen(
        command("broken"), env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    if how is signal.SIGKILL:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    assert process.wait(60) == (130 if how is signal.SIGINT else -how)
    assert not checkpoint.with_name("result.json").exists()
    for folder in ("broken", "whole"):
        subprocess.run(command(folder), env=environment, check=True, capture_output=True)
    results = [
        json.loads((tmp_path / folder / "seed-1" / "result.json").read_text())
        for folder in ("broken", "whole")
    ]
    assert results[0]["report"] == results[1]["report"]
    assert results[0]["steps"] == results[1]["steps"] == 60 * 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nothing"], "no shipped training file of that name"),
        (["train", "base", "--set", "iterations"], "must be KEY=VALUE"),
        (["train", "base", "--set", "iterations=0"], "iterations: must be >= 1, got 0"),
        (["train", "base", "--set", "name.x=0"], "name has no keys"),
        (["train", "base", "--seeds", "0"], "--seeds: must be at least 1"),
        (["train", "base", "--device", "abacus"], "try cpu"),
        (["evaluate", "nowhere"], "holds no checkpoint"),
        (["evaluate", "nowhere", "--perturb", "many"], "--perturb: must be numbers"),
        (["evaluate", "nowhere", "--perturb", "100"], "--perturb: must be > 0 and < 100"),
        (["evaluate", "nowhere", "--games", "0"], "--games: must be at least 1"),
    ],
)
def test_errors_say_what_to_do(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_keys_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--keys"]) == 0
    assert "pruning.sensitivity" in capsys.readouterr().out
