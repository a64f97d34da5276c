"""Install the part that needs no ROS with pip: the library and the ``veaat`` command.

ROS 2 builds the package with CMakeLists.txt and does not look at this file.
"""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    """Requirements of a file in tools/, comments left out."""
    lines = (ROOT / "tools" / f"requirements-{name}.in").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def package_version() -> str:
    """Version as package.xml states it."""
    text = (ROOT / "package.xml").read_text(encoding="utf-8")
    match = re.search(r"<version>(.+?)</version>", text)
    if match is None:
        raise ValueError("package.xml: no <version>")
    return match[1]


LEARNING = requirements("learning")

setup(
    name="veaat_migration",
    version=package_version(),
    description="Migration of vehicular embodied-AI agent twins as a Stackelberg game",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["veaat_migration", "veaat_migration.*"]),
    package_data={
        "veaat_migration": ["py.typed", "analysis/replay_assets/*", "fleet/*.safetensors"]
    },
    install_requires=requirements("runtime"),
    extras_require={
        "dev": requirements("dev"),
        "learning": LEARNING,
        "ray": [*LEARNING, *requirements("ray")],
        "onnx": [line for line in LEARNING if line.startswith("onnxruntime")],
    },
    entry_points={"console_scripts": ["veaat = veaat_migration.cli:main"]},
    zip_safe=False,
)
