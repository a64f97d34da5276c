"""Coverage with hysteresis: no flicker at edges, no change without a reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.mobility.coverage import NOBODY, ChangeKind, Coverage, CoverageTracker
from veaat_migration.mobility.scene import Scene
from veaat_migration.mobility.traffic import TraceError


def scene(time: float, **places: tuple[float, float]) -> Scene:
    positions = np.array(list(places.values()), dtype=float).reshape(-1, 2)
    return Scene(time, tuple(places), positions, np.zeros_like(positions))


def drive(tracker: CoverageTracker, xs: list[float]) -> list[Coverage]:
    return [tracker.update(scene(float(k), a=(x, 0.0))) for k, x in enumerate(xs)]


def test_a_vehicle_connects_at_the_radius_and_is_lost_beyond_the_hysteresis() -> None:
    tracker = CoverageTracker([[0.0, 0.0]], 100.0, hysteresis=10.0)
    views = drive(tracker, [101.0, 100.0, 109.0, 110.5, 109.0])
    assert [int(view.connected[0]) for view in views] == [NOBODY, 0, 0, NOBODY, NOBODY]
    kinds = [change.kind for view in views for change in view.changes]
    assert kinds == [ChangeKind.CONNECTED, ChangeKind.LOST]


def test_another_rsu_takes_over_only_when_it_is_clearly_nearer() -> None:
    tracker = CoverageTracker([[0.0, 0.0], [200.0, 0.0]], 150.0, handover_margin=40.0)
    views = drive(tracker, [60.0, 101.0, 119.0, 121.0, 99.0, 81.0, 79.0])
    assert [int(view.connected[0]) for view in views] == [0, 0, 0, 1, 1, 1, 0]


def test_an_infinite_margin_hands_over_at_the_edge_only() -> None:
    tracker = CoverageTracker(
        [[0.0, 0.0], [200.0, 0.0]], 150.0, hysteresis=0.0, handover_margin=np.inf
    )
    views = drive(tracker, [0.0, 149.0, 151.0, 60.0, 49.0])
    assert [int(view.connected[0]) for view in views] == [0, 0, 1, 1, 0]


def test_each_rsu_may_have_a_radius_of_its_own() -> None:
    tracker = CoverageTracker([[0.0, 0.0], [0.0, 0.0]], [10.0, 100.0], hysteresis=0.0)
    view = tracker.update(scene(0.0, a=(50.0, 0.0)))
    assert view.covered.tolist() == [[False, True]]


def test_who_leaves_the_trace_is_gone_and_forgotten() -> None:
    tracker = CoverageTracker([[0.0, 0.0]], 100.0, hysteresis=50.0)
    tracker.update(scene(0.0, a=(90.0, 0.0), b=(500.0, 0.0)))
    (change,) = tracker.update(scene(1.0)).changes
    assert (change.vehicle, change.kind, change.before) == ("a", ChangeKind.GONE, 0)
    # It comes back as a stranger: the hysteresis does not count for it.
    assert tracker.update(scene(2.0, a=(120.0, 0.0))).connected.tolist() == [NOBODY]


def test_rows_follow_the_vehicles_when_their_order_changes() -> None:
    tracker = CoverageTracker([[0.0, 0.0]], 100.0, hysteresis=50.0)
    tracker.update(scene(0.0, a=(90.0, 0.0), b=(200.0, 0.0)))
    view = tracker.update(scene(1.0, c=(0.0, 0.0), b=(120.0, 0.0), a=(120.0, 0.0)))
    assert view.connected.tolist() == [0, NOBODY, 0]


@pytest.mark.parametrize(
    ("sites", "radius", "options", "message"),
    [
        ([], 100.0, {}, "at least one RSU"),
        ([[0.0, np.nan]], 100.0, {}, "finite"),
        ([[0.0, 0.0]], 0.0, {}, "radius: must be > 0"),
        ([[0.0, 0.0]], [1.0, 2.0], {}, "radius: must be one number or 1"),
        ([[0.0, 0.0]], 1.0, {"hysteresis": -1.0}, "hysteresis: must be >= 0"),
        ([[0.0, 0.0]], 1.0, {"handover_margin": np.nan}, "handover_margin: must be >= 0"),
    ],
)
def test_numbers_without_meaning(
    sites: list[list[float]], radius: object, options: dict[str, float], message: str
) -> None:
    with pytest.raises(TraceError, match=message):
        CoverageTracker(sites, radius, **options)


coordinates = st.floats(-400.0, 400.0)


@settings(deadline=None)
@given(
    sites=st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=4),
    path=st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=15),
    hysteresis=st.floats(0.0, 60.0),
    margin=st.floats(0.0, 100.0),
)
def test_coverage_along_any_path(
    sites: list[tuple[float, float]],
    path: list[tuple[float, float]],
    hysteresis: float,
    margin: float,
) -> None:
    tracker = CoverageTracker(sites, 150.0, hysteresis=hysteresis, handover_margin=margin)
    before = NOBODY
    was = np.zeros(len(sites), dtype=bool)
    for time, place in enumerate(path):
        view = tracker.update(scene(float(time), a=place))
        distance, now = view.distance[0], int(view.connected[0])
        expected = distance <= 150.0 + hysteresis * was
        assert view.covered[0].tolist() == expected.tolist()
        if not expected.any():
            assert now == NOBODY
        else:
            assert expected[now]
            # Nobody is kept by an RSU that another one beats by more than the margin.
            assert distance[now] <= distance[expected].min() + margin
        if before != NOBODY and now != before and now != NOBODY and expected[before]:
            assert distance[before] - distance[now] > margin
        assert len(view.changes) == (now != before)
        before, was = now, expected


@settings(deadline=None)
@given(jitter=st.lists(st.floats(-12.0, 12.0), min_size=1, max_size=40))
def test_nobody_flickers_who_moves_less_than_the_hysteresis(jitter: list[float]) -> None:
    tracker = CoverageTracker([[0.0, 0.0]], 100.0, hysteresis=25.0)
    views = drive(tracker, [100.0 + step for step in jitter])
    assert sum(len(view.changes) for view in views) <= 1
