"""The environment works with other people's libraries: SuperSuit and Stable-Baselines3."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from veaat_migration.learning.config import EnvironmentPart
from veaat_migration.learning.parallel_env import MigrationParallelEnv

supersuit = pytest.importorskip("supersuit", reason="no wheels beyond Python 3.12")

ROOT = Path(__file__).parents[2]
BASE = str(ROOT / "config" / "base.yaml")


def test_supersuit_makes_one_vector_environment_of_all_agents():
    env = MigrationParallelEnv(BASE, environment=EnvironmentPart(rounds=1, episode=2))
    env = supersuit.pad_action_space_v0(supersuit.pad_observations_v0(env))
    vector = supersuit.concat_vec_envs_v1(supersuit.pettingzoo_env_to_vec_env_v1(env), 3)
    observations, _ = vector.reset(seed=1)
    assert observations.shape == (15, *vector.observation_space.shape)
    first = observations[:5]
    assert not np.array_equal(first, observations[5:10])
    truncated = []
    for _ in range(8):
        actions = np.stack([vector.action_space.sample() for _ in range(15)])
        observations, rewards, _, ends, _ = vector.step(actions)
        assert np.isfinite(observations).all()
        assert np.isfinite(rewards).all()
        truncated.append(bool(ends.all()))
    assert truncated == [False, False, False, True] * 2


def test_stable_baselines3_learns_from_it(capsys):
    example = runpy.run_path(str(ROOT / "examples" / "train_with_stable_baselines3.py"))
    example["main"]([BASE, "--steps", "3000"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-5:]]
    assert [row[0] for row in rows] == ["rsu_1", "rsu_2", "av_1", "av_2", "av_3"]
    numbers = np.array([[float(x) for x in row[1:]] for row in rows])
    assert np.isfinite(numbers).all()
    assert not np.allclose(numbers[:, 0], numbers[:, 1])
    np.testing.assert_allclose(numbers[:, 2], [19.107, 17.256, 15.189, 21.788, 29.850], atol=2e-3)
