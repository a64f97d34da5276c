"""The rules of an AV, one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from veaat_migration.protocol.config import ProtocolConfigError
from veaat_migration.protocol.messages import Bid
from veaat_migration.protocol.status import PlayerState, Role

from .builders import (
    AV,
    AV_SESSION,
    PRICE,
    RSU_SESSION,
    Policy,
    closing,
    demands,
    follower,
    offer,
)


def playing(policy=None, *, rsus: int = 2, **config):
    """A follower that has answered round 1 of ``rsus`` RSUs at t = 0."""
    machine = follower(policy, **{"min_rsus": rsus, **config})
    machine.start(0.0)
    for rsu_id in range(1, rsus + 1):
        machine.on_offer(offer(1, rsu_id), 0.0)
    return machine


def rejected(machine) -> dict[str, int]:
    return dict(machine.status().rejections)


# A round


def test_the_last_offer_is_answered_with_one_bid_for_all():
    machine = follower(Policy(lambda o: 10.0 / o.prices), min_rsus=2)
    assert machine.start(0.0) == []
    assert machine.next_wakeup is None
    assert machine.on_offer(offer(1, 2, price=4.0, quality=1.2, session=900), 0.1) == []
    assert machine.on_offer(offer(1, 1), 0.2) == [
        Bid(
            session=AV_SESSION,
            round=1,
            av_id=AV,
            rsu_ids=(1, 2),
            sessions=(RSU_SESSION, 900),
            prices=(PRICE, 4.0),
            qualities=(1.0, 1.2),
            bandwidth=(2.0, 2.5),
        )
    ]


def test_the_policy_observes_this_rounds_offers_and_the_last_demand():
    policy = demands()
    machine = playing(policy)
    receipt = {"settled_round": 1, "settled_av_ids": (1, 4), "settled_bandwidth": (2.0, 6.0)}
    machine.on_offer(offer(2, 1, price=6.0, **receipt), 0.1)
    machine.on_offer(offer(2, 2, price=7.0), 0.1)
    seen = policy.observed[-1]
    assert (seen.round, seen.rsu_ids, seen.other_av_ids) == (2, (1, 2), (4,))
    np.testing.assert_array_equal(seen.prices, [6.0, 7.0])
    np.testing.assert_array_equal(seen.other_demand, [[6.0, 0.0]])


def test_no_bid_before_min_rsus_were_heard():
    machine = follower(min_rsus=2)
    machine.start(0.0)
    assert machine.on_offer(offer(1, 1), 0.0) == []
    assert machine.next_wakeup is None
    assert machine.on_timer(60.0) == []
    assert machine.status().state is PlayerState.WAITING
    (bid,) = machine.on_offer(offer(1, 2), 61.0)
    assert bid.rsu_ids == (1, 2)
    assert machine.status().state is PlayerState.PLAYING


def test_an_expected_offer_is_given_up_after_the_timeout():
    machine = playing(offer_timeout=0.5)
    assert machine.on_offer(offer(2, 1), 1.0) == []
    assert machine.next_wakeup == pytest.approx(1.25)  # repeats its bid for round 1
    assert machine.on_timer(1.25)[0].round == 1
    assert machine.next_wakeup == pytest.approx(1.5)
    (bid,) = machine.on_timer(1.5)
    assert (bid.round, bid.rsu_ids) == (2, (1,))
    status = machine.status()
    assert (status.deadline_misses, status.peer_ids) == (1, (1, 2))


def test_an_rsu_that_misses_twice_is_no_longer_waited_for_until_it_speaks():
    machine = playing(offer_timeout=0.5)
    machine.on_offer(offer(2, 1), 1.0)
    machine.on_timer(1.5)
    machine.on_offer(offer(3, 1), 2.0)
    machine.on_timer(2.5)
    assert machine.status().peer_ids == (1,)
    assert machine.on_offer(offer(4, 1), 3.0)[0].rsu_ids == (1,)
    # A late offer shows that it lives.
    assert machine.on_offer(offer(4, 2), 3.1) == []
    assert machine.on_offer(offer(5, 1), 3.2) == []
    assert machine.on_offer(offer(5, 2), 3.3)[0].rsu_ids == (1, 2)


def test_misses_count_only_in_a_row():
    machine = playing(offer_timeout=0.5)
    for round_ in range(2, 10, 2):
        machine.on_offer(offer(round_, 1), round_)
        assert machine.on_timer(round_ + 0.5)[0].rsu_ids == (1,)
        assert machine.status().peer_ids == (1, 2)
        machine.on_offer(offer(round_ + 1, 2), round_ + 0.6)
        assert machine.on_offer(offer(round_ + 1, 1), round_ + 0.7)[0].rsu_ids == (1, 2)


def test_the_deadline_runs_from_the_first_offer_however_far_the_others_go():
    machine = playing(rsus=3, offer_timeout=0.5)
    machine.on_offer(offer(2, 1), 1.0)
    machine.on_offer(offer(4, 1), 1.2)
    machine.on_offer(offer(6, 1), 1.4)
    (bid,) = machine.on_timer(1.5)
    assert (bid.round, bid.rsu_ids) == (6, (1,))


def test_a_late_wakeup_still_answers():
    machine = playing()
    machine.on_offer(offer(2, 1), 1.0)
    (bid,) = machine.on_offer(offer(2, 3), 7.0)
    assert bid.rsu_ids == (1, 3)


def test_the_bid_is_repeated_while_nothing_moves():
    machine = playing(retransmit_period=0.25)
    assert machine.next_wakeup == 0.25
    assert machine.on_timer(0.2) == []
    assert machine.on_timer(0.25) == [machine._bid]
    machine.on_offer(offer(2, 1), 0.4)
    assert machine.next_wakeup == pytest.approx(0.65)
    assert machine.status().retransmissions == 1


def test_a_timer_before_anything_happened_is_harmless():
    machine = follower()
    assert machine.on_timer(5.0) == []
    assert machine.next_wakeup is None


# Leaders in different rounds


def test_a_leader_ahead_pulls_the_follower_forward():
    machine = playing()
    assert machine.on_offer(offer(20, 2), 0.1) == []
    assert machine.on_offer(offer(2, 1), 0.1) == []
    (bid,) = machine.on_offer(offer(20, 1), 0.2)
    assert (bid.round, bid.rsu_ids) == (20, (1, 2))


def test_a_follower_that_is_pulled_forward_answers_the_round_it_leaves():
    machine = playing(rsus=3)
    machine.on_offer(offer(2, 1), 0.1)
    (bid,) = machine.on_offer(offer(3, 2), 0.2)
    assert (bid.round, bid.rsu_ids) == (2, (1,))
    # RSU 3 is given a full timeout for round 3.
    assert machine.on_offer(offer(3, 1), 0.3) == []
    (bid,) = machine.on_timer(0.7)
    assert (bid.round, bid.rsu_ids) == (3, (1, 2))


def test_one_message_may_answer_two_rounds():
    machine = playing(rsus=2)
    machine.on_offer(offer(2, 1), 0.1)
    first = machine.on_offer(offer(3, 2), 0.2)
    second = machine.on_offer(offer(3, 1), 0.3)
    assert [b.round for b in (*first, *second)] == [2, 3]


def test_an_rsu_far_behind_does_not_hold_the_round_back():
    machine = playing(rsus=3)
    machine.on_offer(offer(9, 1), 0.1)
    machine.on_offer(offer(9, 2), 0.1)
    machine.on_offer(offer(2, 3), 0.1)
    (bid,) = machine.on_timer(0.6)
    assert (bid.round, bid.rsu_ids) == (9, (1, 2))


def test_a_new_follower_joins_the_running_round():
    machine = follower()
    machine.start(0.0)
    assert machine.on_offer(offer(70_000, 1), 0.0)[0].round == 70_000


# Rejections


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (offer(3, 1, price=math.nan), "not_finite"),
        (offer(3, 1, price=0.0), "out_of_range"),
        (offer(3, 1, price=30.1), "out_of_range"),
        (offer(3, 1, settled_av_ids=(1,)), "malformed"),
        (None, "malformed"),
        (offer(3, 77), "unknown_id"),
        (offer(3, 1, session=RSU_SESSION - 1), "stale_session"),
        (offer(2, 1), "duplicate"),
        (offer(2, 1, price=9.0), "conflicting_duplicate"),
        (offer(1, 1), "stale_round"),
        (offer(2, 3), "late"),
        (offer(1, 3), "stale_round"),
        (offer(2 + 65, 1), "future_round"),
        (closing(2 + 65, 1), "future_round"),
        (closing(1, 1), "stale_round"),
    ],
)
def test_every_rejection_is_counted_and_answers_nothing(message, reason):
    machine = playing(peer_ids=(1, 2, 3), price_max=30.0)
    machine.on_offer(offer(2, 1), 0.1)
    machine.on_offer(offer(2, 2), 0.1)
    before = machine.status()
    assert before.round == 2
    assert machine.on_offer(message, 0.2) in ([], [machine._bid])
    after = machine.status()
    assert after.rejections == {reason: 1}
    assert after.messages_accepted == before.messages_accepted
    assert after.round == before.round


def test_a_lead_is_measured_from_the_round_in_progress():
    machine = playing(max_round_lead=64)
    machine.on_offer(offer(2 + 60, 1), 0.1)
    machine.on_offer(offer(2 + 120, 2), 0.1)
    assert rejected(machine) == {}


def test_one_offer_far_ahead_changes_nothing_but_an_insisting_rsu_is_believed():
    machine = playing(resync_period=1.0)
    machine.on_offer(offer(10**6, 2), 0.0)
    assert machine.on_offer(offer(5000, 2), 0.1) == []
    assert machine.on_offer(offer(5060, 2), 1.0) == []
    assert rejected(machine) == {"future_round": 3}
    assert machine.on_offer(offer(5120, 2), 1.2) == []
    (bid,) = machine.on_offer(offer(5120, 1), 1.3)
    assert (bid.round, bid.rsu_ids) == (5120, (1, 2))


def test_a_normal_offer_ends_insisting():
    machine = playing(resync_period=1.0, rsus=1)
    machine.on_offer(offer(5000), 0.1)
    machine.on_offer(offer(2), 0.6)
    machine.on_offer(offer(5000), 1.2)
    assert machine.status().round == 2
    assert rejected(machine) == {"future_round": 2}


def test_a_restarted_rsu_is_a_new_life():
    machine = playing()
    assert machine.on_offer(offer(1, 2, session=RSU_SESSION + 1), 0.1) == []
    assert rejected(machine) == {"late": 1}
    machine.on_offer(offer(2, 2), 0.2)
    assert rejected(machine) == {"late": 1, "stale_session": 1}
    machine.on_offer(offer(2, 1), 0.3)
    (bid,) = machine.on_offer(offer(2, 2, session=RSU_SESSION + 1), 0.4)
    assert bid.sessions == (RSU_SESSION, RSU_SESSION + 1)


def test_a_corrupt_session_locks_no_rsu_out_for_ever():
    machine = playing(rsus=1, resync_period=1.0)
    machine.on_offer(offer(1, 1, session=2**64 - 1), 0.0)
    machine.on_offer(offer(2), 0.1)
    machine.on_offer(offer(2), 0.6)
    assert machine.on_offer(offer(2), 1.1)[0].round == 2
    assert rejected(machine) == {"late": 1, "stale_session": 2}


def test_the_present_life_silences_an_older_one_that_insists():
    machine = playing(rsus=1, resync_period=1.0)
    for k in range(1, 20):
        machine.on_offer(offer(1 + k, session=RSU_SESSION - 1), 0.4 * k)
        assert machine.on_offer(offer(1 + k), 0.4 * k + 0.1)[0].sessions == (RSU_SESSION,)
    assert rejected(machine) == {"stale_session": 19}


def test_a_follower_misled_by_a_corrupt_round_begins_again_in_a_new_session():
    machine = follower(resync_period=1.0)
    machine.start(0.0)
    assert machine.on_offer(offer(10**9, 2), 0.0)[0].round == 10**9
    for k in range(6):
        assert machine.on_offer(offer(20 + k, 1, settled_round=19), 0.1 + 0.2 * k) == []
    assert machine.session == AV_SESSION + 1
    assert machine.next_wakeup is None  # the old bid is not repeated
    assert machine.status().peer_ids == ()
    bids = []
    for k in range(6, 8):
        bids += machine.on_offer(offer(20 + k, 1), 0.1 + 0.2 * k)
    assert [b.session for b in bids] == [AV_SESSION + 1] * 2
    assert [b.round for b in bids] == [26, 27]


def test_a_single_old_offer_after_a_long_silence_changes_nothing():
    machine = playing(rsus=1, resync_period=1.0)
    machine.on_offer(offer(5), 0.1)
    machine.on_offer(offer(2, 2), 60.0)
    machine.on_offer(offer(3, 2), 60.9)
    assert machine.session == AV_SESSION
    machine.on_offer(offer(6), 61.5)
    machine.on_offer(offer(4, 2), 62.0)
    assert machine.session == AV_SESSION


def test_an_rsu_without_history_is_told_the_round_at_once():
    machine = playing(rsus=1)
    (bid,) = machine.on_offer(offer(5), 0.1)
    assert machine.on_offer(offer(1, 2), 0.11) == [bid]
    assert machine.on_offer(offer(1, 2), 0.12) == [bid]
    assert machine.on_offer(offer(3, 2, settled_round=2), 0.13) == []
    assert machine.on_offer(offer(6, 1), 0.14) == []
    assert machine.on_offer(closing(6, 2), 0.15)[0].round == 6
    assert machine.status().retransmissions == 2


def test_an_rsu_that_still_waits_in_our_round_shows_that_we_are_in_sync():
    machine = follower(resync_period=1.0)
    machine.on_offer(offer(30, 1), 0.0)
    for k in range(1, 30):
        machine.on_offer(offer(30, 1), 0.2 * k)  # waits for another AV
        machine.on_offer(offer(k, 2), 0.2 * k)  # begins from 1, has not heard us yet
    assert machine.session == AV_SESSION
    assert rejected(machine) == {"duplicate": 29, "stale_round": 29}


def test_an_rsu_behind_does_not_unsettle_a_follower_that_others_keep_busy():
    machine = playing(rsus=1, resync_period=1.0, offer_timeout=0.1)
    for k in range(1, 30):
        machine.on_offer(offer(1, 2, session=900 + k), 0.3 * k)
        machine.on_offer(offer(1 + k, 1), 0.3 * k)
        machine.on_timer(0.3 * k + 0.1)
        assert machine.status().round == 1 + k
    assert machine.session == AV_SESSION


# Closing, leaving


def test_a_closing_rsu_is_not_waited_for():
    machine = playing()
    machine.on_offer(offer(2, 1), 0.1)
    (bid,) = machine.on_offer(closing(2, 2), 0.2)
    assert (bid.round, bid.rsu_ids) == (2, (1,))
    assert machine.status().peer_ids == (1,)


def test_an_offer_withdrawn_in_its_round_is_not_answered():
    machine = playing()
    machine.on_offer(offer(2, 1), 0.1)
    assert machine.on_offer(closing(2, 1), 0.2) == []
    (bid,) = machine.on_offer(offer(2, 2), 0.3)
    assert bid.rsu_ids == (2,)


def test_a_corrupt_farewell_is_taken_back_by_the_offer_itself():
    machine = playing(rsus=1, finish_when_closed=False)
    machine.on_offer(closing(2), 0.1)
    machine.on_offer(closing(2), 0.1)
    assert rejected(machine) == {"duplicate": 1}
    assert machine.on_offer(offer(2), 0.2)[0].round == 2


def test_the_game_ends_when_the_last_rsu_closes():
    machine = playing()
    assert machine.on_offer(closing(2, 1), 0.1) == []
    (goodbye,) = machine.on_offer(closing(2, 2), 0.2)
    assert goodbye == Bid(session=AV_SESSION, round=1, av_id=AV, leaving=True)
    assert machine.finished
    assert machine.next_wakeup is None
    assert machine.on_timer(9.0) == []
    assert machine.on_offer(offer(3), 9.0) == []
    assert machine.on_offer(closing(3), 9.0) == []
    assert rejected(machine) == {"finished": 1}
    assert machine.status().state is PlayerState.FINISHED


def test_the_farewell_of_a_stranger_does_not_end_the_game():
    machine = follower()
    machine.start(0.0)
    assert machine.on_offer(closing(9, 2), 0.1) == []
    assert not machine.finished
    assert machine.on_offer(offer(9, 1), 0.2)[0].round == 9


def test_a_vehicle_drives_on_when_told_so():
    machine = playing(rsus=1, finish_when_closed=False)
    assert machine.on_offer(closing(2), 0.1) == []
    assert not machine.finished
    assert machine.status().state is PlayerState.WAITING
    assert machine.on_offer(offer(2, 7), 60.0)[0].rsu_ids == (7,)


def test_leaving_says_goodbye_once():
    machine = playing()
    assert machine.leave(0.5) == [Bid(session=AV_SESSION, round=1, av_id=AV, leaving=True)]
    assert machine.finished
    assert machine.leave(0.6) == []


def test_leaving_before_the_first_bid_is_silent():
    assert follower().leave(0.0) == []


# The policy and the receipts


def test_a_failing_policy_buys_nothing_and_the_game_goes_on():
    machine = playing(Policy(lambda _: math.nan))
    machine.on_offer(offer(2, 1), 0.1)
    (bid,) = machine.on_offer(offer(2, 2), 0.1)
    assert bid.bandwidth == (0.0, 0.0)
    status = machine.status()
    assert status.policy_errors == 2
    assert status.last_policy_error.startswith("ValueError: demand has shape")


def test_demand_is_kept_below_the_maximum():
    machine = follower(demands(99.0))
    machine.start(0.0)
    assert machine.on_offer(offer(), 0.0)[0].bandwidth == (10.0,)


def test_receipts_that_contradict_the_bids_are_counted():
    machine = playing(rsus=1, max_round_lead=1)
    machine.on_offer(offer(2), 0.1)
    wrong = {"settled_round": 2, "settled_av_ids": (1,), "settled_bandwidth": (2.5,)}
    machine.on_offer(offer(3, **wrong), 0.2)
    assert machine.status().receipt_mismatches == 1
    right = {"settled_round": 3, "settled_av_ids": (1,), "settled_bandwidth": (2.0,)}
    machine.on_offer(offer(4, **right), 0.3)
    assert machine.status().receipt_mismatches == 1


def test_status_tells_who_and_what():
    status = playing().status()
    assert (status.role, status.player_id, status.session) == (Role.FOLLOWER, AV, AV_SESSION)
    assert (status.policy, status.round, status.rounds_completed) == ("told", 1, 1)
    assert (status.peer_ids, status.messages_accepted) == ((1, 2), 2)


def test_a_bad_session_is_refused():
    with pytest.raises(ProtocolConfigError):
        follower(session=-1)


# Rehearsals


def test_an_answer_is_rehearsed_only_while_offers_are_awaited_and_leaves_no_trace():
    class Rehearsing(Policy):
        rehearsals = 0

        def rehearse(self) -> None:
            self.rehearsals += 1

    policy = Rehearsing(lambda o: 10.0 / o.prices)
    machine, other = playing(policy), playing(Policy(lambda o: 10.0 / o.prices))
    machine.rehearse()
    assert policy.rehearsals == 0, "no round is open"
    for either in (machine, other):
        either.on_offer(offer(2, 1, price=6.0), 0.1)
    machine.rehearse()
    machine.rehearse()
    assert policy.rehearsals == 1, "once a round"
    last = offer(2, 2, price=7.0)
    assert machine.on_offer(last, 0.2) == other.on_offer(last, 0.2)
    assert machine.status().rounds_completed == other.status().rounds_completed
    machine.leave(0.3)
    machine.rehearse()
    assert policy.rehearsals == 1


def test_a_policy_that_has_no_rehearsal_is_left_alone():
    machine = playing()
    machine.on_offer(offer(2, 1), 0.1)
    machine.rehearse()
    assert machine.on_offer(offer(2, 2), 0.2)
