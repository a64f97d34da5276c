"""The competitors' own environment: a virtual environment that only this benchmark uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def competitors_python(folder: Path) -> Path:
    """The interpreter of the environment in ``folder``, which is made or renewed where needed.

    Raises:
        SystemExit: it cannot be made.
    """
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text(encoding='utf-8')}"
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing the competitors into {folder} (once, 2 GB or more) ...", flush=True)
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        # torch first and alone: what needs it then takes this one and no other.
        [str(python), "-m", "pip", "install", "--quiet", torch_requirement()],
        [str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)],
    ]
    for command in commands:
        if subprocess.run(command, check=False).returncode:
            sys.exit(
                f"cannot install the competitors: '{' '.join(command)}' failed, see above.\n"
                "With --only veaat-mappo,veaat-iei this project alone is measured."
            )
    stamp.write_text(wanted, encoding="utf-8")
    return python


def torch_requirement() -> str:
    """The line of the requirements that pins torch."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch=="))
