"""Replays of runs in which twins migrate, out of bags that were made up."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veaat_migration.analysis.reading import read_bag
from veaat_migration.analysis.replay_data import NOBODY, Phase, Place, ReplayError
from veaat_migration.analysis.replay_migrations import has_migrations, replay_of_migrations
from veaat_migration.analysis.replay_page import page_text
from veaat_migration.analysis.replay_reading import (
    check_replay,
    load_replay,
    positions_of,
    step_times,
    twins_at,
)
from veaat_migration.analysis.replay_sources import MapOf
from veaat_migration.analysis.vehicle_ways import Way, read_ways
from veaat_migration.cli import main


def replay_of(run: Any, folder: Path, **options: Any) -> dict[str, Any]:
    recording = read_bag(run.write(folder / "bag"))
    assert has_migrations(recording)
    made = replay_of_migrations(recording, **options)
    check_replay(made)
    return made


def test_vehicles_drive_as_their_odometry_says(twin_run: Any, tmp_path: Path) -> None:
    made = replay_of(twin_run, tmp_path)
    times = step_times(made)
    assert times[0] == 0.0
    assert times[-1] == twin_run.seconds
    assert [vehicle["name"] for vehicle in made["vehicles"]] == ["av1", "av2", "av3"]
    for av in range(3):
        expected = [twin_run.x(av + 1, time) for time in times]
        np.testing.assert_allclose(positions_of(made, av)[:, 0], expected, atol=0.06)


def test_without_odometry_they_drive_as_their_nodes_say(twin_run: Any, tmp_path: Path) -> None:
    twin_run.odometry = False
    made = replay_of(twin_run, tmp_path)
    expected = [twin_run.x(1, time) for time in step_times(made)]
    np.testing.assert_allclose(positions_of(made, 0)[:, 0], expected, atol=0.06)


def test_twins_go_through_all_phases_and_end_at_the_target(twin_run: Any, tmp_path: Path) -> None:
    made = replay_of(twin_run, tmp_path)
    entries = made["vehicles"][0]["twin"]
    first = [entry for entry in entries if entry[0] < 6000]
    assert [entry[1] for entry in first if entry[1] != Phase.TRANSFERRING] == [
        Phase.IDLE, Phase.REQUESTED, Phase.NEGOTIATING, Phase.QUEUED, Phase.REINSTANTIATING,
        Phase.REINSTANTIATING, Phase.IDLE,
    ]  # fmt: skip
    assert first[0][2:4] == [NOBODY, NOBODY]
    transfer = [entry for entry in first if entry[1] == Phase.TRANSFERRING]
    assert [entry[2:4] for entry in transfer] == [[NOBODY, 0]] * len(transfer)
    progress = [entry[4] for entry in transfer]
    assert progress == sorted(progress)
    assert progress[0] == 0
    assert 80 <= progress[-1] < 100
    assert [entry[4] for entry in first if entry[1] == Phase.QUEUED] == [2]
    # Every second, each twin is where its AV's status had it.
    times = step_times(made)
    hosts = twins_at(made, times)
    for row, time in enumerate(times.tolist()):
        for av in range(3):
            owner = twin_run.status(av + 1, time)["owner_rsu_id"]
            assert hosts[row, av] == owner - 1, (time, av)


def test_ends_are_events_with_their_result(twin_run: Any, tmp_path: Path) -> None:
    twin_run.failing = 2
    made = replay_of(twin_run, tmp_path)
    kinds = {kind: [e for e in made["events"] if e[1] == kind] for _, kind, *_ in made["events"]}
    assert set(kinds) == {"requested", "migrated", "target_died"}
    assert len(kinds["requested"]) == 9
    assert len(kinds["migrated"]) == 8
    (failed,) = kinds["target_died"]
    assert failed[2:4] == [1, 1]
    assert failed[4] == "av2: rsu1 to rsu2 failed: target died (RSU 2 was silent); twin now at rsu1"
    assert kinds["migrated"][0][4] == "av1: home to rsu1 in 5.00 s, 6.0 MHz at 4.50, paused 0.25 s"
    assert "9 migrations: 8 completed, 1 target died" in made["description"]


def test_an_rsu_that_falls_silent_is_told(twin_run: Any, tmp_path: Path) -> None:
    twin_run.silent = 3
    made = replay_of(twin_run, tmp_path)
    (event,) = [event for event in made["events"] if event[1] == "silent"]
    assert event[3:] == [2, "rsu3 is silent"]
    assert 22_000 <= event[0] <= 25_000


def test_restarts_recoveries_and_silent_owners_are_told(twin_run: Any, tmp_path: Path) -> None:
    recording = read_bag(twin_run.write(tmp_path / "bag"))
    mine = [r.message for r in recording.messages["twin_status"] if r.message.av_id == 1]
    for message in mine[50:54]:
        message.standing = 1
    for message in mine[54:]:
        message.recoveries = 1
    for message in mine[70:]:
        message.session = 8
        message.recoveries = 0
    for received in recording.messages["host_status"][60:]:
        if received.message.rsu_id == 2:
            received.message.session = 6
    events = replay_of_migrations(recording)["events"]
    assert [event[4] for event in events if event[1] in ("owner", "recovered", "restarted")] == [
        "av1: rsu1, which owns its twin, is silent",
        "av1: an older copy of its twin at rsu1 took over",
        "av1: rsu1 answers for its twin",
        "av1 has started anew",
        "rsu2 has started anew",
    ]


def test_charts_show_prices_age_downtime_and_load(twin_run: Any, tmp_path: Path) -> None:
    made = replay_of(twin_run, tmp_path)
    charts = {chart["title"]: chart for chart in made["charts"]}
    assert list(charts) == [
        "Price", "Age of twin", "Downtime so far", "Bandwidth sold", "Earned per round", "Twins",
        "Other jobs waiting", "Reputation",
    ]  # fmt: skip
    assert [line["name"] for line in charts["Age of twin"]["lines"]] == ["av1", "av2", "av3"]
    assert max(charts["Age of twin"]["lines"][0]["values"]) == 0.35
    downtime = charts["Downtime so far"]["lines"][1]["values"]
    assert downtime == sorted(downtime)
    assert downtime[-1] == pytest.approx(0.4)
    twins = charts["Twins"]["lines"]
    assert [line["rsu"] for line in twins] == [0, 1, 2]
    assert max(twins[0]["values"]) >= 2.0
    assert charts["Bandwidth sold"]["lines"][0]["values"] == [4.5]


def test_many_avs_have_statistics_and_a_small_page(twin_run: Any, tmp_path: Path) -> None:
    twin_run.avs, twin_run.rate, twin_run.seconds = 20, 1.0, 20.0
    made = replay_of(twin_run, tmp_path)
    charts = {chart["title"]: chart for chart in made["charts"]}
    names = [line["name"] for line in charts["Age of twin"]["lines"]]
    assert names == ["largest", "95 %", "median"]
    (total,) = charts["Downtime so far"]["lines"]
    assert total["values"][-1] == pytest.approx(20 * 0.2)
    assert len(page_text(made).encode()) < 300_000


def test_downtime_goes_on_after_a_restart(twin_run: Any, tmp_path: Path) -> None:
    recording = read_bag(twin_run.write(tmp_path / "bag"))
    for received in recording.messages["twin_status"]:
        if received.message.av_id == 1 and received.message.downtime > 0.2:
            received.message.session = 9
            received.message.downtime -= 0.2
    charts = replay_of_migrations(recording)["charts"]
    (chart,) = [chart for chart in charts if chart["title"] == "Downtime so far"]
    assert chart["lines"][0]["values"][-1] == pytest.approx(0.4)


def test_names_and_places_come_from_the_scenario_where_nobody_tells_them(
    twin_run: Any, tmp_path: Path
) -> None:
    twin_run.places = False
    site = MapOf(
        tuple(Place(name, x, 5.0, 90.0) for name, x in (("a", 0.0), ("b", 9.0), ("c", 1.0))),
        (((0.0, 0.0), (9.0, 0.0)),),
        (("Anna", 0.0, 0.0), ("Bert", 0.0, 0.0), ("Carl", 0.0, 0.0)),
    )
    made = replay_of(twin_run, tmp_path, site=site)
    assert [(rsu["name"], rsu["x"], rsu["radius"]) for rsu in made["rsus"]] == [
        ("a", 0.0, 90.0), ("b", 9.0, 90.0), ("c", 1.0, 90.0),
    ]  # fmt: skip
    assert [vehicle["name"] for vehicle in made["vehicles"]] == ["Anna", "Bert", "Carl"]
    assert len(made["roads"]) == 1


def test_an_av_that_was_away_is_not_drawn_meanwhile(twin_run: Any, tmp_path: Path) -> None:
    twin_run.odometry = False
    recording = read_bag(twin_run.write(tmp_path / "bag"))
    recording.messages["twin_status"] = [
        received
        for received in recording.messages["twin_status"]
        if not (received.message.av_id == 2 and 100.0 < received.message.x < 300.0)
    ]
    places = positions_of(replay_of_migrations(recording), 1)
    assert np.isnan(places).any()
    assert not ((places[:, 0] > 100.5) & (places[:, 0] < 299.5)).any()


def test_numbers_without_sense_do_no_harm(twin_run: Any, tmp_path: Path) -> None:
    recording = read_bag(twin_run.write(tmp_path / "bag"))
    statuses = [received.message for received in recording.messages["twin_status"]]
    statuses[5].phase = 77
    statuses[6].x = math.inf
    statuses[7].age_max = math.nan
    statuses[8].bytes_total, statuses[8].bytes_done, statuses[8].phase = 1, 2**63, 3
    statuses[9].target_rsu_id = 4_000_000_000
    recording.messages["migration_reports"][0].message.error = 99
    check_replay(replay_of_migrations(recording))


def test_a_recording_without_places_is_refused(twin_run: Any, tmp_path: Path) -> None:
    twin_run.odometry = False
    recording = read_bag(twin_run.write(tmp_path / "bag"))
    for received in recording.messages["twin_status"]:
        received.message.x = math.nan
    with pytest.raises(ReplayError, match="nobody says where an AV is"):
        replay_of_migrations(recording)
    recording.messages["twin_status"] = []
    with pytest.raises(ReplayError, match="no twin_status"):
        replay_of_migrations(recording)


def test_a_recording_over_days_asks_for_longer_steps(twin_run: Any, tmp_path: Path) -> None:
    twin_run.seconds = 2.0
    recording = read_bag(twin_run.write(tmp_path / "bag"))
    last = recording.messages["twin_status"][-1]
    later = dataclasses.replace(last, receive_time=last.receive_time + 3 * 86_400 * 10**9)
    recording.messages["twin_status"].append(later)
    with pytest.raises(ReplayError, match="longer --step"):
        replay_of_migrations(recording)


def test_the_command(twin_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    twin_run.write(run / "bag")
    page, png, data = tmp_path / "p.html", tmp_path / "p.png", tmp_path / "p.json.gz"
    options = ["-o", str(page), "--png", str(png), "--json", str(data), "--step", "0.5"]
    assert main(["replay", str(run), *options]) == 0
    replay = load_replay(data)
    assert replay["title"] == "run"
    assert len(replay["times"]) == 81
    assert png.read_bytes()[:4] == b"\x89PNG"
    assert page.stat().st_size < 200_000
    assert main(["replay", str(run), "-o", str(page), "--trace", "t.xml"]) == 2
    assert "says where the AVs" in capsys.readouterr().err


def test_ways_are_thinned_and_damage_is_skipped(twin_run: Any, tmp_path: Path) -> None:
    bag = twin_run.write(tmp_path / "bag")
    assert [len(way.times) for way in read_ways(bag, "/veaat", 0.0).values()] == [161] * 3
    assert [len(way.times) for way in read_ways(bag, "/veaat", 1.0).values()] == [41] * 3
    assert read_ways(bag, "/other", 1.0) == {}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(0, 100_000), min_size=1, max_size=20, unique=True),
    st.lists(st.integers(-1000, 101_000), min_size=1, max_size=20, unique=True),
    st.integers(1, 50_000),
)
def test_a_way_is_where_its_samples_are(times: list[int], moments: list[int], gap: int) -> None:
    way = Way()
    for time in sorted(times):
        way.add(time, 2.0 * time, -time)
    places = way.at(np.array(sorted(moments), np.int64), gap)
    for moment, (x, y) in zip(sorted(moments), places.tolist(), strict=True):
        if math.isnan(x):
            assert moment not in times
        else:
            clipped = min(max(moment, min(times)), max(times))
            assert (x, y) == pytest.approx((2.0 * clipped, -clipped), abs=1e-3)
            assert min(abs(moment - time) for time in times) <= gap
