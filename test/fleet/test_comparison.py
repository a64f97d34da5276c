"""Comparing policies: statistics, places, resuming, files, the command."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from veaat_migration.cli import main
from veaat_migration.fleet.books import jain
from veaat_migration.fleet.comparison import Wish, compare
from veaat_migration.fleet.errors import FleetError
from veaat_migration.fleet.metrics import METRICS
from veaat_migration.fleet.places import Excerpt, from_scenario, in_metres, placed
from veaat_migration.fleet.statistics import estimate, paired
from veaat_migration.fleet.town import Town, write_town
from veaat_migration.mobility.fcd import read_fcd, write_fcd
from veaat_migration.mobility.traffic import Snapshot, TraceError, Vehicle

TRACE = os.environ.get("VEAAT_FCD_TRACE", "")
SMALL = ("--rsus", "5", "--radius", "250", "-j", "1")


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("town") / "town.fcd.xml.gz"
    write_town(path, Town(blocks=(4, 3), vehicles=30, seconds=20.0))
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# Numbers -----------------------------------------------------------------------------------------


def test_jain_knows_equal_shares_and_one_who_has_all() -> None:
    assert jain(np.full(7, 3.0)) == pytest.approx(1.0)
    assert jain(np.array([5.0, 0.0, 0.0, -2.0])) == pytest.approx(0.25)
    assert math.isnan(jain(np.zeros(3)))


def test_intervals_cover_the_mean_about_as_often_as_they_say() -> None:
    draw = np.random.default_rng(1)
    found = [estimate(draw.normal(size=30).tolist()) for _ in range(200)]

    hits = sum(e.low <= 0.0 <= e.high for e in found)
    assert 180 <= hits <= 200
    assert estimate([2.0]).low == estimate([2.0]).high == 2.0
    assert estimate([math.nan, 1.0, 3.0]).value == 2.0
    assert estimate([]).count == 0


def test_pairs_take_out_what_seeds_have_in_common() -> None:
    seeds = np.array([10.0, 50.0, -30.0, 5.0, 70.0])
    difference = paired((seeds + 1.0).tolist(), seeds.tolist())

    assert difference.value == pytest.approx(1.0)
    assert difference.high - difference.low < 1e-9


# Cities ------------------------------------------------------------------------------------------


def steps(scale: float = 1.0, speed: float = 10.0) -> list[Snapshot]:
    return [
        Snapshot(float(t), (Vehicle("a", 11.3 + scale * 10.0 * t, 44.5, speed, 90.0),))
        for t in range(40)
    ]


def test_metres_stay_metres() -> None:
    assert list(in_metres(steps())) == steps()


def test_degrees_become_metres() -> None:
    one_metre = 1.0 / (math.radians(1.0) * 6_371_000.0 * math.cos(math.radians(44.5)))
    seen = list(in_metres(steps(one_metre)))

    assert [s.vehicles[0].x for s in seen] == pytest.approx([10.0 * t for t in range(40)])
    assert seen[5].vehicles[0].speed == 10.0


def test_who_stands_says_nothing_about_the_unit() -> None:
    assert list(in_metres(steps(0.0, 0.0))) == steps(0.0, 0.0)


def test_few_places_get_few_rsus(tmp_path: Path) -> None:
    path = tmp_path / "one.xml"
    write_fcd(path, steps(0.0, 0.0))
    site = placed(Excerpt(path), 12, 300.0)

    assert len(site.city.rsus) == 1
    assert site.vehicle_seconds == 39.0
    assert "12 do not fit" in site.note


def test_a_trace_without_vehicles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.xml"
    write_fcd(path, [Snapshot(0.0, ()), Snapshot(1.0, ())])

    with pytest.raises(FleetError, match="no vehicle"):
        placed(Excerpt(path), 3, 300.0)
    with pytest.raises(TraceError, match="no timestep from 5"):
        placed(Excerpt(path, start=5.0), 3, 300.0)


def test_a_scenario_gives_rsus_and_kinds_of_avs() -> None:
    site = from_scenario(Path("config/base.yaml"))

    assert [rsu.cost for rsu in site.city.rsus] == [2.0, 2.5]
    assert [rsu.quality for rsu in site.city.rsus] == [1.0, 1.2]
    assert {av.satisfaction for av in site.city.kinds} == {20.0, 25.0, 30.0}
    assert (site.given, site.city.price_max) == (True, 30.0)


def test_the_same_town_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.xml.gz", "b.xml.gz"):
        write_town(tmp_path / name, Town(shape="ring", blocks=(2, 6), vehicles=9, seconds=5.0))

    assert (tmp_path / "a.xml.gz").read_bytes() == (tmp_path / "b.xml.gz").read_bytes()
    assert sum(1 for _ in read_fcd(tmp_path / "a.xml.gz")) == 6


# The command -------------------------------------------------------------------------------------


@pytest.mark.timeout(400)
def test_one_command_compares(town: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "out"
    call = ["fleet", str(town), "--policies", "best_response,random", "--seeds", "2",
            "--replay", "all", "-o", str(folder), *SMALL]  # fmt: skip
    assert main(call) == 0

    shown = capsys.readouterr().out
    assert "best_response" in shown
    assert "±" in shown
    runs = rows(folder / "runs.csv")
    assert [(r["policy"], r["seed"]) for r in runs] == [
        ("best_response", "1"), ("best_response", "2"), ("random", "1"), ("random", "2"),
    ]  # fmt: skip
    requests = sum(int(r["requests"]) for r in runs)
    migrations = rows(folder / "migrations.csv")
    assert len(migrations) == requests > 0
    assert {m["source"] for m in migrations} <= {f"rsu{j}" for j in range(1, 6)}
    summary = rows(folder / "summary.csv")
    assert len(summary) == 2 * len(METRICS)
    page = (folder / "report.html").read_text()
    assert "http" not in page.replace("http://www.w3.org", "")
    assert page.count("<figure>") == 6
    assert (folder / "pictures" / "outcomes.png").stat().st_size > 5000
    for policy in ("best_response", "random"):
        assert (folder / f"replay-{policy}.html").stat().st_size > 10_000

    # The same again: nothing is run, the same tables come out.
    before = (folder / "runs.csv").read_bytes()
    stamps = {file: file.stat().st_mtime_ns for file in (folder / "runs").iterdir()}
    assert main(call) == 0
    assert (folder / "runs.csv").read_bytes() == before
    assert {file: file.stat().st_mtime_ns for file in (folder / "runs").iterdir()} == stamps


@pytest.mark.timeout(400)
def test_means_are_those_of_the_runs(town: Path, tmp_path: Path) -> None:
    wish = Wish(Excerpt(town), placed(Excerpt(town), 5, 250.0), ("nearest", "random"), (1, 2))
    found = compare(wish, tmp_path, jobs=1, stream=io.StringIO())

    values = [found.results["nearest", seed]["total"] for seed in (1, 2)]
    assert found.estimates("nearest")["total"].value == pytest.approx(np.mean(values))
    differences = found.differences("random", "nearest")
    assert differences is not None
    assert differences["total"].value == pytest.approx(
        np.mean([found.results["random", s]["total"] for s in (1, 2)]) - np.mean(values)
    )

    # A damaged result is run again, and comes out as before.
    file = next((tmp_path / "runs").glob("*.json"))
    good = json.loads(file.read_text())
    file.write_text("{")
    again = compare(wish, tmp_path, jobs=1, stream=io.StringIO())
    assert again.reused == 3
    new = again.results[good["policy"], good["seed"]]
    assert new["total"] == good["total"]


@pytest.mark.timeout(400)
def test_ctrl_c_keeps_what_is_done(town: Path, tmp_path: Path) -> None:
    call = [sys.executable, "-m", "veaat_migration.cli", "fleet", str(town), "--seeds", "40",
            "--policies", "random", "-o", str(tmp_path), *SMALL]  # fmt: skip
    process = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200.0
    while not list(tmp_path.glob("runs/*.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=150)

    assert process.returncode == 130
    assert "goes on from there" in errors
    done = len(list(tmp_path.glob("runs/*.json")))
    assert 1 <= done < 40
    assert len(rows(tmp_path / "runs.csv")) == done


@pytest.mark.timeout(400)
def test_where_nothing_migrates_it_says_why(tmp_path: Path, capsys) -> None:
    path = tmp_path / "standing.xml"
    write_fcd(path, steps(0.0, 0.0))
    assert main(["fleet", str(path), "--policies", "nearest", "--seeds", "1",
                 "-o", str(tmp_path / "out"), "-j", "1"]) == 0  # fmt: skip

    assert "Nothing migrated. No vehicle was about to leave" in capsys.readouterr().out
    assert "Nothing migrated" in (tmp_path / "out" / "report.html").read_text().replace(
        "nothing migrated", "Nothing migrated"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.xml"], "missing.xml: no such file"),
        (["town", "--policies", "best", "--seconds", "2"], "got 'best'"),
        (["town", "--policies", "random,random", "--seconds", "2"], "each must appear once"),
        (["town", "--policies", "random", "--replay", "nearest", "--seconds", "2"], "replay"),
        (["some.xml", "-o", "out.xml"], "must be a folder"),
        (["town", "--seconds", "2", "--loss", "1", "--policies", "random"], "loss"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, message, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["fleet", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_it_warns_of_long_runs(town: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("veaat_migration.commands.fleet._LONG", 1e-6)
    call = ["fleet", str(town), "--policies", "random", "--seeds", "1", "-o", str(tmp_path)]
    assert main([*call, *SMALL]) == 0
    assert "of a core for each of 1 runs" in capsys.readouterr().err


def test_a_town_can_be_written_alone(tmp_path: Path, capsys) -> None:
    path = tmp_path / "town.fcd.xml.gz"

    assert main(["fleet", "town", "--vehicles", "7", "--seconds", "3", "-o", str(path)]) == 0
    assert "wrote" in capsys.readouterr().out
    assert [len(s.vehicles) for s in read_fcd(path)] == [7] * 4


@pytest.mark.slow
def test_a_real_trace(town: Path, tmp_path: Path) -> None:
    """That of VEAAT_FCD_TRACE, or one made here."""
    trace = Path(TRACE) if TRACE else town
    first = next(read_fcd(trace)).time
    assert main(["fleet", str(trace), "--end", str(first + 30.0), "--policies", "best_response",
                 "--seeds", "1", "-o", str(tmp_path), "-j", "1"]) == 0  # fmt: skip
    assert int(rows(tmp_path / "runs.csv")[0]["violations"]) == 0
