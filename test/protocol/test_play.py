"""Whole games over the simulated network: one story each."""

from __future__ import annotations

import pytest

from veaat_migration.protocol.config import FollowerConfig, LeaderConfig
from veaat_migration.protocol.messages import Offer
from veaat_migration.protocol.status import PlayerState

from . import invariants
from .network import Faults, Network

RSU1, RSU2, AV1, AV2, AV3 = ("rsu", 1), ("rsu", 2), ("av", 1), ("av", 2), ("av", 3)


def game(n_avs: int = 3, n_rsus: int = 2, *, faults: Faults | None = None, seed: int = 1, **config):
    """A game that waits for everybody before it begins; ``config`` is the leaders'."""
    return Network(
        n_avs,
        n_rsus,
        seed=seed,
        faults=faults,
        leader_config=LeaderConfig(**{"min_avs": n_avs, **config}),
        follower_config=FollowerConfig(min_rsus=n_rsus),
    )


def began(**options) -> Network:
    network = game(**options)
    network.start_all(spread=0.2)
    network.run(2.0)
    return network


def play_on(network: Network, limit: float = 10.0) -> float:
    healed_in = invariants.check_alive(network, rounds=5, limit=limit)
    invariants.check(network)
    return healed_in


@pytest.mark.parametrize(("n_avs", "n_rsus"), [(1, 1), (3, 2), (10, 5)])
def test_a_healthy_game_is_complete_and_says_nothing_superfluous(n_avs, n_rsus):
    network = game(n_avs, n_rsus, rounds=30, join_listen=0.0)
    network.start_all()
    network.run(5.0)
    invariants.check(network)
    for number in range(1, n_rsus + 1):
        accounts = network.settled(number)
        assert [account.round for account in accounts] == list(range(1, 31))
        assert all(len(account.av_ids) == n_avs for account in accounts)
        assert not any(account.missing_av_ids for account in accounts)
    for machine in [*network.leaders(), *network.followers()]:
        status = machine.status()
        assert status.state is PlayerState.FINISHED
        assert status.rounds_completed == 30
        assert (status.rejections, status.retransmissions) == ({}, 0)
    # One message per player and round, and a farewell each: 12 deliveries for 2 RSUs and 3 AVs.
    assert len(network.offers) == 31 * n_rsus
    assert len([bid for bid in network.bids if not bid.leaving]) == 30 * n_avs
    assert network.deliveries == (31 * n_rsus * n_avs) + (31 * n_avs * n_rsus)


def test_leaders_never_drift_apart_in_a_healthy_network():
    network = began(faults=Faults(delay=(0.001, 0.05)))
    for step in range(300):
        network.run(2.0 + 0.01 * step)
        rounds = [leader.status().round for leader in network.leaders()]
        assert max(rounds) - min(rounds) <= 1


def test_a_game_over_a_bad_network_still_ends_for_everybody():
    bad = Faults(loss=0.2, duplication=0.2, delay=(0.0, 0.2))
    network = game(rounds=15, faults=bad, seed=3)
    network.start_all()
    network.run(120.0)
    invariants.check(network)
    for machine in [*network.leaders(), *network.followers()]:
        assert machine.finished


def test_a_killed_rsu_stops_the_others_only_for_two_timeouts():
    network = began()
    network.kill(RSU1)
    killed_at = network.now
    network.run(killed_at + 3.0)
    times = [t for t, s in network.settlements if s.rsu_id == 2 and t > killed_at]
    gaps = [b - a for a, b in zip([killed_at, *times], times, strict=False)]
    offer_timeout, worst_delay = 0.5, 0.1
    assert max(gaps) < offer_timeout + worst_delay
    assert sum(gap > 0.2 for gap in gaps) == 2
    before = network.settled(1)[-1].round
    network.start(RSU1)
    play_on(network)
    assert network.settled(1)[-1].round > before


def test_a_killed_av_stops_the_others_only_for_two_timeouts_and_comes_back():
    network = began()
    network.kill(AV2)
    killed_at = network.now
    network.run(killed_at + 5.0)
    missing = [s for _, s in network.settlements if 2 in s.missing_av_ids]
    assert len(missing) <= 2 * 2 + 2
    assert 2 not in network.settled(1)[-1].av_ids
    network.start(AV2)
    assert play_on(network) < 1.0


