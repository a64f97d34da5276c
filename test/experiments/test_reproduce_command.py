"""The command as a whole, with runs of a second."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from veaat_migration.cli import main

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(scope="module")
def declaration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods in the base case, a few iterations long."""
    folder = tmp_path_factory.mktemp("declared")
    shutil.copytree(CONFIG, folder / "config")
    file = folder / "config" / "reproduce" / "paper.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    base = content["studies"]["base"]
    base["methods"] = ["tiny_ma_iei_ppo", "greedy"]
    content["studies"] = {"base": base}
    content["figures"] = {name: content["figures"][name] for name in ("3", "4")}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


@pytest.mark.slow
def test_a_second_run_gives_the_same_tables(
    declaration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        arguments = ["--smoke", "--file", str(declaration), "-j", "2", "-o", str(tmp_path / name)]
        assert main(["reproduce", *arguments]) == 0
    assert "not supported" in capsys.readouterr().out
    tables = [file.relative_to(tmp_path / "first") for file in (tmp_path / "first").rglob("*.csv")]
    assert len(tables) == 4
    for table in [*tables, Path("configuration.yaml"), Path("figures/figure-03.svg")]:
        first, second = (tmp_path / name / table for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes(), table
    assert main(["reproduce", *arguments]) == 0
    assert "4 runs, 4 of them from before" in capsys.readouterr().out


@pytest.mark.slow
def test_a_killed_run_is_taken_up(declaration: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "veaat_migration.cli", "reproduce", "--smoke", "-j", "1",
               "--seeds", "6", "--file", str(declaration), "-o", str(tmp_path)]  # fmt: skip
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    patience = time.monotonic() + 90.0
    while len(list(tmp_path.glob("cells/*.json"))) < 2 and time.monotonic() < patience:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.glob("cells/*.json")}
    assert 2 <= len(kept) < 12
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"12 runs, {len(kept)} of them from before" in done.stdout
    assert {file: file.stat().st_mtime_ns for file in kept} == kept


@pytest.mark.slow
def test_ray_runs_the_same_cells(declaration: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'veaat_migration[ray]'")
    shared = ["--smoke", "--file", str(declaration), "--seeds", "1", "-j", "2"]
    assert main(["reproduce", *shared, "-o", str(tmp_path / "local")]) == 0
    assert main(["reproduce", *shared, "-o", str(tmp_path / "ray"), "--executor", "ray"]) == 0
    for table in ("methods.csv", "figures/figure-03.csv"):
        first, second = (tmp_path / name / table for name in ("local", "ray"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--figure", "11"], "--figure 11: there is no such figure (there are: 3, 4)"),
        (["--seeds", "0"], "--seeds: must be at least 1, got 0"),
        (["--jobs", "0"], "--jobs: must be at least 1, got 0"),
    ],
)
def test_impossible_wishes_are_refused(
    declaration: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    shared = ["reproduce", "--smoke", "--file", str(declaration), "-o", str(tmp_path)]
    assert main([*shared, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_ray_is_explained(
    declaration: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    arguments = ["--file", str(declaration), "--executor", "ray", "-o", str(tmp_path)]
    assert main(["reproduce", *arguments]) == 2
    assert "pip install 'veaat_migration[ray]'" in capsys.readouterr().err
