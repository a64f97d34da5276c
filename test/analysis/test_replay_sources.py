"""Replays of traces and of recorded games, their pages, pictures and the command."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from veaat_migration.analysis.reading import read_bag
from veaat_migration.analysis.replay_data import NOBODY, Phase, Place, ReplayError, ReplayRecorder
from veaat_migration.analysis.replay_page import page_text, write_page
from veaat_migration.analysis.replay_picture import draw_replay
from veaat_migration.analysis.replay_reading import check_replay, load_replay, positions_of
from veaat_migration.analysis.replay_sources import (
    MapOf,
    map_of_scenario,
    replay_of_game,
    replay_of_trace,
    scenario_of_run,
)
from veaat_migration.cli import main
from veaat_migration.mobility.fcd import write_fcd
from veaat_migration.mobility.traffic import Snapshot, Vehicle

ROOT = Path(__file__).resolve().parents[2]
SITE = MapOf((Place("west", 0.0, 0.0, 300.0), Place("east", 500.0, 0.0, 300.0)))


def road(seconds: int = 50) -> list[Snapshot]:
    """One vehicle drives from the west through both coverages and beyond, one comes and goes."""
    return [
        Snapshot(
            float(t),
            (
                Vehicle("mover", -200.0 + 25.0 * t, 0.0, 25.0, 90.0, "e_0", 25.0 * t),
                *((Vehicle("guest", 10.0, 10.0, 0.0, 0.0),) if 5 <= t < 10 else ()),
            ),
        )
        for t in range(seconds)
    ]


def test_a_trace_becomes_coverage_and_hand_overs() -> None:
    made = replay_of_trace(road(), SITE, title="road")
    check_replay(made)
    mover, guest = made["vehicles"]
    assert [entry[1:] for entry in mover["twin"]] == [
        [Phase.CONNECTED, 0, NOBODY],
        [Phase.CONNECTED, 1, NOBODY],
    ]
    assert [entry[2] for entry in guest["twin"]] == [0, NOBODY]
    assert [event[1] for event in made["events"]] == [
        "connected", "connected", "left", "handover", "lost",
    ]  # fmt: skip
    assert made["charts"][0]["title"] == "Vehicles served"


def test_a_vehicle_without_coverage_leaves_no_twin_behind_when_it_is_gone() -> None:
    steps = [*road(45), Snapshot(45.0, ()), Snapshot(46.0, ())]
    mover = replay_of_trace(steps, SITE, title="road")["vehicles"][0]
    assert mover["twin"][-1] == [45_000, Phase.IDLE, NOBODY, NOBODY]


def test_a_recorded_game_becomes_prices_over_time(game: object, tmp_path: Path) -> None:
    recording = read_bag(game.write(tmp_path / "bag"))  # type: ignore[attr-defined]
    made = replay_of_game(recording, map_of_scenario(ROOT / "config/base.yaml"))
    check_replay(made)
    price, bandwidth, earned = made["charts"]
    assert (price["title"], price["unit"]) == ("Price", "money/MHz")
    assert [line["name"] for line in price["lines"]] == ["rsu1", "rsu2"]
    assert price["lines"][0]["values"][-1] == pytest.approx(4.3586, rel=1e-3)
    assert sum(price["lines"][0]["times"]) == pytest.approx(390, abs=11)
    assert bandwidth["lines"][0]["values"][-1] == pytest.approx(15.974, rel=1e-3)
    assert len(earned["lines"]) == 2
    assert [vehicle["name"] for vehicle in made["vehicles"]] == ["av1", "av2", "av3"]
    assert {event[1] for event in made["events"]} == {"player"}


def test_a_game_without_places_stands_on_circles(game: object, tmp_path: Path) -> None:
    recording = read_bag(game.write(tmp_path / "bag"))  # type: ignore[attr-defined]
    made = replay_of_game(recording)
    check_replay(made)
    assert "not known" in made["description"]
    assert [rsu["radius"] for rsu in made["rsus"]] == [0.0, 0.0]
    assert len(made["vehicles"]) == 3


def test_rounds_without_a_bid_are_events(game: object, tmp_path: Path) -> None:
    settled = game.of("settlements")[6]  # type: ignore[attr-defined]
    settled.av_ids, settled.missing_av_ids = settled.av_ids[:2], np.array([3], np.uint32)
    for name in ("bandwidth", "matching_probability", "payment"):
        setattr(settled, name, getattr(settled, name)[:2])
    recording = read_bag(game.write(tmp_path / "bag"))  # type: ignore[attr-defined]
    events = replay_of_game(recording)["events"]
    assert [event[4] for event in events if event[1] == "missed"] == [
        f"round {settled.round}: rsu{settled.rsu_id} had no bid of av3"
    ]


def test_avs_of_a_game_drive_in_a_trace(game: object, tmp_path: Path) -> None:
    recording = read_bag(game.write(tmp_path / "bag"))  # type: ignore[attr-defined]
    traffic = [Snapshot(100.0 + t, (Vehicle("av2", 10.0 * t, 0.0),)) for t in range(3)]
    made = replay_of_game(recording, snapshots=traffic, interval=0.1)
    names = [vehicle["name"] for vehicle in made["vehicles"]]
    assert names == ["av2"]
    np.testing.assert_allclose(positions_of(made, 0)[:4, 0], [0.0, 1.0, 2.0, 3.0], atol=0.06)
    strangers = [Snapshot(0.0, (Vehicle("x", 0.0, 0.0),)), Snapshot(9.0, ())]
    with pytest.raises(ReplayError, match="none of the scenario's AVs"):
        replay_of_game(recording, snapshots=strangers)


def test_a_recording_without_settlements(game: object, tmp_path: Path) -> None:
    game.remove("settlements", lambda _: True)  # type: ignore[attr-defined]
    recording = read_bag(game.write(tmp_path / "bag"))  # type: ignore[attr-defined]
    with pytest.raises(ReplayError, match="holds no settlement"):
        replay_of_game(recording)


def test_the_scenario_of_a_run_folder_is_found(tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    plan = tmp_path / "plan.yaml"
    assert scenario_of_run(tmp_path) is None
    plan.write_text(f"scenario: {scenario}\n", encoding="utf-8")
    assert scenario_of_run(tmp_path) is None
    scenario.write_text("", encoding="utf-8")
    assert scenario_of_run(tmp_path) == scenario
    for damage in ("[", "5", "nodes: []"):
        plan.write_text(damage, encoding="utf-8")
        assert scenario_of_run(tmp_path) is None


def test_the_page_needs_nothing_else_and_texts_stay_texts(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!-- @data@ \\"
    recorder = ReplayRecorder(evil, [Place(evil, 0.0, 0.0, 1.0)], description=evil)
    recorder.step(0.0, [evil], [(0.0, 0.0)])
    recorder.event(0.0, evil, evil)
    replay = recorder.finish()
    write_page(tmp_path / "page.html", replay)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("</script>") == 2
    assert not re.search(r"(src|href)=|https?:|url\(|@import", page)
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert json.loads(data) == replay
    with pytest.raises(ReplayError, match="cannot be written"):
        write_page(tmp_path / "none" / "page.html", replay)


def test_the_page_of_300_s_and_100_vehicles_is_small() -> None:
    recorder = ReplayRecorder("large", SITE.rsus)
    generator = np.random.default_rng(1)
    places = generator.uniform(0.0, 2000.0, (100, 2))
    ids = [f"vehicle_{n}" for n in range(100)]
    for second in range(301):
        places = places + generator.normal(0.0, 10.0, (100, 2))
        recorder.step(float(second), ids, places)
        for n in range(2):
            recorder.value(float(second), "Price", f"rsu{n}", float(generator.random()))
            recorder.twin(float(second), ids[n], Phase.CONNECTED, n)
            recorder.event(float(second), "handover", "from here to there", vehicle=ids[n])
    assert len(page_text(recorder.finish()).encode()) < 1_000_000


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_pictures_are_drawn(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run.{suffix}"
    draw_replay(path, replay_of_trace(road(), SITE, title="$road"))
    assert path.stat().st_size > 5000
    with pytest.raises(ReplayError, match="cannot be written"):
        draw_replay(tmp_path / "run.xyz", replay_of_trace(road(), SITE, title="x"))


def test_the_command_with_a_trace(tmp_path: Path) -> None:
    trace, page, data = tmp_path / "t.xml.gz", tmp_path / "p.html", tmp_path / "d.json.gz"
    write_fcd(trace, road())
    options = ["--rsus", "2", "--start", "5", "--end", "40", "--json", str(data)]
    assert main(["replay", str(trace), "-o", str(page), *options]) == 0
    replay = load_replay(data)
    assert replay["times"][0] == 5000
    assert [rsu["name"] for rsu in replay["rsus"]] == ["rsu1", "rsu2"]
    assert len(replay["roads"]) == 1
    again = tmp_path / "again.html"
    assert main(["replay", str(data), "-o", str(again), "--title", "t"]) == 0
    assert again.read_bytes() == page.read_bytes()


def test_the_command_with_a_bag(game: object, tmp_path: Path) -> None:
    bag = game.write(tmp_path / "bag")  # type: ignore[attr-defined]
    png = tmp_path / "run.png"
    scenario = str(ROOT / "config/base.yaml")
    assert main(["replay", str(bag), "--png", str(png), "--scenario", scenario]) == 0
    assert png.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.xml"], "say what to write"),
        (["none.xml", "-o", "p.html"], "none.xml: no such file"),
        (["none.json", "-o", "p.html"], "none.json: no such file"),
        (["none", "-o", "p.html"], "none"),
    ],
)
def test_mistakes_end_in_one_line(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["replay", *arguments]) == 2
    assert message in capsys.readouterr().err
