"""Running the slow parts of the set-up."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from environment.errors import SetupError
from environment.steps import Steps, locked


def test_a_failure_shows_the_end_of_its_own_output(tmp_path: Path) -> None:
    log = tmp_path / "setup.log"
    script = "print('\\n'.join(f'line {n}' for n in range(100))); exit(3)"
    with log.open("a") as file, locked(tmp_path / "lock") as lock:
        steps = Steps(file, lock, 1)
        steps.run([sys.executable, "-c", "print('before')"], os.environ, cwd=tmp_path)
        with pytest.raises(SetupError) as caught:
            steps.run([sys.executable, "-c", script], os.environ, cwd=tmp_path, hint="do this")

    lines = str(caught.value).splitlines()
    assert "failed (exit code 3)" in lines[0]
    assert str(log) in lines[0]
    assert lines[-2:] == ["  | line 99", "do this"]
    assert len(lines) < 20
    assert "before" in log.read_text()


def test_progress_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "log").open("a") as file, locked(tmp_path / "lock") as lock:
        steps = Steps(file, lock, 2)
        for title in ("one", "two"):
            with steps.step(title):
                pass

    assert capsys.readouterr() == ("", "[1/2] one ...\n[2/2] two ...\n")


def test_what_a_killed_set_up_left_running_keeps_the_lock(tmp_path: Path) -> None:
    tools = Path(__file__).resolve().parents[2] / "tools"
    lock = tmp_path / "lock"
    script = f"""
import sys, os
sys.path.insert(0, {str(tools)!r})
from pathlib import Path
from environment.steps import Steps, locked
with locked(Path({str(lock)!r})) as lock, open({str(tmp_path / "log")!r}, "a") as log:
    print("locked", flush=True)
    Steps(log, lock, 1).run(["sh", "-c", "read line < {tmp_path}/go"], os.environ, cwd=Path("/"))
"""
    os.mkfifo(tmp_path / "go")
    setup = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert setup.stdout is not None
    assert setup.stdout.readline() == "locked\n"
    # Opening for writing returns once the step reads.
    with (tmp_path / "go").open("w") as go:
        setup.kill()
        setup.wait()
        setup.stdout.close()
        with lock.open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        go.write("on\n")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
