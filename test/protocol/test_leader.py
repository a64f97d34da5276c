"""The rules of an RSU, one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from veaat_migration.protocol.config import ProtocolConfigError
from veaat_migration.protocol.messages import Offer, Settlement
from veaat_migration.protocol.status import PlayerState, Role

from .builders import (
    AV_SESSION,
    PRICE,
    QUALITY,
    RSU,
    RSU_SESSION,
    Policy,
    asks,
    bid,
    bid_elsewhere,
    leader,
    leaving,
    the_offer,
    the_settlement,
)


def started(policy=None, *, avs: int = 0, **config):
    """A leader that has settled round 1 with ``avs`` AVs at t = 0 and has round 2 open."""
    machine = leader(policy, **{"min_avs": max(avs, 1), **config})
    machine.start(0.0)
    for av_id in range(1, avs + 1):
        machine.on_bid(bid(1, av_id), 0.0)
    return machine


def rejected(machine) -> dict[str, int]:
    return dict(machine.status().rejections)


# Beginning


def test_the_first_offer_comes_at_once_without_listening():
    (first,) = leader().start(0.0)
    assert first == Offer(RSU_SESSION, 1, RSU, PRICE, QUALITY)


def test_a_listening_leader_joins_behind_what_it_hears():
    machine = leader(join_listen=0.5)
    assert machine.start(10.0) == []
    assert machine.next_wakeup == 10.5
    assert machine.on_bid(bid_elsewhere(41), 10.1) == []
    assert machine.on_timer(10.4) == []
    (first,) = machine.on_timer(10.5)
    assert first.round == 42


def test_a_listening_leader_that_hears_nothing_begins_the_game():
    machine = leader(join_listen=0.5)
    machine.start(0.0)
    assert the_offer(machine.on_timer(0.5)).round == 1


def test_starting_twice_is_harmless():
    machine = leader()
    machine.start(0.0)
    assert machine.start(0.1) == []


def test_a_bid_before_the_start_is_remembered():
    machine = leader()
    assert machine.next_wakeup is None
    assert machine.on_timer(0.0) == []
    assert machine.on_bid(bid_elsewhere(4), 0.0) == []
    assert the_offer(machine.start(0.1)).round == 5


def test_the_game_waits_for_min_avs():
    machine = leader(min_avs=2, round_timeout=1.0)
    machine.start(0.0)
    assert machine.on_bid(bid(1, 1), 0.1) == []
    assert machine.status().state is PlayerState.WAITING
    assert machine.on_timer(5.0) == [machine._offer]
    assert the_settlement(machine.on_bid(bid(1, 2), 6.0)).av_ids == (1, 2)
    assert machine.status().state is PlayerState.PLAYING


def test_no_deadline_runs_while_the_game_waits_for_min_avs():
    machine = leader(min_avs=2, join_listen=0.5)
    machine.start(0.0)
    machine.on_bid(bid_elsewhere(4, 1), 0.1)
    (offer,) = machine.on_timer(0.5)
    machine.on_bid(bid(5, 1), 0.6)
    assert machine.on_timer(60.0) == [offer]
    assert the_settlement(machine.on_bid(bid(5, 2), 61.0)).av_ids == (1, 2)


def test_a_bad_session_or_profile_is_refused():
    with pytest.raises(ProtocolConfigError):
        leader(session=0)


# A round


def test_the_last_bid_closes_the_round_and_the_offer_comes_first():
    machine = leader(min_avs=2)
    machine.start(7.0)
    assert machine.on_bid(bid(1, 2, bandwidth=(3.0,)), 7.125) == []
    offer, settlement = machine.on_bid(bid(1, 1), 7.25)
    assert offer == Offer(RSU_SESSION, 2, RSU, PRICE, QUALITY, False, 1, (1, 2), (2.0, 3.0))
    assert settlement == Settlement(
        session=RSU_SESSION,
        round=1,
        rsu_id=RSU,
        price=PRICE,
        quality=QUALITY,
        av_ids=(1, 2),
        bandwidth=(2.0, 3.0),
        matching_probability=(1.0, 1.0),
        payment=(10.0, 15.0),
        missing_av_ids=(),
        duration=0.25,
    )


def test_the_policy_observes_the_round_before():
    policy = asks()
    machine = leader(policy)
    machine.start(0.0)
    competitor = bid(
        1,
        rsu_ids=(1, 2),
        sessions=(500, 900),
        prices=(5.0, 7.0),
        qualities=(1.0, 1.2),
        bandwidth=(2.0, 4.0),
    )
    machine.on_bid(competitor, 0.1)
    first, second = policy.observed
    assert (first.round, first.av_ids) == (1, ())
    assert (second.round, second.rsu_ids, second.av_ids) == (2, (1, 2), (1,))
    np.testing.assert_array_equal(second.prices, [5.0, 7.0])
    np.testing.assert_array_equal(second.demand, [[2.0, 4.0]])


def test_a_bid_of_zero_is_accepted():
    machine = leader()
    machine.start(0.0)
    account = the_settlement(machine.on_bid(bid(bandwidth=(0.0,)), 0.1))
    assert (account.av_ids, account.bandwidth, account.payment) == ((1,), (0.0,), (0.0,))


def test_a_bid_that_leaves_us_out_is_an_answer_but_no_purchase():
    machine = started(avs=2)
    assert machine.on_bid(bid_elsewhere(2, 2), 0.1) == []
    account = the_settlement(machine.on_bid(bid(2, 1), 0.2))
    assert account.av_ids == (1,)
    assert account.missing_av_ids == ()
    assert rejected(machine) == {}


def test_missing_bids_are_given_up_at_the_deadline():
    machine = started(avs=2, round_timeout=1.0)
    machine.on_bid(bid(2, 1), 0.1)
    assert machine.on_timer(0.999) != []  # a retransmission only
    account = the_settlement(machine.on_timer(1.0))
    assert (account.av_ids, account.missing_av_ids) == ((1,), (2,))
    status = machine.status()
    assert status.deadline_misses == 1
    assert status.peer_ids == (1, 2)


def test_an_av_that_misses_twice_is_no_longer_waited_for_until_it_speaks():
    machine = started(avs=2)
    machine.on_bid(bid(2, 1), 0.0)
    machine.on_timer(1.0)
    machine.on_bid(bid(3, 1), 1.0)
    assert machine.status().peer_ids == (1, 2)
    machine.on_timer(2.0)
    assert machine.status().peer_ids == (1,)
    assert the_settlement(machine.on_bid(bid(4, 1), 2.1)).missing_av_ids == ()
    # A late bid shows that it lives: it is waited for again.
    machine.on_bid(bid(4, 2), 2.2)
    assert machine.status().peer_ids == (1, 2)
    assert machine.on_bid(bid(5, 1), 2.3) == []
    assert the_settlement(machine.on_bid(bid(5, 2), 2.4)).av_ids == (1, 2)


def test_misses_count_only_in_a_row():
    machine = started(avs=2)
    now = 0.0
    for round_ in range(2, 10, 2):
        machine.on_bid(bid(round_, 1), now)
        now += 1.0
        assert the_settlement(machine.on_timer(now)).missing_av_ids == (2,)
        assert machine.status().peer_ids == (1, 2)
        machine.on_bid(bid(round_ + 1, 1), now)
        assert the_settlement(machine.on_bid(bid(round_ + 1, 2), now)).av_ids == (1, 2)


def test_a_round_without_any_answer_stays_open():
    machine = started(avs=2, max_missed_rounds=2)
    assert machine.on_timer(1.0) == [machine._offer]
    assert machine.status().state is PlayerState.PLAYING
    machine.on_timer(2.0)
    status = machine.status()
    assert (status.state, status.round, status.rounds_completed) == (PlayerState.WAITING, 2, 1)
    assert status.deadline_misses == 4
    # Nobody is left to wait for, so only the retransmission remains.
    assert machine.next_wakeup == pytest.approx(2.25)
    assert machine.on_timer(100.0) == [machine._offer]
    assert the_settlement(machine.on_bid(bid(2, 2), 101.0)).duration == 101.0


def test_a_deadline_runs_from_when_somebody_is_waited_for_again():
    machine = started(avs=1)
    machine.on_timer(1.0)
    machine.on_timer(2.0)
    machine.on_bid(bid(1, 5), 50.0)  # for a round that is over, but alive
    assert machine.status().peer_ids == (5,)
    machine.on_timer(50.9)
    assert machine.status().deadline_misses == 2
    machine.on_timer(51.0)
    assert machine.status().deadline_misses == 3


def test_the_offer_is_repeated_while_nothing_moves():
    machine = started(avs=2, retransmit_period=0.25)
    assert machine.next_wakeup == 0.25
    assert machine.on_timer(0.2) == []
    assert machine.on_timer(0.25) == [machine._offer]
    machine.on_bid(bid(2, 1), 0.4)
    assert machine.next_wakeup == pytest.approx(0.65)
    machine.on_timer(0.65)
    assert machine.status().retransmissions == 2


# Rejections


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (bid(3, 1, bandwidth=(math.nan,)), "not_finite"),
        (bid(3, 1, bandwidth=(10.1,)), "out_of_range"),
        (bid(3, 1, prices=()), "malformed"),
        (None, "malformed"),
        (bid(3, 77), "unknown_id"),
        (bid(3, 1, session=AV_SESSION - 1), "stale_session"),
        (bid(2, 1), "duplicate"),
        (bid(2, 1, bandwidth=(9.0,)), "conflicting_duplicate"),
        (bid(2, 3), "late"),
        (bid(1, 3), "stale_round"),
        (bid(3, 1, prices=(PRICE + 1,)), "offer_mismatch"),
        (bid(3, 1, qualities=(QUALITY + 1,)), "offer_mismatch"),
        (bid(3, 1, sessions=(RSU_SESSION - 1,)), "offer_mismatch"),
        (bid(3, 1, sessions=(RSU_SESSION + 1,)), "own_id"),
        (bid(3 + 65, 1), "future_round"),
    ],
)
def test_every_rejection_is_counted_and_charges_nobody(message, reason):
    machine = started(avs=2, peer_ids=(1, 2, 3), bandwidth_max=10.0)
    machine.on_bid(bid(2, 1), 0.0)
    machine.on_bid(bid(2, 2), 0.0)
    before = machine.status()
    assert before.round == 3
    assert machine.on_bid(message, 0.1) == []
    after = machine.status()
    assert after.rejections == {reason: 1}
    assert after.messages_accepted == before.messages_accepted
    assert machine._book.answers == {}


def test_a_repeated_bid_does_not_change_the_account():
    machine = started(avs=2)
    machine.on_bid(bid(2, 1, bandwidth=(3.0,)), 0.1)
    machine.on_bid(bid(2, 1, bandwidth=(3.0,)), 0.2)
    machine.on_bid(bid(2, 1, bandwidth=(9.0,)), 0.3)
    account = the_settlement(machine.on_bid(bid(2, 2), 0.4))
    assert account.bandwidth == (3.0, 2.0)
    assert rejected(machine) == {"duplicate": 1, "conflicting_duplicate": 1}


def test_an_answer_to_another_price_sells_nothing_but_holds_nobody():
    machine = started(avs=2)
    machine.on_bid(bid(2, 1), 0.1)
    account = the_settlement(machine.on_bid(bid(2, 2, prices=(4.0,)), 0.2))
    assert (account.av_ids, account.missing_av_ids) == ((1,), ())


def test_a_right_answer_after_a_damaged_one_is_accepted():
    machine = started(avs=2)
    machine.on_bid(bid(2, 1, prices=(4.0,)), 0.1)
    machine.on_bid(bid(2, 1), 0.2)
    assert the_settlement(machine.on_bid(bid(2, 2), 0.3)).av_ids == (1, 2)


def test_one_round_far_ahead_changes_nothing_but_an_insisting_av_is_believed():
    machine = started(avs=1, resync_period=1.0)
    machine.on_bid(bid_elsewhere(10**6), 0.0)
    assert machine.on_bid(bid_elsewhere(5000), 0.1) == []
    assert machine.on_bid(bid_elsewhere(5030), 1.0) == []
    assert rejected(machine) == {"future_round": 3}
    assert the_offer(machine.on_bid(bid_elsewhere(5060), 1.2)).round == 5061


def test_a_restarted_av_is_a_new_life():
    machine = started(avs=2)
    machine.on_bid(bid(2, 1, bandwidth=(3.0,)), 0.1)
    machine.on_bid(bid(2, 1, bandwidth=(4.0,), session=AV_SESSION + 1), 0.2)
    machine.on_bid(bid(2, 1, bandwidth=(3.0,)), 0.3)
    assert rejected(machine) == {"stale_session": 1}
    assert the_settlement(machine.on_bid(bid(2, 2), 0.4)).bandwidth == (4.0, 2.0)


def test_a_corrupt_session_locks_nobody_out_for_ever():
    machine = started(avs=1, resync_period=1.0)
    machine.on_bid(bid(1, 1, session=2**64 - 1), 0.0)
    assert machine.on_bid(bid(2), 0.1) == []
    machine.on_bid(bid(2), 0.6)
    assert the_settlement(machine.on_bid(bid(2), 1.1)).av_ids == (1,)
    assert rejected(machine) == {"late": 1, "stale_session": 2}


def test_memory_is_bounded_and_active_avs_are_never_forgotten():
    machine = started(avs=2, max_peers=3)
    machine.on_bid(leaving(2, 2), 0.1)
    for av_id in range(10, 30):
        machine.on_bid(leaving(0, av_id), 0.1)
    assert len(machine._book._avs) <= 3
    assert machine.status().peer_ids == (1,)
    machine.on_bid(bid(2, 1), 0.2)
    machine.on_bid(bid(1, 40), 0.3)
    machine.on_bid(bid(1, 41), 0.3)
    machine.on_bid(bid(1, 42), 0.3)
    assert machine.status().peer_ids == (1, 40, 41)
    assert rejected(machine)["too_many_peers"] == 1


# Others are ahead


def test_when_everybody_has_gone_on_the_round_is_closed():
    machine = started(avs=2)
    machine.on_bid(bid(2, 1), 0.1)
    offer, account = machine.on_bid(bid_elsewhere(3, 2), 0.2)
    assert (account.round, account.av_ids, account.missing_av_ids) == (2, (1,), (2,))
    assert offer.round == 3  # AV 1 can still answer round 3


def test_half_of_the_followers_pull_a_leader_that_fell_behind():
    machine = started(avs=4)
    assert machine.on_bid(bid_elsewhere(20, 1), 0.1) == []
    offer, account = machine.on_bid(bid_elsewhere(21, 2), 0.2)
    assert (account.round, account.av_ids, account.missing_av_ids) == (2, (), (1, 2, 3, 4))
    assert offer.round == 21
    assert machine.status().peer_ids == (1, 2, 3, 4)


def test_one_runaway_does_not_end_a_round_that_others_answer():
    machine = started(avs=4)
    machine.on_bid(bid_elsewhere(20, 1), 0.1)
    assert machine.on_bid(bid_elsewhere(3, 2), 0.15) == []
    assert machine.on_bid(bid(2, 2, session=AV_SESSION + 1), 0.2) == []
    assert machine.on_bid(bid(2, 3), 0.3) == []
    assert the_settlement(machine.on_bid(bid(2, 4), 0.4)).av_ids == (2, 3, 4)


def test_a_leader_that_lost_everybody_joins_the_first_that_speaks():
    machine = started(avs=1)
    machine.on_timer(1.0)
    machine.on_timer(2.0)
    assert the_offer(machine.on_bid(bid_elsewhere(9), 3.0)).round == 10


# A fresh leader


def test_a_fresh_leader_settles_nothing_it_may_have_settled_before():
    machine = leader()
    machine.start(0.0)
    (offer,) = machine.on_bid(bid_elsewhere(5000, 1), 0.1)
    assert offer.round == 5001
    assert offer.settled_round == 0
    (offer,) = machine.on_bid(bid_elsewhere(5001, 1), 0.2)
    assert offer.round == 5002
    assert machine.status().rounds_completed == 0


def test_an_answer_to_a_former_life_sends_a_fresh_leader_behind_it():
    machine = leader()
    machine.start(0.0)
    former = {"sessions": (RSU_SESSION - 1,)}
    machine.on_bid(bid(1, 2, **former), 0.0)
    assert rejected(machine) == {"offer_mismatch": 1}
    assert machine.status().round == 2
    # Not even when others could still answer: the former life may have settled this round.
    machine.on_bid(bid_elsewhere(1, 3), 0.1)
    (offer,) = machine.on_bid(bid(7, 2, **former), 0.1)
    assert offer.round == 8


def test_a_fresh_leader_does_not_play_the_round_that_its_former_life_offered():
    machine = leader(join_listen=0.5)
    machine.start(0.0)
    machine.on_bid(bid_elsewhere(10, 3), 0.1)
    assert the_offer(machine.on_timer(0.5)).round == 11
    (offer,) = machine.on_bid(bid(11, 2, sessions=(RSU_SESSION - 1,)), 0.6)
    assert offer.round == 12


def test_a_listening_leader_notes_the_rounds_of_its_former_life():
    machine = leader(join_listen=0.5)
    machine.start(0.0)
    machine.on_bid(bid(30, 1, sessions=(RSU_SESSION - 1,)), 0.1)
    machine.on_bid(bid_elsewhere(4, 1, session=AV_SESSION + 1), 0.2)
    assert the_offer(machine.on_timer(0.5)).round == 31


def test_a_fresh_leader_misled_by_a_corrupt_round_begins_again_in_a_new_session():
    machine = leader(join_listen=0.5, resync_period=1.0)
    machine.start(0.0)
    machine.on_bid(bid_elsewhere(10**9), 0.1)
    assert the_offer(machine.on_timer(0.5)).round == 10**9 + 1
    for k in range(6):
        assert machine.on_bid(bid_elsewhere(10 + k), 0.6 + 0.2 * k) == []
    assert machine.session == RSU_SESSION + 1
    machine.on_bid(bid_elsewhere(20), 1.8)
    (offer,) = machine.on_timer(2.2)
    assert (offer.round, offer.session) == (21, RSU_SESSION + 1)


def test_a_single_old_bid_after_a_long_silence_changes_nothing_for_a_fresh_leader():
    machine = leader(join_listen=0.5, resync_period=1.0)
    machine.start(0.0)
    machine.on_bid(bid_elsewhere(10), 0.1)
    machine.on_timer(0.5)
    machine.on_bid(bid_elsewhere(4, 2), 60.0)
    machine.on_bid(bid_elsewhere(5, 2), 60.9)
    assert (machine.session, machine.status().round) == (RSU_SESSION, 11)


def test_a_leader_one_round_ahead_of_waiting_followers_is_in_sync():
    machine = leader(join_listen=0.5, resync_period=1.0)
    machine.start(0.0)
    machine.on_bid(bid_elsewhere(10), 0.1)
    machine.on_timer(0.5)
    for k in range(20):
        machine.on_bid(bid_elsewhere(10), 0.6 + k)
        # A straggler alone does not show that the round is wrong.
        machine.on_bid(bid_elsewhere(2, 2), 0.7 + k)
    assert machine.session == RSU_SESSION
    assert machine.status().round == 11


# Leaving and finishing


def test_a_leaving_av_is_not_waited_for_but_its_bid_counts():
    machine = started(avs=2)
    machine.on_bid(bid(2, 2), 0.1)
    machine.on_bid(leaving(2, 2), 0.2)
    account = the_settlement(machine.on_bid(bid(2, 1), 0.3))
    assert account.av_ids == (1, 2)
    assert machine.status().peer_ids == (1,)
    assert the_settlement(machine.on_bid(bid(3, 1), 0.4)).missing_av_ids == ()


def test_leaving_can_complete_a_round():
    machine = started(avs=2)
    machine.on_bid(bid(2, 1), 0.1)
    assert the_settlement(machine.on_bid(leaving(1, 2), 0.2)).av_ids == (1,)


def test_when_the_only_buyer_leaves_its_bid_is_settled():
    machine = started(avs=2)
    machine.on_bid(bid(2, 1), 0.1)
    machine.on_bid(leaving(2, 1), 0.2)
    assert the_settlement(machine.on_bid(leaving(1, 2), 0.3)).av_ids == (1,)
    assert machine.status().state is PlayerState.WAITING


def test_farewells_are_checked_like_everything_else():
    machine = started(avs=1)
    machine.on_bid(bid(2), 0.0)
    machine.on_bid(leaving(1), 0.1)
    assert rejected(machine) == {"stale_round": 1}
    machine.on_bid(leaving(3 + 65), 0.1)
    assert rejected(machine) == {"stale_round": 1, "future_round": 1}
    machine.on_bid(leaving(2), 0.1)
    machine.on_bid(leaving(2), 0.1)
    assert rejected(machine)["duplicate"] == 1
    assert machine.status().peer_ids == ()


def test_an_av_that_left_comes_back_with_its_next_bid():
    machine = started(avs=1)
    machine.on_bid(leaving(1), 0.1)
    assert the_settlement(machine.on_bid(bid(2, session=AV_SESSION + 1), 9.0)).av_ids == (1,)


def test_a_corrupt_farewell_in_the_open_round_is_taken_back():
    machine = started(avs=1)
    machine.on_bid(leaving(2), 0.1)
    assert the_settlement(machine.on_bid(bid(2), 0.2)).av_ids == (1,)


def test_the_game_ends_after_the_last_round_with_a_receipt():
    machine = started(avs=1, rounds=2)
    goodbye, account = machine.on_bid(bid(2), 0.1)
    assert account.round == 2
    assert (goodbye.closing, goodbye.round, goodbye.settled_round) == (True, 3, 2)
    assert goodbye.settled_av_ids == (1,)
    assert machine.finished
    assert machine.next_wakeup is None
    assert machine.on_timer(9.0) == []
    assert machine.status().state is PlayerState.FINISHED


def test_a_finished_leader_repeats_its_farewell_to_whoever_missed_it():
    machine = started(avs=1, rounds=1)
    goodbye = machine._offer
    assert machine.on_bid(bid(1), 0.1) == []
    assert machine.on_bid(bid(1), 0.3) == [goodbye]
    assert machine.on_bid(bid(1), 0.4) == []
    assert machine.on_bid(leaving(1), 2.0) == []
    assert machine.on_bid(None, 2.0) == []
    assert rejected(machine) == {"finished": 3, "malformed": 1}


def test_a_leader_that_joins_after_the_end_finishes():
    machine = leader(rounds=10, join_listen=0.5)
    machine.start(0.0)
    machine.on_bid(bid_elsewhere(10), 0.1)
    assert machine.on_timer(0.5) == []
    assert machine.finished
    assert machine.on_bid(bid_elsewhere(11), 9.0) == []


def test_leaving_withdraws_the_open_offer_and_settles_nothing():
    machine = started(avs=2)
    machine.on_bid(bid(2, 1), 0.1)
    (goodbye,) = machine.leave(0.2)
    assert (goodbye.closing, goodbye.round, goodbye.settled_round) == (True, 2, 1)
    assert machine.finished
    assert machine.leave(0.3) == []
    assert machine.on_bid(bid(2, 2), 0.31) == []


def test_leaving_between_two_rounds():
    machine = started(avs=1, round_period=1.0)
    (goodbye,) = machine.leave(0.2)
    assert (goodbye.round, goodbye.settled_round) == (2, 1)


def test_leaving_before_the_first_offer_is_silent():
    assert leader().leave(0.0) == []


# Paced


def test_paced_offers_keep_to_the_grid_whatever_the_rounds_take():
    machine = leader(round_period=0.1, round_timeout=1.0)
    machine.start(5.0)
    now, times = 5.0, []
    for round_, delay in enumerate([0.03, 0.099, 0.0, 0.05, 0.131, 0.02], start=1):
        (account,) = machine.on_bid(bid(round_), now + delay)
        assert account.round == round_
        now = machine.next_wakeup
        assert machine.on_timer(now - 1e-6) == []
        assert the_offer(machine.on_timer(now)).round == round_ + 1
        times.append(now)
    # The fifth round took longer than a period: its next tick is the one after.
    assert times == pytest.approx([5.1, 5.2, 5.3, 5.4, 5.6, 5.7])


def test_a_deadline_on_a_tick_offers_at_once():
    machine = started(avs=2, round_period=0.5, round_timeout=1.0)
    now = machine.next_wakeup
    machine.on_timer(now)
    machine.on_bid(bid(2, 1), now)
    offer, account = machine.on_timer(now + 1.0)
    assert (offer.round, account.missing_av_ids) == (3, (2,))


def test_a_paced_leader_joins_the_round_heard_at_its_tick():
    machine = started(avs=1, round_period=0.1)
    assert machine.status().round == 1
    machine.on_bid(bid_elsewhere(5), 0.05)
    machine.on_bid(bid_elsewhere(6), 0.06)
    machine.on_bid(bid(1), 0.07)
    assert the_offer(machine.on_timer(0.1)).round == 7


def test_a_late_bid_between_two_rounds_is_late():
    machine = started(avs=1, round_period=0.1)
    machine.on_bid(bid(1, 2), 0.05)
    assert rejected(machine) == {"late": 1}
    assert machine.status().peer_ids == (1, 2)


def test_a_paced_game_ends_without_waiting_for_the_tick():
    machine = leader(round_period=0.1, rounds=1)
    machine.start(0.0)
    goodbye, account = machine.on_bid(bid(1), 0.01)
    assert goodbye.closing
    assert account.round == 1


# The policy


def test_a_failing_policy_does_not_stop_the_game():
    def act(observation):
        if observation.round == 2:
            raise RuntimeError("no model")
        return 4.0 + observation.round

    machine = leader(Policy(act))
    machine.start(0.0)
    assert the_offer(machine.on_bid(bid(1), 0.1)).price == 5.0
    assert the_offer(machine.on_bid(bid(2), 0.2)).price == 7.0
    status = machine.status()
    assert (status.policy_errors, status.last_policy_error) == (1, "RuntimeError: no model")


def test_status_tells_who_and_what():
    status = started(avs=2).status()
    assert (status.role, status.player_id, status.session) == (Role.LEADER, RSU, RSU_SESSION)
    assert (status.policy, status.round, status.rounds_completed) == ("told", 2, 1)
    assert (status.peer_ids, status.messages_accepted) == ((1, 2), 2)
    assert (status.policy_errors, status.receipt_mismatches) == (0, 0)
