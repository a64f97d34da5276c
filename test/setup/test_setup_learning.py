"""The second layer of the set-up: PyTorch, added when a command needs it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from environment import main as entry
from environment.errors import SetupError
from environment.host import Python
from environment.main import asks_for_learning, has_learning, is_ready, set_up
from environment.packages import install_learning
from environment.stamps import (
    build_stamp,
    learning_fingerprint,
    learning_stamp,
    packages_fingerprint,
    packages_stamp,
)
from environment.steps import Steps, locked
from environment.target import Target

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Python("python3", "3.12", standard=True, venv=True, headers=True, system=True)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("veaat train config/train/base.yaml --seeds 5", True),
        ("veaat evaluate runs/x", True),
        ("./scripts/veaat train x.yaml", True),
        ("veaat train --help", False),
        ("veaat evaluate -h", False),
        ("veaat solve train", False),
        ("veaat", False),
        ("pytest train", False),
        ("", False),
    ],
)
def test_the_command_tells_whether_pytorch_is_needed(command: str, expected: bool) -> None:
    assert asks_for_learning(command.split(), {}) is expected


def test_a_variable_decides_whatever_the_command_is() -> None:
    assert asks_for_learning(["pytest"], {"LEARNING": "1"})
    assert asks_for_learning([], {"LEARNING": "1"})
    assert not asks_for_learning(["veaat", "train"], {"LEARNING": "0"})
    assert asks_for_learning(["veaat", "train"], {"LEARNING": ""})
    with pytest.raises(SetupError, match="LEARNING=yes: choose 1 "):
        asks_for_learning(["veaat"], {"LEARNING": "yes"})


def put_package(target: Target, name: str) -> Path:
    """A whole package in the environment; returns its module."""
    packages = target.venv / "lib/python3.12/site-packages"
    info = packages / f"{name}-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    module = packages / name / "__init__.py"
    module.parent.mkdir(exist_ok=True)
    module.touch()
    (info / "METADATA").touch()
    names = [f"{name}/__init__.py", f"{info.name}/METADATA", f"{info.name}/RECORD"]
    (info / "RECORD").write_text("".join(f"{recorded},,\n" for recorded in names))
    return module


class Machine:
    """A project whose slow steps only note that they ran and leave what they would leave."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.target = Target(root, "jazzy")
        self.ran: list[str] = []
        self.offline = False
        self.python: Python | None = None
        for name in ("make_venv", "install_packages", "build", "install_learning"):
            monkeypatch.setattr(entry, name, getattr(self, name))
        monkeypatch.setattr(entry, "usable_python", lambda *_: self.python)
        monkeypatch.setattr(entry, "choose_python", lambda *_: PYTHON)
        monkeypatch.setattr(entry, "require_wheel_platform", lambda _: self.ran.append("platform"))
        monkeypatch.setattr(entry, "require_build_tools", lambda *_: self.ran.append("tools"))

    def make_venv(self, target: Target, *_: object) -> None:
        self.ran.append("venv")
        shutil.rmtree(target.venv, ignore_errors=True)
        (target.venv / "bin").mkdir(parents=True)
        (target.venv / "lib").mkdir()
        (target.venv / "share").mkdir()
        self.python = PYTHON

    def install_packages(self, target: Target, fingerprint: str, *_: object) -> None:
        self.ran.append("packages")
        put_package(target, "numpy")
        packages_stamp(target).write(fingerprint)

    def build(self, target: Target, fingerprint: str, *_: object, from_scratch: bool) -> None:
        self.ran.append("build from scratch" if from_scratch else "build")
        for folder in ("bin", "lib/veaat_migration"):
            (target.prefix / folder).mkdir(parents=True, exist_ok=True)
        build_stamp(target).write(fingerprint)

    def install_learning(self, target: Target, *_: object) -> None:
        self.ran.append("learning")
        learning_stamp(target).begin()
        if self.offline:
            raise SetupError("offline")
        put_package(target, "torch")
        learning_stamp(target).write(learning_fingerprint(target))

    def start(self, *, verify: bool = False, learning: bool = False) -> list[str]:
        """Run the set-up; returns the steps that it took."""
        self.ran.clear()
        set_up(self.target, {}, verify=verify, learning=learning)
        return list(self.ran)


