"""The policies that come with the package fit the base case and play its equilibrium."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from veaat_migration.bringup.policies import check_bundle, find_policies, shipped_or_path
from veaat_migration.bringup.scenarios import find_scenario
from veaat_migration.game.equilibrium import solve
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.profiles import follower_profile
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.policy.baselines import FixedLeader
from veaat_migration.policy.best_response import BestResponseFollower
from veaat_migration.policy.learned import LearnedFollower, LearnedLeader
from veaat_migration.policy.play import play
from veaat_migration.policy.policy_files import read_bundle
from veaat_migration.scenario.load import load_game

ROUNDS = 40


@pytest.fixture(scope="module")
def base() -> GameInstance:
    return load_game(find_scenario("base"))


def test_they_fit_the_base_case_and_are_pruned(base: GameInstance) -> None:
    check_bundle(find_policies("base"), base)
    for artifact in read_bundle(find_policies("base")):
        assert artifact.schema.sparsity >= 0.85
        assert artifact.schema.training.seed == 1
        assert artifact.schema.training.iteration == 150


def test_they_play_within_one_per_cent_of_the_equilibrium(base: GameInstance) -> None:
    artifacts = read_bundle(find_policies("base"))
    leaders = [LearnedLeader(each, FixedLeader(6.0)) for each in artifacts[: base.n_rsus]]
    followers = [
        LearnedFollower(each, BestResponseFollower(follower_profile(base, each.schema.agent_id)))
        for each in artifacts[base.n_rsus :]
    ]
    prices, demand = play(base, leaders, followers, ROUNDS)

    history = artifacts[0].schema.layout.history
    assert all(player.decisions == ROUNDS - history for player in [*leaders, *followers])
    exact = solve(base)
    for last in range(-5, 0):
        np.testing.assert_allclose(
            leader_utilities(base, prices[last], demand[last]), exact.leader_utilities, rtol=0.01
        )
        np.testing.assert_allclose(
            follower_utilities(base, prices[last], demand[last]),
            exact.follower_utilities,
            rtol=0.01,
        )


def test_names_of_shipped_bundles_serve_wherever_paths_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "veaat_migration.cli", "policy", "base"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("85.0% of hidden neurons removed") == 5
    assert shipped_or_path("base") == find_policies("base")
    assert shipped_or_path(str(tmp_path / "nothing")) == tmp_path / "nothing"
