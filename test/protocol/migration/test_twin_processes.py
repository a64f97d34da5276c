"""Real processes with files that are killed: the short form of a benchmark of five minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_killed_processes_lose_no_twin() -> None:
    command = [sys.executable, "benchmarks/migration_processes.py", "--seconds", "12"]
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(
        [*command, "--rsus", "3", "--avs", "2"],
        cwd=ROOT,
        env={**os.environ, **one_thread, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads(result.stdout)
    assert figures["kills"] > 0
    assert figures["changes_of_states"] > 20
    assert figures["problems"] == []