def test_a_long_pause_is_made_up_for():
    network = began(faults=Faults(queue_depth=10))
    network.pause(RSU2)
    network.run(12.0)
    assert network.leaders()[0].status().round > network.leaders()[1].status().round + 100
    network.resume(RSU2)
    # It has to insist for resync_period, because it is more than max_round_lead behind.
    assert play_on(network) < 3.0


def test_groups_that_were_parted_play_together_again():
    network = began(n_avs=4, n_rsus=2)
    ours, theirs = {RSU1, AV1, AV2, AV3}, {RSU2, ("av", 4)}
    network.faults.cut_links = {(a, b) for a in ours for b in theirs} | {
        (b, a) for a in ours for b in theirs
    }
    network.run(20.0)
    one, two = (leader.status().round for leader in network.leaders())
    assert abs(one - two) > 64
    assert network.leaders()[1].status().peer_ids == (4,)
    network.faults.cut_links.clear()
    play_on(network)


@pytest.mark.parametrize("role", ["rsu", "av"])
def test_when_all_of_one_role_restart_the_game_goes_on_behind_the_old_rounds(role):
    network = began()
    restarted_at = network.now
    former = max(account.round for _, account in network.settlements)
    for key in network.nodes:
        if key[0] == role:
            network.start(key)
    play_on(network)
    assert min(s.round for t, s in network.settlements if t > restarted_at) >= former


def test_when_everybody_restarts_a_new_game_begins():
    network = began()
    for key in network.nodes:
        network.start(key)
    play_on(network)


def test_a_late_av_joins_and_one_that_says_goodbye_holds_nobody():
    network = Network(3, 2)
    for key in (RSU1, RSU2, AV1, AV2):
        network.start(key)
    network.run(2.0)
    assert network.settled(1)[-1].av_ids == (1, 2)
    network.start(AV3)
    network.run(3.0)
    assert network.settled(1)[-1].av_ids == (1, 2, 3)
    network.leave(AV1)
    network.run(5.0)
    assert network.settled(1)[-1].av_ids == (2, 3)
    assert all(leader.status().deadline_misses == 0 for leader in network.leaders())
    invariants.check(network)


def test_an_rsu_that_says_goodbye_holds_nobody():
    network = began()
    network.leave(RSU1)
    network.run(5.0)
    assert all(f.status().deadline_misses == 0 for f in network.followers())
    assert all(f.status().peer_ids == (2,) for f in network.followers())
    network.start(RSU1)
    play_on(network)


@pytest.mark.parametrize("deaf", [RSU1, AV1])
def test_a_deaf_node_does_not_slow_the_others_down_for_ever(deaf):
    network = began()
    network.faults.cut_links = {(key, deaf) for key in network.nodes}
    network.run(6.0)
    start = len(network.settled(2))
    network.run(16.0)
    assert len(network.settled(2)) - start > 200


def test_paced_leaders_with_other_ticks_keep_the_period():
    network = game(faults=Faults(delay=(0.001, 0.004)), round_period=0.2)
    network.start_all(spread=0.15)
    network.run(22.0)
    invariants.check(network)
    for number in (1, 2):
        accounts = network.settled(number)
        assert len(accounts) >= 100
        assert all(len(account.av_ids) == 3 for account in accounts)
    rounds = [leader.status().round for leader in network.leaders()]
    assert max(rounds) - min(rounds) <= 1


def test_paced_offers_do_not_drift():
    network = game(1, 1, round_period=0.1, join_listen=0.0)
    times: list[float] = []
    publish = network._publish

    def spy(node, outputs):
        times.extend(network.now for output in outputs if isinstance(output, Offer))
        publish(node, outputs)

    network._publish = spy
    network.start_all()
    network.run(10.05)
    assert len(times) == 101
    assert times == pytest.approx([0.1 * k for k in range(101)])


def test_many_players():
    network = game(100, 10, rounds=3, join_listen=0.0)
    network.start_all()
    network.run(5.0)
    assert all(leader.finished for leader in network.leaders())
    assert all(len(account.av_ids) == 100 for _, account in network.settlements)
    assert len(network.settlements) == 30
