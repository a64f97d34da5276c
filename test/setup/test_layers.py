"""Arrows between the layers point downwards only."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from environment.main import LEARNING_COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "veaat_migration"
STANDARD = set(sys.stdlib_module_names)

# Third-party modules and other layers that a layer may import.
ALLOWED = {
    "game": {"numpy", "scipy", "torch"},
    "policy": {"numpy", "onnx", "onnxruntime", "cryptography", "game"},
    "protocol": {"numpy", "game", "policy"},
    "doctor": {"onnxruntime", "rclpy", "rcl_interfaces", "policy"},
    "mobility": {"numpy", "game"},
    "service": {"numpy", "protocol"},
    "scenario": {"numpy", "pydantic", "pydantic_core", "yaml", "matplotlib", "game", "mobility"},
    "learning": {
        *("numpy", "torch", "safetensors", "pydantic", "matplotlib"),
        *("gymnasium", "pettingzoo"),
        *("game", "policy", "scenario", "analysis"),
    },
    "fleet": {
        *("numpy", "torch", "matplotlib"),
        *("game", "policy", "protocol", "mobility", "scenario", "analysis", "experiments"),
    },
    "qoe": {"numpy", "torch", "safetensors", "PIL"},
    "studies": {"numpy", "scipy", "pydantic", "matplotlib", "game", "scenario", "analysis"},
    "experiments": {
        *("numpy", "scipy", "torch", "pydantic", "yaml", "matplotlib", "ray"),
        *("game", "policy", "scenario", "learning", "studies", "analysis"),
    },
}

# Modules beside the layers that all of them may use.
COMMON = ("errors", "parallel", "workers", "progress", "digests", "kept")


def imports(file: Path) -> Iterator[str]:
    """Layers of this package and third-party modules that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names = [node.module or ""]
            if node.module == "veaat_migration":
                names = [f"veaat_migration.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first == "veaat_migration":
                yield rest.split(".")[0]
            elif first not in STANDARD:
                yield first


@pytest.mark.parametrize("layer", sorted(ALLOWED))
def test_a_layer_imports_only_what_lies_below(layer: str) -> None:
    allowed = ALLOWED[layer] | {layer, *COMMON}
    found = {
        (str(file.relative_to(PACKAGE)), name)
        for file in (PACKAGE / layer).rglob("*.py")
        for name in imports(file)
        if name not in allowed
    }

    assert found == set()


def test_only_nodes_import_rclpy() -> None:
    found = {
        str(file.relative_to(PACKAGE).parts[0])
        for file in PACKAGE.rglob("*.py")
        if "rclpy" in imports(file)
    }

    # The doctor looks at the graph with a node of its own.
    assert found <= {"nodes", "doctor"}


def test_the_set_up_adds_pytorch_for_every_command_that_needs_it() -> None:
    found = {
        file.stem
        for file in (PACKAGE / "commands").glob("*.py")
        if {"learning", "qoe", "torch"} & set(imports(file))
    }

    assert found <= set(LEARNING_COMMANDS)


def run_without(modules: list[str], *lines: str) -> subprocess.CompletedProcess[str]:
    """Run lines of Python in which some modules cannot be imported."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({modules!r}))"
    return subprocess.run(
        [sys.executable, "-c", "\n".join([blocked, *lines])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tools_work_without_ros() -> None:
    result = run_without(
        ["rclpy", "std_msgs", "rosidl_runtime_py", "veaat_migration.msg", "launch"],
        "from veaat_migration.cli import main",
        "import veaat_migration.analysis.report",
        "sys.exit(main(['solve', 'config/base.yaml']))",
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout


LEARNING = ["torch", "gymnasium", "pettingzoo", "tensorboard", "onnx", "onnxruntime"]


def test_the_tools_work_without_pytorch() -> None:
    result = run_without(
        LEARNING,
        "from veaat_migration.cli import build_parser, main",
        "build_parser().format_help()",
        "sys.exit(main(['solve', 'config/base.yaml']))",
    )

    assert result.returncode == 0, result.stderr


def test_vehicles_need_neither_scipy_nor_what_reads_scenarios_or_learns() -> None:
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for layer in ("policy", "protocol")
        for file in sorted((PACKAGE / layer).rglob("*.py"))
        if file.stem != "__init__"
    ]
    result = run_without(
        ["scipy", "pydantic", "yaml", "matplotlib", "cryptography", "rclpy", *LEARNING],
        *(f"import {module}" for module in modules),
    )

    assert result.returncode == 0, result.stderr
