"""What deploy/ says fits the package; its scripts do what they say, with stand-ins for devices."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from veaat_migration.nodes.follower_parameters import FOLLOWER
from veaat_migration.nodes.inference_parameters import AV_INFERENCE
from veaat_migration.nodes.profile_parameters import follower_from_parameters
from veaat_migration.nodes.specification import ParameterSpec, unknown_parameters
from veaat_migration.nodes.start import EXECUTABLES
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.engine_check import (
    EngineError,
    largest_difference,
    main,
    read_output,
    sample_observations,
)
from veaat_migration.policy.policy_files import write_bundle, write_policy
from veaat_migration.policy.runtime import NumpyActor

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SHELL = sorted([*DEPLOY.glob("*.sh"), *DEPLOY.glob("*/*.sh")])
DOCKERFILES = sorted((DEPLOY / "container").glob("Dockerfile.*"))
UNIT = DEPLOY / "systemd" / "veaat@.service"


def parameters(file: Path) -> dict[str, object]:
    values = yaml.safe_load(file.read_text())["/**"]["ros__parameters"]
    assert isinstance(values, dict)
    return values


# Names


def test_the_example_has_parameters_that_the_node_takes():
    specs = {spec.name: spec for spec in AV_INFERENCE}
    values = parameters(ROOT / "config" / "vehicle.example.yaml")

    assert unknown_parameters(values, AV_INFERENCE) == []
    for name, value in values.items():
        specs[name].check(value)  # type: ignore[arg-type]
        numbers = value if isinstance(value, list) else [value]
        if specs[name].kind.is_number:
            wanted = int if specs[name].kind.is_integer else float
            assert {type(number) for number in numbers} == {wanted}, name
    required = {spec.name for spec in AV_INFERENCE if spec.default is None}
    assert required <= set(values)


def test_the_example_is_a_profile():
    def default(spec: ParameterSpec) -> object:
        return spec.default

    values = {spec.name: default(spec) for spec in FOLLOWER}
    values |= parameters(ROOT / "config" / "vehicle.example.yaml")

    assert follower_from_parameters(values).av_id == 1  # type: ignore[arg-type]


def test_executables_exist():
    names = set()
    for file in [*DEPLOY.rglob("*.sh"), *DEPLOY.rglob("*.example"), *DEPLOY.rglob("*.yaml")]:
        found = re.findall(r"VEAAT_EXECUTABLE(?:=|: |:-)([a-z_]+)", file.read_text())
        names |= set(found)
    listed = re.search(r"VEAAT_EXECUTABLE +(.+)", (DEPLOY / "run_node.sh").read_text())
    assert listed is not None
    names |= set(re.findall(r"[a-z_]{5,}", listed[1].replace("default", "")))

    assert "av_inference" in names
    assert names <= set(EXECUTABLES)


def test_files_that_are_named_exist():
    for file in [*SHELL, *DOCKERFILES, UNIT, *DEPLOY.rglob("*.example"), *DEPLOY.rglob("*.yaml")]:
        text = file.read_text().replace("${JETPACK:-6}", "6")
        for name in re.findall(r"\b(?:deploy|docs|config)/[\w./@-]*\w", text):
            assert (ROOT / name).exists(), f"{file}: {name}"


GUIDE = (ROOT / "docs" / "deployment.md").read_text().replace("src/veaat_migration/", "")


def test_the_guide_names_what_exists():
    for name in re.findall(r"\b(?:deploy|config|docs|veaat_migration)/[\w./@-]*\w", GUIDE):
        if not re.fullmatch(r"veaat_migration/[A-Z]\w+", name):
            assert (ROOT / name).exists(), name
    for kind in re.findall(r"`veaat_migration/([A-Z]\w+)`", GUIDE):
        assert (ROOT / "msg" / f"{kind}.msg").exists(), kind


def test_the_guide_gives_launch_arguments_that_exist():
    source = (ROOT / "launch" / "vehicle.launch.py").read_text()
    known = set(re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', source))
    given = set(re.findall(r"\b(\w+):=", GUIDE))

    assert {"params_file", "odom", "twin_task", "migration_decision"} <= given
    assert given <= known


def test_the_guide_gives_parameters_that_exist():
    known = {spec.name for spec in AV_INFERENCE} | {"signing_key"}  # of the trainer
    given = set(re.findall(r"`(policy_\w+|link_\w+|onnx_\w+|delay_\w+|\w+_frame)", GUIDE))

    assert len(given) > 8
    assert given - {"policy_manifest"} <= known


def test_the_guide_gives_options_that_exist():
    from veaat_migration.cli import build_parser

    known = build_parser().format_help()
    for command, line in re.findall(r"\bveaat (doctor|policy)\b([^`\n|#]*)", GUIDE):
        assert command in known
        assert set(re.findall(r"--[a-z][a-z-]*", line)) <= _options(command), line


def _options(command: str) -> set[str]:
    import importlib

    source = importlib.import_module(f"veaat_migration.commands.{command}").__file__
    assert source is not None
    return set(re.findall(r'"(--[a-z][a-z-]*)"', Path(source).read_text()))


def test_the_guide_explains_every_refusal():
    from veaat_migration.policy.reception import RefusalReason

    for reason in RefusalReason:
        assert f"`{reason.value}`" in GUIDE


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_images_copy_what_exists_and_is_let_in(file: Path):
    let_in = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", file.read_text(), re.MULTILINE):
        copied |= set(line.split())
    assert {path.split("/")[0] for path in copied} <= let_in
    for path in copied:
        assert (ROOT / path).exists(), path
    # What CMake installs must be there.
    cmake = (ROOT / "CMakeLists.txt").read_text()
    for folder in re.findall(r"install\(DIRECTORY ([^\n]+?)(?:\n| DEST)", cmake):
        assert {name.rstrip("/") for name in folder.split()} <= copied


@pytest.mark.parametrize("jetpack", ["6", "7"])
def test_the_compose_file_fits_the_images(jetpack: str):
    file = DEPLOY / "container" / "compose.yaml"
    text = file.read_text().replace("${JETPACK:-6}", jetpack)
    service = yaml.safe_load(text)["services"]["av_1"]

    assert (file.parent / service["build"]["context"]).resolve() == ROOT
    image = (ROOT / service["build"]["dockerfile"]).read_text()
    script, name, parameters = service["command"]
    assert f'CMD ["{script}", "{name}", "{parameters}"]' in image
    assert parameters == service["volumes"][0].split(":")[1]
    # Fast DDS shares memory between all nodes of an address, or loses their messages.
    assert {service[key] for key in ("network_mode", "ipc", "pid")} == {"host"}


def test_the_unit_and_the_script_agree():
    unit = UNIT.read_text()

    assert "ExecStart=/opt/veaat/bin/run_node.sh %i /etc/veaat/%i.yaml" in unit
    assert "EnvironmentFile=/etc/veaat/%i.env" in unit
    # The nodes' status for parameters without meaning, and the script's own.
    assert "RestartPreventExitStatus=2" in unit
    # Where the example suggests to keep policies.
    assert "/var/lib/veaat/policies" in (ROOT / "config" / "vehicle.example.yaml").read_text()
    assert "StateDirectory=veaat" in unit


def test_the_unit_is_valid(tmp_path: Path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed here")
    text = UNIT.read_text().replace("/opt/veaat/bin/run_node.sh", "/bin/true")
    (tmp_path / UNIT.name).write_text(text)

    result = subprocess.run(
        [program, "verify", "--man=no", str(tmp_path / "veaat@av_1.service")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stderr
    assert "veaat@" not in result.stderr


@pytest.mark.parametrize("file", SHELL, ids=lambda file: file.name)
def test_scripts_pass_shellcheck(file: Path):
    subprocess.run(["bash", "-n", str(file)], check=True)
    assert os.access(file, os.X_OK)
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not installed here")
    subprocess.run([program, str(file)], check=True)


# run_node.sh


@pytest.fixture
def installation(tmp_path: Path) -> dict[str, str]:
    """A ROS 2 and a workspace whose executables print how they were called."""
    program = tmp_path / "install" / "lib" / "veaat_migration" / "av_inference"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$OMP_NUM_THREADS $ROS_SOURCED $*"\n')
    program.chmod(0o755)
    ros, workspace = tmp_path / "ros.bash", tmp_path / "workspace.bash"
    ros.write_text("export ROS_SOURCED=yes\n: $UNSET_AS_IN_ROS\n")
    workspace.write_text(f"export AMENT_PREFIX_PATH=/nowhere:{tmp_path}/install\n")
    (tmp_path / "av_1.yaml").touch()
    return {"VEAAT_ROS_SETUP": str(ros), "VEAAT_WORKSPACE_SETUP": str(workspace)}


def run_node(
    environment: dict[str, str], *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(DEPLOY / "run_node.sh"), *map(str, arguments)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_it_becomes_the_node(installation: dict[str, str], tmp_path: Path):
    options = {"VEAAT_NAMESPACE": "/town", "VEAAT_ROS_ARGUMENTS": "-r odom:=/localization/odom"}
    file = tmp_path / "av_1.yaml"

    result = run_node(installation | options, "av_1", file)

    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        f"1 yes --ros-args -r __node:=av_1 -r __ns:=/town --params-file {file} "
        "-r odom:=/localization/odom\n"
    )


@pytest.mark.parametrize(
    ("change", "name", "message"),
    [
        ({}, "av 1; rm -rf /", "no name of a node"),
        ({"VEAAT_EXECUTABLE": "../sh"}, "av_1", "no executable's name"),
        ({"VEAAT_EXECUTABLE": "trainer"}, "av_1", "no executable trainer"),
        ({"VEAAT_ROS_SETUP": "/missing"}, "av_1", "/missing: cannot be read"),
        ({"VEAAT_WORKSPACE_SETUP": "/missing"}, "av_1", "/missing: cannot be read"),
    ],
)
def test_what_a_restart_does_not_mend_ends_with_2(
    installation: dict[str, str], tmp_path: Path, change: dict[str, str], name: str, message: str
):
    result = run_node(installation | change, name, tmp_path / "av_1.yaml")

    assert result.returncode == 2
    assert message in result.stderr


def test_parameters_must_be_there(installation: dict[str, str], tmp_path: Path):
    assert run_node(installation, "av_1", tmp_path / "missing.yaml").returncode == 2
    assert run_node(installation, "av_1").returncode == 2


# Engines


@pytest.fixture(scope="module")
def make_artifact() -> Callable[..., PolicyArtifact]:
    import importlib.util

    path = ROOT / "test" / "policy" / "artifacts.py"
    specification = importlib.util.spec_from_file_location("deploy_artifacts", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["deploy_artifacts"] = module
    specification.loader.exec_module(module)
    made: Callable[..., PolicyArtifact] = module.make_artifact
    return made


def test_engines_are_compared_with_the_policy(
    make_artifact: Callable[..., PolicyArtifact], tmp_path: Path
):
    import numpy as np

    artifact = make_artifact()
    exact = np.array([NumpyActor(artifact).act(row) for row in sample_observations(artifact)])

    assert largest_difference(artifact, exact) == 0.0
    assert largest_difference(artifact, exact + 0.5) == pytest.approx(0.05)
    with pytest.raises(EngineError, match="shape"):
        largest_difference(artifact, exact[:2])
    with pytest.raises(EngineError, match="finite"):
        largest_difference(artifact, exact * np.nan)
    for text in ("", "[]", '[{"name": "action"}]', '[{"name": "action", "dimensions": "1x2", '
                 '"values": [1]}]'):  # fmt: skip
        (tmp_path / "out.json").write_text(text)
        with pytest.raises(EngineError, match="output"):
            read_output(tmp_path / "out.json")
    assert main(["compare", str(tmp_path / "missing"), str(tmp_path / "out.json")]) == 2
    assert main([]) == 2


TRTEXEC = """#!{python}
# Stands in for trtexec: an "engine" is the graph itself, answered by onnxruntime.
import json, os, shutil, sys
import numpy as np, onnxruntime
options = dict(option.lstrip("-").partition("=")[::2] for option in sys.argv[1:])
if "onnx" in options:
    assert options["minShapes"].startswith("observation:1x")
    shutil.copy(options["onnx"], options["saveEngine"])
    sys.exit(int(os.environ.get("FAILS", "0")))
