"""What a player's diagnostics say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veaat_migration.nodes.health import Level, assess
from veaat_migration.protocol.status import PlayerState, PlayerStatus, Role

PLAYING = PlayerStatus(
    role=Role.LEADER,
    player_id=4,
    session=1,
    state=PlayerState.PLAYING,
    round=9,
    rounds_completed=8,
    policy="best_response",
    peer_ids=(1, 2),
    messages_accepted=16,
    deadline_misses=0,
    retransmissions=0,
    rejections={},
    policy_errors=0,
    last_policy_error="",
)


@pytest.mark.parametrize(
    ("changes", "level", "message"),
    [
        ({}, Level.OK, "playing round 9"),
        ({"rejections": {"duplicate": 3}}, Level.OK, "playing round 9"),
        ({"rejections": {"not_finite": 2}}, Level.WARN, "rejected messages: 2 not_finite"),
        ({"deadline_misses": 1}, Level.WARN, "1 answers did not come in time"),
        ({"state": PlayerState.WAITING}, Level.WARN, "waiting for AVs"),
        (
            {"state": PlayerState.WAITING, "role": Role.FOLLOWER},
            Level.WARN,
            "waiting for RSUs",
        ),
        ({"state": PlayerState.FINISHED}, Level.OK, "finished after 8 rounds"),
        ({"rejections": {"own_id": 1}}, Level.ERROR, "another node uses rsu_id 4"),
        (
            {"policy_errors": 1, "last_policy_error": "ValueError: x"},
            Level.ERROR,
            "policy best_response failed: ValueError: x",
        ),
        ({"receipt_mismatches": 1}, Level.WARN, "an RSU's receipt names a demand"),
    ],
)
def test_a_change_is_judged(changes: dict[str, object], level: Level, message: str):
    health = assess(replace(PLAYING, **changes), PLAYING)
    assert health.level is level
    assert health.message.startswith(message)


def test_old_trouble_is_not_told_again():
    troubled = replace(PLAYING, rejections={"own_id": 5}, deadline_misses=7, policy_errors=2)
    assert assess(troubled, None).level is Level.ERROR
    assert assess(replace(troubled, round=10), troubled).level is Level.OK
