"""Start the set-up with a Python that can run it (this file must parse on Python 3.6)."""

import os
import shutil
import subprocess
import sys

OLDEST = (3, 10)
CANDIDATES = ["python3.%d" % minor for minor in (12, 13, 14, 11, 10)]
MESSAGE = """\
set-up: Python {oldest} or newer is needed, but {found} is {version}.
Install a newer one next to it and start again, it is found by its name (python3.12 and so on):
  sudo apt install python3.12 python3.12-venv python3.12-dev
(Where apt does not know it: 'sudo add-apt-repository ppa:deadsnakes/ppa' on Ubuntu, or pyenv.)"""


def newer_python() -> "str | None":
    """Path of a Python on PATH that is new enough, or None."""
    check = "import sys; sys.exit(sys.version_info < %r)" % (OLDEST,)
    for name in CANDIDATES:
        path = shutil.which(name)
        # A name can exist and not start (pyenv shims), so try it.
        if path and subprocess.call([path, "-c", check], stderr=subprocess.DEVNULL) == 0:
            return path
    return None


def main() -> int:
    """Hand over to the set-up, in another interpreter if this one is too old."""
    if sys.version_info < OLDEST:
        python = newer_python()
        if python is None:
            oldest, version = (".".join(map(str, v[:3])) for v in (OLDEST, sys.version_info))
            print(
                MESSAGE.format(oldest=oldest, found=sys.executable, version=version),
                file=sys.stderr,
            )
            return 1
        os.execv(python, [python, "-S", "-E", __file__] + sys.argv[1:])  # noqa: RUF005 (Python 3.6)
    from environment.main import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
