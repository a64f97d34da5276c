"""'veaat sweep' from the command line to CSV and PNG, interrupted and continued."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from veaat_migration.cli import main
from veaat_migration.studies import run as running

ROOT = Path(__file__).resolve().parents[2]
BASE = str(ROOT / "config" / "base.yaml")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_writes_a_row_per_point_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", BASE, "--vary", "n_avs=1,3", "--vary", "price_max=2.2,30", "-o",
                 str(tmp_path), "--plot", str(tmp_path / "figure.svg")]  # fmt: skip
    assert main(arguments) == 1  # two points are no games
    table = rows(tmp_path)
    assert [(row["n_avs"], row["price_max"]) for row in table] == [
        ("1", "2.2"), ("1", "30"), ("3", "2.2"), ("3", "30")
    ]  # fmt: skip
    assert [row["status"] for row in table] == ["invalid", "certified"] * 2
    assert table[0]["reason"] == "rsus[1].cost: must be < price_max (2.2), got 2.5"
    base = table[3]
    assert float(base["price_1"]) == pytest.approx(4.3586, abs=1e-4)
    assert float(base["av_utility_3"]) == pytest.approx(29.8496, abs=1e-4)
    assert float(base["av_utility_mean"]) == pytest.approx((15.189 + 21.788 + 29.850) / 3, abs=1e-3)
    assert float(base["bandwidth"]) == pytest.approx(
        float(base["load_1"]) + float(base["load_2"]), rel=1e-12
    )
    assert base["delivered_share"] == "1.0"
    assert base["followers_unique"] == "true"
    assert table[1]["av_utility_3"] == ""
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")
    said = capsys.readouterr().out
    assert "base: 4 points: 2 invalid, 2 certified" in said
    assert "invalid: n_avs=1, price_max=2.2: rsus[1].cost: must be < price_max" in said
    assert "av_utility_mean (price_max = 30): " in said


def test_limited_rsus_are_rationed_and_said_so(tmp_path: Path) -> None:
    arguments = ["sweep", BASE, "--vary", "n_avs=6", "--set", "rsus.capacity=10", "--set",
                 "social_coupling.total=0.04", "-o", str(tmp_path)]  # fmt: skip
    assert main(arguments) == 0
    (row,) = rows(tmp_path)
    assert float(row["bandwidth"]) <= 20.0 + 1e-9
    assert float(row["rsu_utility_mean"]) == pytest.approx(38.54, abs=0.01)
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


def interrupted_after(count: int) -> Any:
    """Like Ctrl-C when this many points are done."""
    evaluate_all = running.evaluate_all

    def some(*args: Any) -> Iterator[Any]:
        for number, result in enumerate(evaluate_all(*args)):
            if number == count:
                raise KeyboardInterrupt
            yield result

    return some


def test_an_interrupted_sweep_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", BASE, "--vary", "price_max=10:50:10", "-o", str(tmp_path), "-j", "1"]
    with monkeypatch.context() as patched:
        patched.setattr(running, "evaluate_all", interrupted_after(2))
        assert main(arguments) == 130
    assert "interrupted after 2 of 5 points" in capsys.readouterr().err
    before = rows(tmp_path)
    assert [row["price_max"] for row in before] == ["10", "20"]

    assert main(arguments) == 0
    assert "5 points (2 from before): 5 certified" in capsys.readouterr().out
    after = rows(tmp_path)
    assert after[:2] == before  # to the last digit, the time it took included
    assert len(after) == 5

    assert main([*arguments, "--vary", "price_max=20,25"]) == 0
    assert "2 points (1 from before)" in capsys.readouterr().out
    assert main([*arguments, "--fresh", "--vary", "price_max=20"]) == 0
    assert "1 points: 1 certified" in capsys.readouterr().out


def test_ctrl_c_in_a_terminal_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "veaat_migration.cli", "sweep", BASE, "-j", "2",
               "--vary", "price_max=lin:10:50:2000", "-o", str(tmp_path)]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    journal = tmp_path / "points.jsonl"

    def wait_for(lines: int) -> None:
        for _ in range(600):
            if journal.exists() and journal.read_text().count("\n") >= lines:
                return
            time.sleep(0.05)

    try:
        wait_for(1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) >= 2
        for child in children:  # a terminal tells them too, maybe first: they go on
            os.kill(int(child), signal.SIGINT)
        wait_for(journal.read_text().count("\n") + 5)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "failed" not in out
    assert "the same command goes on from there" in err
    assert len(rows(tmp_path)) == journal.read_text().count("\n") >= 3
    assert "certified" in out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([BASE], "nothing varies; say what, such as --vary n_avs=2:20:2"),
        ([BASE, "--vary", "n_avs"], "--vary n_avs: must be FIELD=VALUES, such as n_avs=2:20:2"),
        ([BASE, "--vary", "n_avs=0:3"], "--vary n_avs=0:3: 0:3: must be whole numbers from 1"),
        ([BASE, "--vary", "pric_max=1,2"],
         "none of the 2 points is a game; pric_max=1: pric_max: unknown key (did you mean price"),
        ([BASE, "--vary", "price_max=3", "--set", "n_avs=1,2"], "must be one value"),
        ([BASE, "--vary", "price_max=3", "--metric", "utility"], "metric 'utility': must be one"),
        ([BASE, "--vary", "price_max=3", "-j", "0"], "--jobs: must be at least 1, got 0"),
        ([BASE, "--vary", "price_max=3", "--plot", "x.gif"], "--plot: must end in .png, .svg or"),
        ([BASE, "--vary", "price_max=3", "--time-limit", "-1"], "time_limit: must be > 0 s"),
        (["nowhere.yaml", "--vary", "price_max=3"], "nowhere.yaml: no such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_studied_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    folder = tmp_path / "results"
    assert main(["sweep", *arguments, "-o", str(folder)]) == 2
    assert problem in capsys.readouterr().err
    assert not folder.exists()


def test_a_table_of_something_else_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.csv").write_text("precious")
    assert main(["sweep", BASE, "--vary", "n_avs=1", "-o", str(tmp_path)]) == 2
    assert "is not of a study; choose another --output" in capsys.readouterr().err
    assert (tmp_path / "results.csv").read_text() == "precious"


def test_the_installed_program_and_any_other_can_sweep(tmp_path: Path) -> None:
    """Programs without a guard for their main part must not run again in the children."""
    program = tmp_path / "own.py"
    program.write_text("import sys\nfrom veaat_migration.cli import main\nsys.exit(main())\n")
    for number, script in enumerate((ROOT / "scripts" / "veaat", program)):
        output = tmp_path / str(number)
        result = subprocess.run(
            [sys.executable, script, "sweep", BASE, "--vary", "n_avs=1,2", "-o", output],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert [row["status"] for row in rows(output)] == ["certified", "certified"]