shape = [int(n) for n in options["shapes"].partition(":")[2].split("x")]
data = np.fromfile(options["loadInputs"].partition(":")[2], dtype="<f4").reshape(shape)
session = onnxruntime.InferenceSession(
    open(options["loadEngine"], "rb").read(), providers=["CPUExecutionProvider"]
)
(answer,) = session.run(["action"], {{"observation": data}})
answer = answer * float(os.environ.get("FACTOR", "1"))
json.dump(
    [{{"name": "action", "dimensions": "x".join(map(str, answer.shape)),
       "values": answer.ravel().tolist()}}],
    open(options["exportOutput"], "w"),
)
"""


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A folder for PATH with stand-ins for a Jetson's programs."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = {
        "trtexec": TRTEXEC.format(python=sys.executable),
        "veaat": f'#!/bin/sh\nexec {sys.executable} -m veaat_migration.cli "$@"\n',
    }
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def build(device: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(DEPLOY / "build_engine.sh"), *map(str, arguments)],
        env={
            **os.environ, "PATH": f"{device}:{os.environ['PATH']}", "PYTHON": sys.executable,
            **environment,
        },
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_engines_of_a_bundle_are_built_and_checked(
    make_artifact: Callable[..., PolicyArtifact], device: Path, tmp_path: Path
):
    write_bundle([make_artifact("leader", 1), make_artifact("follower", 1)], tmp_path / "bundle")

    result = build(device, "--fp16", tmp_path / "bundle", tmp_path / "engines")

    assert result.returncode == 0, result.stderr
    assert result.stdout.count("agrees with") == 2
    assert sorted(path.name for path in (tmp_path / "engines").iterdir()) == [
        "follower-1.engine",
        "leader-1.engine",
    ]


def test_an_engine_that_differs_is_deleted(
    make_artifact: Callable[..., PolicyArtifact], device: Path, tmp_path: Path
):
    write_policy(make_artifact(), tmp_path / "av1.safetensors")

    result = build(device, tmp_path / "av1.safetensors", tmp_path / "engines", FACTOR="1.1")

    assert result.returncode == 1
    assert "DIFFERS from" in result.stdout
    assert list((tmp_path / "engines").iterdir()) == []


def test_what_goes_wrong_is_said(
    make_artifact: Callable[..., PolicyArtifact], device: Path, tmp_path: Path
):
    write_policy(make_artifact(), tmp_path / "av1.safetensors")
    (tmp_path / "empty").mkdir()

    failing = build(device, tmp_path / "av1.safetensors", tmp_path / "engines", FAILS="3")
    assert failing.returncode == 2
    assert "could not build" in failing.stderr
    assert build(device, tmp_path / "empty", tmp_path / "engines").returncode == 2
    assert build(device).returncode == 2
    (device / "trtexec").unlink()
    if shutil.which("trtexec") is None:
        missing = build(device, tmp_path / "av1.safetensors", tmp_path / "engines")
        assert "trtexec not found" in missing.stderr
