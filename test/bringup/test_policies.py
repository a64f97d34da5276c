"""Bundles by name, and whether they fit the game."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from veaat_migration.bringup import policies
from veaat_migration.bringup.plan import Options
from veaat_migration.bringup.policies import (
    NoPoliciesError,
    PoliciesMismatchError,
    check_bundle,
    find_policies,
    with_bundle,
)
from veaat_migration.game.instance import GameInstance
from veaat_migration.policy.policy_files import PolicyFileError, write_bundle, write_policy

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))

from artifacts import make_artifact, make_bundle

GAME = GameInstance.create(
    satisfaction=[20.0, 25.0, 30.0], offset=[1.2, 0.9, 0.7], quality=[1.0, 1.2], cost=[2.0, 2.5],
    price_max=30.0, bandwidth_max=10.0,
)  # fmt: skip


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(make_bundle(), tmp_path / "mine")
    return tmp_path / "mine"


def test_policies_are_found_by_path_or_by_name(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_policy(make_artifact(), tmp_path / "one.safetensors")
    assert find_policies(str(bundle)) == bundle
    assert find_policies(str(tmp_path / "one.safetensors")) == tmp_path / "one.safetensors"
    write_bundle(make_bundle(), tmp_path / "config" / "policies" / "shipped")
    monkeypatch.setattr(policies, "config_folders", lambda: [tmp_path / "config"])
    assert find_policies("shipped") == tmp_path / "config" / "policies" / "shipped"
    with pytest.raises(NoPoliciesError, match=r"nothing: no policy file.*'veaat train' makes one"):
        find_policies("nothing")


def test_a_bundle_is_needed_only_where_a_player_is_learned(bundle: Path):
    plain = Options()
    assert with_bundle(plain, "/nowhere", GAME) is plain
    for options in (
        Options(leader_policy="learned"),
        Options(follower_policy="learned"),
        Options(policies={"av_1": "learned"}),
    ):
        assert with_bundle(options, str(bundle), GAME).bundle == str(bundle)
        with pytest.raises(NoPoliciesError):
            with_bundle(options, "/nowhere", GAME)


@pytest.mark.parametrize(
    ("game", "message"),
    [
        (
            GameInstance.create(
                satisfaction=[20.0] * 4, offset=[1.0] * 4, quality=[1.0] * 2, cost=[2.0] * 2,
                price_max=30.0, bandwidth_max=10.0,
            ),
            "made for 2 RSUs and 3 AVs, but the game has 2 RSUs and 4 AVs",
        ),
        (replace(GAME, price_max=40.0), "prices up to 30 money/MHz, but in the game"),
        (replace(GAME, bandwidth_max=8.0), "bandwidths up to 10 MHz, but in the game"),
    ],
)  # fmt: skip
def test_a_bundle_for_another_game_is_named(bundle: Path, game: GameInstance, message: str):
    with pytest.raises(PoliciesMismatchError, match=message):
        check_bundle(bundle, game)


def test_a_damaged_bundle_is_named(bundle: Path):
    file = next(bundle.glob("leader-1-*"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(PolicyFileError, match="is not the file that"):
        check_bundle(bundle, GAME)
