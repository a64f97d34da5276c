"""Traffic, coverage, links and prediction together."""

import numpy as np
import pytest

from veaat_migration.game.delay import (
    Channel,
    channel_gain,
    signal_to_noise,
    spectral_efficiency,
)
from veaat_migration.mobility.driving import drive
from veaat_migration.mobility.fleet import Fleet
from veaat_migration.mobility.roads import grid_town
from veaat_migration.mobility.traffic import Snapshot, TraceError, Vehicle

SITES = [[0.0, 0.0], [600.0, 0.0], [0.0, 5000.0]]


def road(seconds: int = 60) -> list[Snapshot]:
    """One vehicle drives east at 20 m/s through two cells, one stands in the first."""
    return [
        Snapshot(
            float(t),
            (
                Vehicle("mover", 20.0 * t, 0.0, 20.0, 90.0),
                Vehicle("stander", 100.0, 0.0, 0.0, 0.0),
            ),
        )
        for t in range(seconds)
    ]


def test_links_are_those_of_the_game() -> None:
    view = Fleet(road(), SITES, 400.0, fading=False).at(10.0)
    assert view is not None
    distance = np.hypot(*(np.array([200.0, 0.0]) - np.array(SITES)).T)
    gain = channel_gain(distance, Channel())
    np.testing.assert_allclose(
        view.efficiency[0], spectral_efficiency(signal_to_noise(gain, Channel()))
    )


def test_fading_changes_with_the_round_only() -> None:
    fleet = Fleet(road(), SITES, 400.0, coherence=2.0)
    first, same, later = (fleet.at(time) for time in (4.0, 5.0, 6.0))
    assert first is not None
    assert same is not None
    assert later is not None
    np.testing.assert_array_equal(first.efficiency[1], same.efficiency[1])
    assert (first.efficiency[1] != later.efficiency[1]).all()


def test_who_is_about_to_leave_and_where_to() -> None:
    fleet = Fleet(road(), SITES, 400.0, handover_margin=np.inf)
    view = fleet.at(15.0)
    assert view is not None
    assert view.coverage.connected.tolist() == [0, 0]
    assert view.exit_time[:, 0].tolist() == [5.0, np.inf]
    assert view.leaving_within(5.0).tolist() == [True, False]
    assert view.leaving_within(4.9).tolist() == [False, False]
    assert view.candidates(10.0).tolist() == [[False, True, False], [False, False, False]]
    # Not served, so all that is reached in time is a candidate.
    lonely = Fleet([Snapshot(0.0, (Vehicle("a", -900.0, 0.0, 20.0, 90.0),))], SITES, 400.0).at(0.0)
    assert lonely is not None
    assert lonely.candidates(30.0).tolist() == [[True, False, False]]
    assert lonely.candidates(24.9).tolist() == [[False, False, False]]
    assert lonely.leaving_within(1e9).tolist() == [False]


def test_an_rsu_that_is_left_sooner_is_no_candidate() -> None:
    vehicle = Vehicle("a", 0.0, 0.0, 10.0, 90.0)
    view = Fleet([Snapshot(0.0, (vehicle,))], [[0.0, 0.0], [-150.0, 0.0]], 300.0).at(0.0)
    assert view is not None
    assert view.coverage.connected.tolist() == [0]
    assert view.coverage.covered.tolist() == [[True, True]]
    assert view.candidates(60.0).tolist() == [[False, False]]


def test_predicted_exits_come_true_on_a_straight_road() -> None:
    fleet = Fleet(road(), SITES, 400.0, hysteresis=0.0, handover_margin=np.inf)
    predicted = None
    for view in fleet.every(1.0):
        if view.scene.time == 3.0:
            predicted = 3.0 + view.exit_time[0, 0]
        for change in view.coverage.changes:
            if change.vehicle == "mover" and change.before == 0:
                assert predicted is not None
                assert predicted == pytest.approx(change.time - 1.0, abs=1.0)
                return
    pytest.fail("the mover never left")


def test_a_driven_town_gives_the_same_views_again_and_finer_steps() -> None:
    def views(interval: float) -> list[tuple[float, tuple[str, ...], float]]:
        generator = np.random.default_rng(3)
        town = grid_town(4, 3, 200.0, generator)
        fleet = Fleet(drive(town, 30, 20.0, generator), [[300.0, 300.0]], 300.0, seed=5)
        return [
            (view.scene.time, view.scene.ids, float(view.efficiency.sum()))
            for view in fleet.every(interval)
        ]

    assert views(1.0) == views(1.0)
    assert len(views(1.0)) == 21
    assert len(views(0.25)) == 81


def test_bad_rsus_are_named() -> None:
    with pytest.raises(TraceError, match="at least one RSU"):
        Fleet(road(), [], 400.0)
