"""The doctor from the command line, without ROS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from veaat_migration.cli import main

ROOT = Path(__file__).resolve().parents[2]


def doctor(*arguments: str, blocked: str = "rclpy") -> subprocess.CompletedProcess[str]:
    lines = [
        f"import sys; sys.modules[{blocked!r}] = None",
        "from veaat_migration.cli import main",
        f"sys.exit(main(['doctor', *{list(arguments)!r}]))",
    ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT,
        env={**os.environ, "ROS_DOMAIN_ID": "7"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_ros_it_says_so_and_checks_the_rest():
    result = doctor()

    assert result.returncode == 0, result.stdout + result.stderr
    assert "SKIP  ros" in result.stdout
    assert "SKIP  network" in result.stdout
    assert "OK    python" in result.stdout
    assert "7 (ROS_DOMAIN_ID)" in result.stdout


def test_a_failure_is_the_exit_status(tmp_path: Path):
    result = doctor("--policy", str(tmp_path / "missing"), "--bags", str(tmp_path), "--json")

    findings = json.loads(result.stdout)
    assert result.returncode == 1
    assert findings["failed"]
    (failed,) = [entry for entry in findings["findings"] if entry["level"] == "FAIL"]
    assert failed["check"] == "policy"
    assert "missing" in failed["found"]


def test_providers_that_are_not_there():
    result = doctor("--providers", "tensorrt", "--json", blocked="onnxruntime")

    findings = {entry["check"]: entry for entry in json.loads(result.stdout)["findings"]}
    assert findings["onnxruntime"]["level"] == "FAIL"


@pytest.mark.parametrize(
    "arguments",
    [["--namespace", "a b"], ["--namespace", ""], ["--listen", "x"], ["--listen", "-1"]],
)
def test_arguments_without_meaning(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["doctor", *arguments])

    assert caught.value.code == 2
    assert "must be" in capsys.readouterr().err
