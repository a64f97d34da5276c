"""Bundles of policies that come with the package, and whether a bundle fits a game."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from veaat_migration.bringup.plan import LEARNED, Options
from veaat_migration.bringup.scenarios import config_folders
from veaat_migration.errors import VeaatError
from veaat_migration.game.instance import GameInstance
from veaat_migration.policy.policy_files import BUNDLE, read_bundle

SHIPPED = "base"
"""Bundle that is played unless another one is named."""
POLICIES_FOLDER = "policies"
"""Folder of shipped bundles among the configuration files."""


class NoPoliciesError(VeaatError, FileNotFoundError):
    """There are no such policies; the message lists where they were looked for."""


class PoliciesMismatchError(VeaatError, ValueError):
    """A bundle was made for another game."""


def find_policies(name: str) -> Path:
    """A policy file or bundle folder of this path, or the shipped bundle of this name.

    Raises:
        NoPoliciesError: neither exists.
    """
    path = Path(name).expanduser()
    if path.is_file() or (path / BUNDLE).is_file():
        return path
    folders = [folder / POLICIES_FOLDER for folder in config_folders()]
    for folder in folders:
        if (folder / name / BUNDLE).is_file():
            return folder / name
    looked = ", ".join(map(str, folders)) or "no folder of shipped policies found"
    raise NoPoliciesError(
        f"{name}: no policy file, no folder with {BUNDLE}, and no shipped bundle of that name "
        f"({looked}); 'veaat train' makes one"
    )


def shipped_or_path(name: str) -> Path:
    """As :func:`find_policies`, or the path itself where nothing is found: for those who look."""
    try:
        return find_policies(name)
    except NoPoliciesError:
        return Path(name).expanduser()


def with_bundle(options: Options, name: str, instance: GameInstance) -> Options:
    """``options`` with the bundle of this path or name, where a player needs one.

    Raises:
        NoPoliciesError: there is none.
        PolicyFileError: it is damaged.
        PoliciesMismatchError: it was made for another game.
    """
    wanted = (options.leader_policy, options.follower_policy, *options.policies.values())
    if LEARNED not in wanted:
        return options
    folder = find_policies(name).resolve()
    check_bundle(folder, instance)
    return replace(options, bundle=str(folder))


def check_bundle(folder: Path, instance: GameInstance) -> None:
    """Check that policies of a bundle can play a game.

    Raises:
        PolicyFileError: the bundle is damaged.
        PoliciesMismatchError: players, prices or bandwidths are others.
    """
    artifacts = read_bundle(folder)
    schema = artifacts[0].schema
    rsu_ids, av_ids = _ids(instance.n_rsus), _ids(instance.n_avs)
    if (schema.rsu_ids, schema.av_ids) != (rsu_ids, av_ids):
        raise PoliciesMismatchError(
            f"{folder}: these policies were made for {len(schema.rsu_ids)} RSUs and "
            f"{len(schema.av_ids)} AVs, but the game has {len(rsu_ids)} RSUs and {len(av_ids)} "
            f"AVs; train some for it ('veaat train') and name them with --policies DIR"
        )
    for name, unit, found, expected in (
        ("prices", "money/MHz", schema.price_scale, instance.price_max),
        ("bandwidths", "MHz", schema.bandwidth_scale, instance.bandwidth_max),
    ):
        if not np.allclose(found.high, expected, rtol=1e-6):
            raise PoliciesMismatchError(
                f"{folder}: these policies were made for {name} up to {found.high.max():g} "
                f"{unit}, but in the game they go up to {expected:g}; train some for it "
                f"('veaat train') and name them with --policies DIR"
            )


def _ids(count: int) -> tuple[int, ...]:
    return tuple(range(1, count + 1))