BASE = ["platform", "tools", "venv", "packages", "build from scratch"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_whoever_does_not_learn_does_not_wait_for_pytorch(machine: Machine) -> None:
    assert machine.start() == BASE
    assert machine.start(verify=True) == []
    assert is_ready(machine.target, learning=False)
    assert not is_ready(machine.target, learning=True)


def test_pytorch_is_added_once_without_building_again(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.start()
    capsys.readouterr()

    assert machine.start(learning=True) == ["learning"]
    shown = capsys.readouterr().err
    assert machine.start(learning=True) == []
    assert shown.startswith("[1/1] adding PyTorch for learning (")
    assert "GB" in shown
    assert "PIP_EXTRA_INDEX_URL" in shown


def test_steps_are_counted_right(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.start(learning=True) == [*BASE, "learning"]

    numbers = [line[:5] for line in capsys.readouterr().err.splitlines() if line[0] == "["]
    assert numbers == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]


def test_a_failed_download_leaves_the_rest_ready(machine: Machine) -> None:
    machine.offline = True
    with pytest.raises(SetupError, match="offline"):
        machine.start(learning=True)

    assert is_ready(machine.target, learning=False)
    assert machine.start() == []


def test_a_check_continues_what_was_begun(machine: Machine) -> None:
    machine.offline = True
    with pytest.raises(SetupError, match="offline"):
        machine.start(learning=True)
    machine.offline = False

    assert machine.start(verify=True) == ["learning"]
    assert has_learning(machine.target)


def test_only_the_damaged_layer_is_mended(machine: Machine) -> None:
    machine.start(learning=True)
    put_package(machine.target, "torch").unlink()

    assert machine.start(verify=True) == ["learning"]


def test_damage_below_mends_both(machine: Machine) -> None:
    machine.start(learning=True)
    put_package(machine.target, "numpy").unlink()

    assert machine.start(verify=True) == ["platform", *BASE[1:2], *BASE[3:], "learning"]
    assert machine.start(verify=True, learning=True) == []


def test_an_unusable_python_mends_both(machine: Machine) -> None:
    machine.start(learning=True)
    machine.python = None

    assert machine.start(verify=True) == [*BASE, "learning"]


def test_new_pins_below_do_not_bring_pytorch_to_who_does_not_ask(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.start(learning=True)
    before = packages_fingerprint(machine.target)
    monkeypatch.setattr("environment.stamps.FORMAT", 99)
    assert packages_fingerprint(machine.target) != before

    assert machine.start() == [*BASE[:2], *BASE[3:]]
    assert not has_learning(machine.target)
    assert machine.start(learning=True) == ["learning"]


def test_each_wheel_set_has_its_own(machine: Machine) -> None:
    machine.start(learning=True)

    assert not has_learning(Target(machine.target.root, "kilted"))


FAKE_PYTHON = """\
#!/bin/sh
here=$(dirname "$0")/..
echo "$@" >> "$here/calls"
case "$*" in
  *numpy.__version__*) echo '"1.26.4"' ;;
  *"pip install"*)
    mkdir -p "$here/lib/python3.12/site-packages/torch"
    rm -rf "$here/lib/python3.12/site-packages/replaced"
    exit $(cat "$here/status") ;;
esac
"""


@pytest.fixture(params=["wheels", "sourced"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """A target whose Python notes its arguments and whose pip ends as venv/status says."""
    if request.param == "wheels":
        target = Target(tmp_path, "kilted")
    else:
        target = Target(tmp_path, "jazzy", ros_prefix=Path("/opt/ros/jazzy"), ros_python="3.12")
    for folder in ("bin", "share", "lib/python3.12/site-packages"):
        (target.venv / folder).mkdir(parents=True)
    target.state.mkdir(parents=True)
    target.python.write_text(FAKE_PYTHON)
    target.python.chmod(0o755)
    (target.venv / "status").write_text("0")
    packages_stamp(target).write(packages_fingerprint(target))
    return target


@contextlib.contextmanager
def steps(root: Path) -> Iterator[Steps]:
    with (root / "log").open("a") as log, locked(root / "lock") as lock:
        yield Steps(log, lock, 1)


def test_pip_is_told_to_keep_what_is_there(target: Target) -> None:
    with steps(target.root) as running:
        install_learning(target, running, os.environ)

    assert has_learning(target)
    calls = (target.venv / "calls").read_text().splitlines()
    (pip,) = (call.split() for call in calls if "pip install" in call)
    options = [(name, Path(file)) for name, file in itertools.pairwise(pip) if name in ("-r", "-c")]
    if target.ros_prefix:
        expected = ["learning.in", "runtime.in", "dev.in"]
        name, file = options.pop()
        assert name == "-c"
        assert file.read_text() == "setuptools<80\nnumpy==1.26.4\n"
    else:
        expected = ["learning.txt", "kilted.txt", "runtime.txt", "dev.txt"]
    assert options == [("-r", ROOT / "tools" / f"requirements-{name}") for name in expected]
    assert any("import gymnasium" in call and "torch" in call for call in calls)


def test_what_learning_replaces_need_not_be_installed_again(target: Target) -> None:
    old = target.venv / "lib/python3.12/site-packages/replaced"
    old.mkdir()
    packages_stamp(target).write("complete")
    with steps(target.root) as running:
        install_learning(target, running, os.environ)

    assert not old.exists()
    assert packages_stamp(target).matches("complete")
    (target.venv / "lib/python3.12/site-packages/torch").rmdir()
    assert packages_stamp(target).matches("complete")
    (target.venv / "lib/python3.12/site-packages").rename(target.root / "gone")
    assert not packages_stamp(target).matches("complete")


def test_a_failed_pip_says_what_may_help(target: Target) -> None:
    (target.venv / "status").write_text("1")
    with steps(target.root) as running, pytest.raises(SetupError) as caught:
        install_learning(target, running, os.environ)

    assert not has_learning(target)
    assert learning_stamp(target).exists()
    assert "check the network or proxy" in str(caught.value)
    assert "If the disk is full: PyTorch with CUDA needs about" in str(caught.value)


def test_what_pip_had_added_is_missed_when_it_goes(target: Target) -> None:
    with steps(target.root) as running:
        install_learning(target, running, os.environ)
    (target.venv / "lib/python3.12/site-packages/torch").rmdir()

    assert not has_learning(target)


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("setup", [""]),
        ("sim", [""]),
        ("lint", ["", "", ""]),
        ("test-ros", [""]),
        ("train", ["1"]),
        ("evaluate", ["1"]),
        ("reproduce", ["1"]),
        ("test", ["1", "1", "1", "1"]),
        ("test TESTS=test/game", ["1"]),
        ("setup LEARNING=1", ["1"]),
        ("test-fast LEARNING=0", ["0", "0", "0"]),
    ],
)
def test_make_asks_for_pytorch_where_it_is_needed(
    tmp_path: Path, goal: str, expected: list[str]
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "tools").mkdir()
    run = tmp_path / "tools" / "run"
    run.write_text('#!/bin/sh\necho "[$LEARNING]"\n')
    run.chmod(0o755)
    # The variables of a calling make would be taken for this one's.
    clean = {"PATH": os.environ["PATH"]}

    result = subprocess.run(
        ["make", *goal.split()], cwd=tmp_path, env=clean, capture_output=True, text=True, check=True
    )

    assert result.stdout.split() == [f"[{value}]" for value in expected]
