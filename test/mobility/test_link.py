"""Links from positions are those that a scenario with the same places has."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.game.delay import Channel
from veaat_migration.mobility.link import LinkError, LinkModel
from veaat_migration.scenario.build import links
from veaat_migration.scenario.load import load_scenario

ROOT = Path(__file__).resolve().parents[2]
SITES = [[0.0, 0.0], [300.0, 400.0]]

coordinates = st.floats(-1e6, 1e6)


def test_links_are_those_of_the_scenario():
    scenario = load_scenario(ROOT / "config" / "base.yaml")
    expected = links(scenario)
    model = LinkModel(
        range(1, 3),
        [rsu.position for rsu in scenario.rsus],
        coverage_radius=scenario.coverage_radius,
    )

    for i, av in enumerate(scenario.avs):
        assert av.position is not None
        found = model.at(av.position)
        assert found.distance == pytest.approx(expected.distance[i])
        assert found.spectral_efficiency == pytest.approx(expected.spectral_efficiency[i])
        assert (found.covered == (expected.distance[i] <= scenario.coverage_radius)).all()


def test_the_numbers_of_the_literature():
    """500 m: 36.7 dB, 12.2 bit/s/Hz."""
    found = LinkModel([7], [[0.0, 500.0]]).at([0.0, 0.0])

    assert found.rsu_ids == (7,)
    assert found.spectral_efficiency[0] == pytest.approx(12.2, abs=0.05)


@given(coordinates, coordinates)
def test_nearer_is_better_everywhere(x: float, y: float):
    found = LinkModel([1, 2], SITES).at([x, y])

    near, far = np.argsort(found.distance)
    assert found.spectral_efficiency[near] >= found.spectral_efficiency[far]
    assert np.isfinite(found.spectral_efficiency).all()
    assert (found.spectral_efficiency > 0.0).all()


def test_coverage_says_which_links_are_usable():
    model = LinkModel([3, 4], SITES, coverage_radius=500.0)

    assert list(model.at([0.0, 0.0]).usable()) == [3, 4]
    assert list(model.at([-0.1, 0.0]).usable()) == [3]
    assert list(model.at([299.0, 401.0]).usable()) == [4]
    assert model.at([5000.0, 0.0]).usable() == {}


def test_no_link_is_shorter_than_the_least():
    model = LinkModel([1], [[0.0, 0.0]], min_distance=2.0)

    assert model.at([0.0, 0.0]).spectral_efficiency == model.at([2.0, 0.0]).spectral_efficiency
    assert model.at([0.0, 0.0]).distance == 0.0


def test_heights_count_where_both_are_known():
    flat, high = LinkModel([1], [[3.0, 0.0]]), LinkModel([1], [[3.0, 0.0, 5.0]])

    assert flat.at([0.0, 4.0, 100.0]).distance == 5.0
    assert high.at([0.0, 4.0]).distance == 5.0
    assert high.at([0.0, 0.0, 1.0]).distance == 5.0


def test_the_channel_matters():
    weak = replace(Channel(), transmit_power=3.0)

    strong_link, weak_link = (LinkModel([1], [[500.0, 0.0]], channel=c) for c in (None, weak))

    difference = (
        strong_link.at([0, 0]).spectral_efficiency - weak_link.at([0, 0]).spectral_efficiency
    )
    assert difference == pytest.approx(20 / 10 * math.log2(10), rel=1e-2)


def test_there_may_be_no_rsu():
    found = LinkModel([], []).at([1.0, 2.0])

    assert found.usable() == {}


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1], [[0.0]]), {}, "positions"),
        (([1, 2], [[0.0, 0.0]]), {}, "2 RSUs"),
        (([1], [0.0, 0.0]), {}, "positions"),
        (([1], [[math.nan, 0.0]]), {}, "finite"),
        (([1, 1], SITES), {}, "once"),
        (([1, 2], SITES), {"coverage_radius": 0.0}, "coverage_radius"),
        (([1, 2], SITES), {"min_distance": math.nan}, "min_distance"),
    ],
)
def test_places_without_meaning_are_refused(arguments: tuple, options: dict, message: str):
    with pytest.raises(LinkError, match=message):
        LinkModel(*arguments, **options)


@pytest.mark.parametrize("position", [[1.0], [math.inf, 0.0], [0.0, math.nan], [1, 2, 3, 4]])
def test_a_position_without_meaning_is_refused(position: list[float]):
    with pytest.raises(LinkError, match="position"):
        LinkModel([1, 2], SITES).at(position)


def test_vehicles_need_no_heavy_library_for_it():
    script = """
import sys
sys.modules.update(dict.fromkeys(["scipy", "pydantic", "yaml", "torch", "matplotlib"]))
import veaat_migration.mobility.link, veaat_migration.mobility.position_watch
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
