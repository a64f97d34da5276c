"""Releases of a run in progress: compact and better ones, the final one always, none twice."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.config import TrainingConfig, parse_config
from veaat_migration.learning.releasing import Releaser
from veaat_migration.learning.trainer import POLICIES, Trainer
from veaat_migration.learning.worker_messages import ReleaseOrder
from veaat_migration.policy.policy_files import read_bundle
from veaat_migration.policy.release_rule import ReleaseRule
from veaat_migration.policy.releases import ReleaseBook
from veaat_migration.policy.signature import SignatureError

ANY = ReleaseRule(relative=0.0, absolute=0.0, worst=math.inf)


@pytest.fixture
def config(small: TrainingConfig) -> TrainingConfig:
    """Pruned and averaged from iteration 9 of 30 on."""
    content = small.model_dump(mode="json") | {"iterations": 30}
    content["pruning"] |= {"start": 0.1, "end": 0.3}
    content["network"] |= {"average_from": 0.3}
    return parse_config(content, "small")


class Run:
    """A run that releases, in this process."""

    def __init__(
        self, config: TrainingConfig, base: GameInstance, folder: Path, order: ReleaseOrder
    ) -> None:
        self.trainer = Trainer(config, base, folder / "run", tensorboard=False)
        self.releaser = Releaser(self.trainer, order)

    def go(self) -> None:
        self.releaser.begin()
        self.trainer.run(self.releaser.after_iteration)
        self.releaser.after_end()


def order_of(folder: Path, **changes: object) -> ReleaseOrder:
    order = ReleaseOrder(folder / "releases", rule=ANY, keep=100)
    return replace(order, **changes)  # type: ignore[arg-type]


def test_compact_and_better_policies_are_released(
    config: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    run = Run(config, base, tmp_path, order_of(tmp_path, above=10**12))
    assert run.releaser.version == 0
    run.go()

    releases = ReleaseBook(tmp_path / "releases").releases[::-1]
    final = releases[-1]
    assert len(releases) >= 2
    assert [r.final for r in releases] == [False] * (len(releases) - 1) + [True]
    assert releases[0].origin.iteration == 10
    assert final.origin.iteration == 30
    versions = [r.policy_version for r in releases]
    assert versions == sorted(set(versions))
    assert versions[0] == 10**12 + 1
    assert run.releaser.version == versions[-1]
    for release in releases:
        assert all(policy.sparsity > 0.3 for policy in release.policies)
        assert release.origin.training == run.trainer.config.digest()
        assert release.origin.seed == 1
    for worse, better in pairwise(releases[:-1]):
        assert better.figures.gap < worse.figures.gap
    # What was written at the end of the run is what was released.
    bundle = read_bundle(tmp_path / "run" / POLICIES)
    assert {artifact.to_bytes() for artifact in bundle} == {p.read() for p in final.policies}
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert max(map(abs, result["report"]["gaps"])) == final.figures.gap


def test_a_finished_run_is_released_once(
    config: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    order = order_of(tmp_path, rule=ReleaseRule(worst=-1.0))
    run = Run(config, base, tmp_path, order)
    assert not run.releaser.is_out
    run.go()
    book = ReleaseBook(tmp_path / "releases")
    assert len(book.releases) == 1, "nothing is good enough before the end"
    again = Run(config, base, tmp_path, order)
    assert again.releaser.is_out
    assert again.releaser.version == book.last_version
    again.releaser.after_end()
    assert len(ReleaseBook(tmp_path / "releases").releases) == 1

    # A release that was lost, or never came about in a crash, is made up for.
    shutil.rmtree(tmp_path / "releases")
    once_more = Run(config, base, tmp_path, replace(order, above=book.last_version))
    assert not once_more.releaser.is_out
    once_more.go()
    latest = ReleaseBook(tmp_path / "releases").latest
    assert latest is not None
    assert latest.final
    assert latest.policy_version > book.last_version


def test_a_taken_up_run_does_not_release_again_what_is_out(
    config: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    order = order_of(tmp_path)
    run = Run(config, base, tmp_path, order)
    run.releaser.begin()
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    kept = b""
    while run.trainer.learner.iteration < 20:
        run.releaser.after_iteration(run.trainer.step())
        if run.trainer.learner.iteration == 8:
            run.trainer._save(None)
            kept = checkpoint.read_bytes()
    before = [r.origin.iteration for r in ReleaseBook(tmp_path / "releases").releases]
    assert before
    checkpoint.write_bytes(kept)

    run = Run(config, base, tmp_path, order)
    run.releaser.begin()
    while run.trainer.learner.iteration < 20:
        run.releaser.after_iteration(run.trainer.step())

    assert run.releaser.version == ReleaseBook(tmp_path / "releases").last_version
    after = [r.origin.iteration for r in ReleaseBook(tmp_path / "releases").releases]
    assert after == before


def test_releases_keep_a_distance(
    config: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    Run(config, base, tmp_path, order_of(tmp_path, period=3600.0)).go()
    releases = ReleaseBook(tmp_path / "releases").releases
    assert [r.final for r in releases] == [True, False]


def test_a_full_disk_for_releases_does_not_end_training(
    config: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    run = Run(config, base, tmp_path, order_of(tmp_path))
    (tmp_path / "releases").write_text("no folder")
    run.go()
    assert run.trainer.learner.finished
    assert run.releaser.message.startswith("not released: ")
    assert (tmp_path / "run" / POLICIES).is_dir()


def test_other_algorithms_have_nothing_to_release(
    config: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    greedy = config.model_copy(update={"algorithm": "greedy", "iterations": 5})
    run = Run(greedy, base, tmp_path, order_of(tmp_path))
    run.go()
    assert run.releaser.message == "this algorithm has no policies to release"
    assert ReleaseBook(tmp_path / "releases").latest is None


def test_an_unusable_key_is_told_before_training(
    config: TrainingConfig, base: GameInstance, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("none")
    with pytest.raises(SignatureError, match="no private key"):
        Run(config, base, tmp_path, order_of(tmp_path, signing_key=key))
