"""What one AV sees of the RSUs around it."""

from __future__ import annotations

import math

import pytest

from veaat_migration.mobility.link import LinkError
from veaat_migration.mobility.surroundings import Surroundings
from veaat_migration.mobility.traffic import TraceError

SITES = [[0.0, 0.0], [400.0, 0.0], [0.0, 5000.0]]


def around(**options: float) -> Surroundings:
    return Surroundings([1, 2, 7], SITES, 250.0, **options)


def test_an_av_sees_who_covers_it_and_who_will():
    view = around().look([100.0, 0.0], [10.0, 0.0])
    assert view.connected == 1
    assert view.covered == {1}
    assert view.exit_time[1] == pytest.approx(15.0)
    assert view.entry_time[2] == pytest.approx(5.0)
    assert view.entry_time[7] == math.inf
    assert view.efficiency[1] > view.efficiency[2] > view.efficiency[7] > 0.0


def test_it_leaves_when_its_way_ends_in_time():
    view = around().look([100.0, 0.0], [10.0, 0.0])
    assert not view.leaves(1, 14.0)
    assert view.leaves(1, 16.0)
    assert view.leaves(7, 1.0)
    assert view.leaves(99, 1.0)


def test_candidates_last_longer_than_the_owner():
    view = around().look([100.0, 0.0], [10.0, 0.0])
    assert view.candidates(1, 10.0) == (2,)
    assert view.candidates(1, 4.0) == ()
    assert view.candidates(2, 10.0) == (1,)  # the owner does not cover it now
    back = around().look([180.0, 0.0], [-10.0, 0.0])
    assert back.candidates(1, 10.0) == ()
    assert back.candidates(0, 10.0) == (1, 2)


def test_hysteresis_holds_an_av_that_drives_along_the_edge():
    seen = around(hysteresis=25.0)
    assert seen.look([240.0, -200.0], [0.0, 0.0]).connected == 0
    assert seen.look([-240.0, 0.0], [-10.0, 0.0]).covered == {1}
    held = seen.look([-260.0, 0.0], [-10.0, 0.0])
    assert held.connected == 1
    assert held.leaves(1, 5.0)
    assert seen.look([-280.0, 0.0], [-10.0, 0.0]).connected == 0


def test_a_standing_av_stays():
    view = around().look([0.0, 10.0], [math.nan, math.nan])
    assert not view.leaves(1, 1e6)
    assert view.candidates(1, 10.0) == ()


def test_places_must_fit():
    with pytest.raises(TraceError, match=r"each of 2 RSUs"):
        Surroundings([1, 2], SITES, 250.0)
    with pytest.raises(LinkError, match="once"):
        Surroundings([1, 1, 2], SITES, 250.0)
