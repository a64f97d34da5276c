"""A run can be watched, paused, ended and taken up again without a trace."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.checkpoint import Checkpoint, CheckpointError, load_learner
from veaat_migration.learning.config import TrainingConfig, parse_config
from veaat_migration.learning.logs import read_log
from veaat_migration.learning.trainer import (
    CHECKPOINT,
    RESULT,
    State,
    Trainer,
    TrainerStatus,
    TrainingError,
)


def trainer(
    config: TrainingConfig, base: GameInstance, folder: Path | None, seed: int = 3
) -> Trainer:
    return Trainer(config, base, folder, seed=seed, tensorboard=False)


def stop_at(run: Trainer, iteration: int) -> None:
    """Train up to an iteration and end there."""

    def listener(status: TrainerStatus) -> None:
        if status.iteration == iteration:
            run.stop()

    run.run(listener)


def test_a_resumed_run_ends_exactly_like_one_without_a_break(
    small: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    trainer(small, base, tmp_path / "whole").run()
    # In each phase: followers only, while pruning, while averaging.
    for iteration in (2, 5, 11):
        broken = trainer(small, base, tmp_path / "broken")
        stop_at(broken, iteration)
        assert broken.status().state is State.STOPPED
    assert trainer(small, base, tmp_path / "broken").run().state is State.FINISHED

    files = [(tmp_path / name / CHECKPOINT).read_bytes() for name in ("whole", "broken")]
    assert files[0] == files[1]
    logs = [read_log(tmp_path / name) for name in ("whole", "broken")]
    drop = {"seconds", "steps_per_second"}
    without = [[{k: v for k, v in row.items() if k not in drop} for row in log] for log in logs]
    assert without[0] == without[1]
    assert [row["iteration"] for row in logs[0]] == list(range(1, small.iterations + 1))


def test_ctrl_c_amid_an_iteration_spoils_no_checkpoint(
    small: TrainingConfig, base: GameInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(small, base, tmp_path / "whole").run()
    broken = trainer(small, base, tmp_path / "broken")
    prune = broken.learner.pruner.after_iteration  # type: ignore[attr-defined]

    def interrupted(iteration: int, records: torch.Tensor) -> None:
        prune(iteration, records)
        if iteration == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(broken.learner.pruner, "after_iteration", interrupted)  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    assert broken.status().state is State.STOPPED

    trainer(small, base, tmp_path / "broken").run()
    files = [(tmp_path / name / CHECKPOINT).read_bytes() for name in ("whole", "broken")]
    assert files[0] == files[1]


def test_what_was_logged_after_the_checkpoint_is_dropped(
    small: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    first = trainer(small, base, tmp_path)
    stop_at(first, 4)
    checkpoint = (tmp_path / CHECKPOINT).read_bytes()
    stop_at(trainer(small, base, tmp_path), 7)
    # As after a kill: later rows are there, the checkpoint is older, the last row is torn.
    (tmp_path / CHECKPOINT).write_bytes(checkpoint)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("8,640,0.1")

    trainer(small, base, tmp_path).run()

    assert [row["iteration"] for row in read_log(tmp_path)] == list(range(1, 13))


def test_different_seeds_differ(small: TrainingConfig, base: GameInstance) -> None:
    one, two, again = (trainer(small, base, None, seed) for seed in (1, 2, 1))
    rewards = [run.step().progress.rewards for run in (one, two, again)]  # type: ignore[union-attr]
    assert rewards[0] == rewards[2] != rewards[1]


def test_pruning_ends_at_its_target_and_cuts_the_networks(
    small: TrainingConfig, base: GameInstance
) -> None:
    run = trainer(small, base, None)
    run.run()
    assert run.learner.actors.widths[1:-1] == [4, 4]  # never below, though 0.85 would leave 3
    sparse = replace_pruning(small, sparsity=0.5)
    run = trainer(sparse, base, None)
    run.run()
    assert run.learner.sparsity().tolist() == [0.5] * 5
    assert run.learner.average.widths[1:-1] == [10, 10]
    for parameter in run.learner.actor_optimizer.param_groups[0]["params"]:
        moments = run.learner.actor_optimizer.state[parameter]
        assert moments["exp_avg"].shape == parameter.shape


def replace_pruning(config: TrainingConfig, **changes: object) -> TrainingConfig:
    content = config.model_dump(mode="json")
    content["pruning"] |= changes
    return parse_config(content, "changed")


def test_it_pauses_and_goes_on_in_a_thread(
    small: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    run = trainer(small, base, tmp_path)
    fourth = threading.Event()

    def listener(status: TrainerStatus) -> None:
        if status.iteration == 4:
            run.pause()
            fourth.set()

    run.start(listener)
    assert fourth.wait(60)
    deadline = time.monotonic() + 30
    while run.status().state is not State.PAUSED and time.monotonic() < deadline:
        time.sleep(0.01)
    assert run.status().state is State.PAUSED
    assert Checkpoint(tmp_path / CHECKPOINT).iteration == 4
    with pytest.raises(TrainingError, match="running already"):
        run.start()
    time.sleep(0.1)
    assert run.status().iteration == 4
    run.resume()
    deadline = time.monotonic() + 60
    while run.status().state is not State.FINISHED and time.monotonic() < deadline:
        time.sleep(0.01)
    assert run.status().iteration == small.iterations
    run.stop(10)


def test_a_paused_run_can_be_stopped(small: TrainingConfig, base: GameInstance) -> None:
    run = trainer(small, base, None)
    run.pause()
    run.start()
    run.stop(30)
    assert run.status().state is State.STOPPED
    assert run.status().iteration == 0


def test_an_error_in_the_thread_is_kept(
    small: TrainingConfig, base: GameInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(small, base, None)

    def fail() -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(run.learner, "iterate", fail)
    run.start()
    deadline = time.monotonic() + 30
    while run.status().state is not State.FAILED and time.monotonic() < deadline:
        time.sleep(0.01)
    assert run.status().error == "RuntimeError: out of memory"


def test_another_run_is_not_taken_up(
    small: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    stop_at(trainer(small, base, tmp_path), 2)

    with pytest.raises(TrainingError, match="another game, configuration or seed"):
        trainer(small, base, tmp_path, seed=4)
    with pytest.raises(TrainingError, match="another game, configuration or seed"):
        trainer(replace_pruning(small, sparsity=0.5), base, tmp_path)
    with pytest.raises(TrainingError, match="another game, configuration or seed"):
        trainer(small, replace(base, price_max=31.0), tmp_path)
    fresh = Trainer(small, base, tmp_path, seed=4, resume=False, tensorboard=False)
    assert fresh.status().iteration == 0


@pytest.mark.parametrize("damage", ["truncated", "garbage", "other"])
def test_a_damaged_checkpoint_is_refused(
    small: TrainingConfig, base: GameInstance, tmp_path: Path, damage: str
) -> None:
    file = tmp_path / CHECKPOINT
    stop_at(trainer(small, base, tmp_path), 1)
    content = file.read_bytes()
    if damage == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "garbage":
        file.write_bytes(b"\x00" * 100)
    else:
        import safetensors.torch

        safetensors.torch.save_file({"x": torch.zeros(1)}, file)

    with pytest.raises(CheckpointError, match=r"checkpoint"):
        load_learner(file)


def test_a_loaded_learner_plays_the_same(
    small: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    from veaat_migration.learning.evaluation import learned_plays

    run = trainer(small, base, tmp_path)
    run.run()
    loaded = load_learner(tmp_path / CHECKPOINT)

    np.testing.assert_array_equal(
        learned_plays(loaded)[0].prices, learned_plays(run.learner)[0].prices
    )
    result = json.loads((tmp_path / RESULT).read_text())
    np.testing.assert_allclose(result["report"]["prices"], learned_plays(loaded)[0].prices)
