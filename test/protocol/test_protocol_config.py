"""Settings that have no meaning are refused with a message that names them."""

from __future__ import annotations

import math

import pytest

from veaat_migration.errors import VeaatError
from veaat_migration.game.profiles import FollowerProfile, LeaderProfile
from veaat_migration.protocol.config import (
    FollowerConfig,
    LeaderConfig,
    ProtocolConfigError,
    check_follower,
    check_leader,
    check_session,
)


@pytest.mark.parametrize("config", [LeaderConfig, FollowerConfig])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retransmit_period", 0.0),
        ("retransmit_period", math.nan),
        ("resync_period", -1.0),
        ("resync_period", math.inf),
        ("max_missed_rounds", 0),
        ("max_round_lead", 0),
        ("max_peers", 0),
        ("peer_ids", (0, 1)),
    ],
)
def test_common_settings_out_of_range_are_named(config, name, value):
    with pytest.raises(ProtocolConfigError, match=f"^{name}: must be"):
        config(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rounds", -1),
        ("round_period", -0.1),
        ("round_period", math.nan),
        ("round_timeout", 0.0),
        ("join_listen", -1.0),
        ("join_listen", math.inf),
        ("min_avs", 0),
        ("min_avs", 5000),
        ("bandwidth_max", 0.0),
        ("bandwidth_max", math.nan),
    ],
)
def test_leader_settings_out_of_range_are_named(name, value):
    with pytest.raises(ProtocolConfigError, match=f"^{name}: must be"):
        LeaderConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("offer_timeout", 0.0), ("min_rsus", 0), ("min_rsus", 5000), ("price_max", -3.0)],
)
def test_follower_settings_out_of_range_are_named(name, value):
    with pytest.raises(ProtocolConfigError, match=f"^{name}: must be"):
        FollowerConfig(**{name: value})


def test_a_game_that_can_never_gather_is_refused():
    with pytest.raises(ProtocolConfigError, match=r"min_avs.*number of peer_ids \(2\), got 3"):
        LeaderConfig(min_avs=3, peer_ids=(1, 2))
    with pytest.raises(ProtocolConfigError, match="min_rsus"):
        FollowerConfig(min_rsus=2, peer_ids=(1,))
    with pytest.raises(ProtocolConfigError, match="peer_ids: must be at most max_peers"):
        LeaderConfig(max_peers=2, peer_ids=(1, 2, 3))


def test_peer_ids_are_sorted_and_unique():
    assert LeaderConfig(peer_ids=(3, 1, 3)).peer_ids == (1, 3)


def test_errors_are_user_errors():
    assert issubclass(ProtocolConfigError, VeaatError)


@pytest.mark.parametrize("session", [0, -1, 2**63 + 1])
def test_session_must_fit_into_a_message(session):
    with pytest.raises(ProtocolConfigError, match="session"):
        check_session(session)


def test_a_nanosecond_clock_is_a_session():
    assert check_session(1_790_000_000_000_000_000) == 1_790_000_000_000_000_000


@pytest.mark.parametrize(
    ("field", "profile"),
    [
        ("rsu_id", LeaderProfile(0, 1.0, 2.0, 30.0)),
        ("quality", LeaderProfile(1, 0.0, 2.0, 30.0)),
        ("quality", LeaderProfile(1, math.nan, 2.0, 30.0)),
        ("price_max", LeaderProfile(1, 1.0, 2.0, math.inf)),
        ("price_max", LeaderProfile(1, 1.0, 40.0, 30.0)),
    ],
)
def test_leader_profile_that_nobody_would_accept_is_named(field, profile):
    with pytest.raises(ProtocolConfigError, match=f"^{field}"):
        check_leader(profile)


@pytest.mark.parametrize(
    ("field", "profile"),
    [
        ("av_id", FollowerProfile(0, 20.0, 1.0, 10.0)),
        ("bandwidth_max", FollowerProfile(1, 20.0, 1.0, 0.0)),
        ("bandwidth_max", FollowerProfile(1, 20.0, 1.0, math.inf)),
    ],
)
def test_follower_profile_that_cannot_bid_is_named(field, profile):
    with pytest.raises(ProtocolConfigError, match=f"^{field}"):
        check_follower(profile)
