"""The report as a whole, and the command that prints it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from veaat_migration.analysis import benchmark, summary
from veaat_migration.analysis.report import Report, write_report
from veaat_migration.analysis.summary import format_summary
from veaat_migration.commands import bag as command
from veaat_migration.errors import VeaatError

FIGURES = {"prices.png", "demands.png", "utilities.png", "deviation.png", "round_duration.png"}


def report(game: Any, tmp_path: Path, **options: Any) -> Report:
    return write_report(game.write(tmp_path / "bag"), tmp_path / "out", **options)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_game_that_reaches_equilibrium_is_said_to(game: Any, tmp_path: Path):
    found = report(game, tmp_path, plots=False)
    assert found.problems == []
    assert (found.rounds, found.complete_rounds, found.final_round) == (40, 40, 40)
    assert found.equilibrium is not None
    assert found.equilibrium.prices == pytest.approx([4.3586, 5.3812], rel=1e-4)
    assert found.final_prices == pytest.approx(found.equilibrium.prices, rel=1e-3)
    assert found.final_utility_rsu == pytest.approx([19.107, 17.256], rel=1e-3)
    assert found.final_utility_av == pytest.approx([15.189, 21.788, 29.850], rel=1e-3)
    assert found.converged is not None
    assert 10 < found.converged < 35
    assert found.worst_since_converged is not None
    assert found.worst_since_converged <= 0.01
    assert found.exploitability is not None
    assert 0.0 <= found.exploitability.max_rel < 1e-3
    assert found.audit.clean
    assert report(game, tmp_path / "b", plots=False, tolerance=1e-9).converged is None
    text = format_summary(found)
    assert f"Converged in round {found.converged}" in text
    assert "100.0 rounds/s" in text
    assert "duplicate 9, late 5" in text


def test_tables_have_one_row_per_observation(game: Any, tmp_path: Path):
    report(game, tmp_path, plots=False)
    out = tmp_path / "out"
    bids = table(out / "bandwidth_bids.csv")
    assert len(bids) == 40 * 3 * 2
    sent = game.of("bandwidth_bids")[0]
    assert [float(row["bandwidth"]) for row in bids[:2]] == sent.bandwidth.tolist()
    assert [(row["round"], row["av_id"], row["rsu_id"]) for row in bids[:2]] == [
        ("1", "1", "1"),
        ("1", "1", "2"),
    ]
    assert bids[0]["stamp"] == "1700000000.012000000"
    assert float(bids[0]["latency_ms"]) == 0.5
    accounts = table(out / "settlements.csv")
    assert len(accounts) == 40 * 2 * 3
    assert {row["outcome"] for row in accounts} == {"accepted"}
    assert len(table(out / "price_offers.csv")) == 80
    assert len(table(out / "node_status.csv")) == 5
    assert len(table(out / "rejections.csv")) == 10
    rounds = table(out / "rounds.csv")
    assert [int(row["round"]) for row in rounds] == list(range(1, 41))
    assert float(rounds[-1]["max_utility_deviation"]) < 1e-3
    assert len(table(out / "utilities.csv")) == 40 * 5


def test_missing_players_show_up_in_the_account(game: Any, tmp_path: Path):
    first, second, *_ = game.of("settlements")
    for name in ("av_ids", "bandwidth", "matching_probability", "payment"):
        setattr(first, name, getattr(first, name)[1:])
        setattr(second, name, getattr(second, name)[:0])
    first.missing_av_ids = np.array([1], np.uint32)
    report(game, tmp_path, plots=False, equilibrium=False)
    rows = [row for row in table(tmp_path / "out" / "settlements.csv") if row["round"] == "1"]
    assert [(r["rsu_id"], r["av_id"], r["outcome"]) for r in rows] == [
        ("1", "2", "accepted"),
        ("1", "3", "accepted"),
        ("1", "1", "missing"),
        ("2", "", "no buyer"),
    ]


def test_figures_are_drawn_and_not_blank(game: Any, tmp_path: Path):
    found = report(game, tmp_path)
    assert {path.name for path in found.files if path.suffix == ".png"} == FIGURES
    for name in FIGURES:
        with Image.open(tmp_path / "out" / name) as image:
            colours = image.convert("RGB").getcolors(1 << 20)
            assert min(image.size) > 400
            assert colours is not None
            assert len(colours) > 50
    assert all(path.exists() for path in found.files)


def test_many_players_still_make_figures(tmp_path: Path):
    from veaat_migration.analysis.history import History
    from veaat_migration.analysis.metrics import Play, Utilities
    from veaat_migration.analysis.plots import write_plots

    n, v, r = 30, 25, 14
    random = np.random.default_rng(1)
    prices, demand = random.uniform(2, 9, (n, r)), random.uniform(0, 5, (n, v, r))
    prices[3:5, 2], demand[3:5, :, 2], demand[7] = np.nan, np.nan, np.nan
    ids = {"rounds": np.arange(n), "rsu_ids": np.arange(r), "av_ids": np.arange(v)}
    start = np.arange(n, dtype=float)
    history = History(**ids, prices=prices, demand=demand, start=start, end=start + 0.5)
    utilities = Utilities(prices * 2, demand.sum(axis=2))
    reference = Play(prices[0], demand[0], prices[0] * 2, demand[0].sum(axis=1))
    assert len(write_plots(tmp_path, history, utilities=utilities, reference=reference)) == 4


def test_without_the_game_the_report_says_what_is_missing(game: Any, tmp_path: Path):
    game.remove("game_instance")
    found = report(game, tmp_path)
    assert found.equilibrium is None
    assert found.final_prices is not None
    assert any("--scenario" in problem for problem in found.problems)
    assert not (tmp_path / "out" / "utilities.csv").exists()
    assert (tmp_path / "out" / "prices.png").exists()
    assert "equilibrium are not known" in format_summary(found)


def test_a_scenario_file_stands_in_for_the_game(game: Any, tmp_path: Path):
    file = tmp_path / "game.yaml"
    file.write_text(game.of("game_instance")[0].data)
    game.remove("game_instance")
    found = report(game, tmp_path, plots=False, scenario=file)
    assert found.converged is not None
    with pytest.raises(VeaatError, match=r"nowhere\.yaml"):
        write_report(tmp_path / "bag", tmp_path / "out", scenario=tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("text", ["{", "[]", '{"V": 2}'])
def test_a_damaged_game_in_the_bag_is_explained(game: Any, tmp_path: Path, text: str):
    game.of("game_instance")[0].data = text
    found = report(game, tmp_path, plots=False)
    assert found.equilibrium is None
    assert any(problem.startswith("game_instance:") for problem in found.problems)


def test_without_settlements_the_tables_are_still_written(game: Any, tmp_path: Path):
    game.remove("settlements")
    found = report(game, tmp_path)
    assert found.rounds == 0
    assert found.missing_topics == ["settlements", "round_status"]
    assert (tmp_path / "out" / "price_offers.csv").exists()
    assert "No round was settled" in format_summary(found)


def test_without_equilibrium_nothing_is_compared(game: Any, tmp_path: Path):
    found = report(game, tmp_path, plots=False, equilibrium=False)
    assert found.equilibrium is None
    assert found.exploitability is None
    assert found.final_utility_rsu is not None


@pytest.mark.parametrize(
    ("exact", "local", "status", "note"),
    [(6, 6, "certified", None), (5, 6, "unchecked", "only a local"), (5, 5, None, "left out")],
)
def test_large_games_are_compared_as_far_as_it_takes_seconds(
    game: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    exact: int, local: int, status: str | None, note: str | None,
):  # fmt: skip
    monkeypatch.setattr(benchmark, "EXACT_PAIRS", exact)
    monkeypatch.setattr(benchmark, "LOCAL_PAIRS", local)
    found = report(game, tmp_path, plots=False)
    assert found.equilibrium_status == status
    assert (found.exploitability is not None) == (status == "certified")
    assert [problem for problem in found.problems if note and note in problem] == found.problems
    whole = write_report(tmp_path / "bag", tmp_path / "out", plots=False, equilibrium=True)
    assert whole.equilibrium_status == "certified"


def test_findings_reach_the_summary(game: Any, tmp_path: Path):
    game.remove("bandwidth_bids", lambda m: (m.round, m.av_id) == (7, 3))
    text = format_summary(report(game, tmp_path, plots=False, equilibrium=False))
    assert "2 x an AV is charged, but no bid" in text
    assert "round 7, RSU 1, AV 3" in text


def test_of_many_players_the_furthest_from_equilibrium_are_listed(
    game: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(summary, "SHOWN_PLAYERS", 1)
    found = report(game, tmp_path, plots=False)
    found.deviation_rsu = np.array([0.001, -0.2])
    found.deviation_av = np.array([0.0, 0.3, 0.1])
    text = format_summary(found)
    assert "RSU 2" in text
    assert "AV 2" in text
    assert "RSU 1 " not in text
    assert "(3 more players closer to equilibrium are in utilities.csv)" in text


def test_an_output_that_cannot_be_written_is_named(game: Any, tmp_path: Path):
    (tmp_path / "file").write_text("")
    bag = game.write(tmp_path / "bag")
    with pytest.raises(VeaatError, match="file/out: cannot be created"):
        write_report(bag, tmp_path / "file" / "out")


def command_line(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = (
        "import argparse, sys\n"
        "from veaat_migration.commands import bag\n"
        "from veaat_migration.errors import VeaatError\n"
        "parser = argparse.ArgumentParser(); bag.configure(parser)\n"
        "code = bag.run(parser.parse_args())\n"
        "assert not {'rclpy', 'veaat_migration.msg'} & set(sys.modules), 'ROS was imported'\n"
        "sys.exit(code)\n"
    )
    root = Path(command.__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_command_needs_no_ros_and_prints_valid_json(game: Any, tmp_path: Path):
    bag = game.write(tmp_path / "bag")
    done = command_line(bag, "--json", "--no-plots")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rounds"] == 40
    assert found["equilibrium"]["prices"] == pytest.approx([4.3586, 5.3812], rel=1e-4)
    assert found["topics"]["/veaat/settlements"]["messages"] == 80
    written = tmp_path / "bag_analysis"
    assert json.loads((written / "report.json").read_text()) == found
    assert not list(written.glob("*.png"))


def test_json_has_no_word_for_not_a_number(game: Any, tmp_path: Path):
    game.remove("price_offers")
    found = report(game, tmp_path, plots=False, equilibrium=False).to_mapping()
    assert found["round_duration"]["p50"] is None
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "x"])
def test_a_senseless_tolerance_is_refused(value: str, capsys: pytest.CaptureFixture[str]):
    import argparse

    parser = argparse.ArgumentParser()
    command.configure(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["bag", "--tolerance", value])
    assert "--tolerance" in capsys.readouterr().err


def test_an_overwhelmed_recorder_is_mentioned(game: Any, tmp_path: Path):
    bag = game.write(tmp_path / "bag")
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text())
    metadata["rosbag2_bagfile_information"]["custom_data"] = {"recorder_overruns": "3"}
    (bag / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    found = write_report(bag, tmp_path / "out", plots=False)
    assert any("fell behind 3 times" in problem for problem in found.problems)
