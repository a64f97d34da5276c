"""Which run to train: from the node's parameters, from a goal, or from before a crash."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from veaat_migration.bringup.scenarios import find_scenario, find_training_file
from veaat_migration.errors import VeaatError
from veaat_migration.learning.worker_messages import ReleaseOrder, TrainingOrder
from veaat_migration.nodes.specification import ParameterError, Value, integer, number, text
from veaat_migration.nodes.trainer_parameters import MAX_SEED
from veaat_migration.policy.policy_files import make_folder, read_limited, write_file
from veaat_migration.policy.release_rule import ReleaseRule

RELEASES = "releases"
"""Folder of the release book in the node's folder."""
GOAL_FILE = "goal.json"
"""In the node's folder while a goal is under way: what a restart goes on with."""
_MAX_GOAL_FILE = 1 << 16


class GoalLike(Protocol):
    """The fields of ``Train.Goal``."""

    config: str
    scenario: str
    seed: int
    iterations: int
    folder: str
    fresh: bool


def own_order(values: Mapping[str, Value]) -> TrainingOrder:
    """The run that the parameters ask for.

    Raises:
        VeaatError: a file that they name is not there.
    """
    config = find_training_file(text(values, "config")).resolve()
    folder = _path(text(values, "folder") or f"runs/trainer-{config.stem}")
    scenario, key = text(values, "scenario"), text(values, "signing_key")
    return TrainingOrder(
        config=config,
        scenario=find_scenario(scenario).resolve() if scenario else None,
        seed=integer(values, "seed"),
        iterations=integer(values, "iterations"),
        folder=folder,
        device=text(values, "device"),
        tensorboard=bool(values["tensorboard"]),
        releases=ReleaseOrder(
            folder=folder / RELEASES,
            keep=integer(values, "keep_releases"),
            rule=ReleaseRule(
                relative=number(values, "release_improvement"),
                absolute=number(values, "release_noise"),
                worst=number(values, "release_gap"),
            ),
            period=number(values, "release_period"),
            signing_key=_path(key) if key else None,
        ),
    )


def goal_order(own: TrainingOrder, goal: GoalLike) -> TrainingOrder:
    """The run that a goal asks for; what it leaves open is as in the node's ``own``.

    Raises:
        VeaatError: a file that it names is not there, or a number has no meaning.
    """
    if goal.seed > MAX_SEED:
        raise ParameterError(f"seed: must be <= {MAX_SEED}, got {goal.seed}")
    if goal.iterations > 10**9:
        raise ParameterError(f"iterations: must be <= 1e9, got {goal.iterations}")
    order = own
    if goal.config:
        # Another training file: neither the node's game nor its iterations are meant for it.
        config = find_training_file(goal.config).resolve()
        order = replace(order, config=config, scenario=None, iterations=0)
    if goal.scenario:
        order = replace(order, scenario=find_scenario(goal.scenario).resolve())
    if goal.seed >= 0:
        order = replace(order, seed=int(goal.seed))
    if goal.iterations:
        order = replace(order, iterations=int(goal.iterations))
    if goal.folder:
        order = replace(order, folder=_path(goal.folder))
    return replace(order, fresh=bool(goal.fresh))


def keep_goal(own: TrainingOrder, order: TrainingOrder) -> None:
    """Write down which goal is under way.

    Raises:
        PolicyFileError: the node's folder cannot be written.
    """
    make_folder(own.folder)
    write_file(own.folder / GOAL_FILE, json.dumps(order.to_mapping(), indent=2).encode())


def forget_goal(own: TrainingOrder) -> None:
    """No goal is under way any more."""
    with contextlib.suppress(OSError):  # the folder is none, or cannot be written either
        (own.folder / GOAL_FILE).unlink()


def kept_goal(own: TrainingOrder) -> TrainingOrder | None:
    """The goal that was under way when the node died; None: there was none.

    Raises:
        VeaatError: the file that tells it is damaged.
    """
    file = own.folder / GOAL_FILE
    if not file.exists():
        return None
    try:
        kept: Any = json.loads(read_limited(file, _MAX_GOAL_FILE))
        return replace(
            own,
            config=Path(kept["config"]),
            scenario=Path(kept["scenario"]) if kept["scenario"] else None,
            seed=int(kept["seed"]),
            iterations=int(kept["iterations"]),
            folder=Path(kept["folder"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise VeaatError(f"{file}: does not tell a goal: {error}") from error


def _path(name: str) -> Path:
    return Path(name).expanduser().resolve()
