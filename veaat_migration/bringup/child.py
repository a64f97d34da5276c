"""One node as a child process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from veaat_migration.bringup.plan import NodeSpec, Part

START_UP = 10.0
"""A node that fails within this time has failed to start [s]."""


class Child:
    """Starts, watches and stops one node. Call :meth:`poll` often."""

    def __init__(
        self, spec: NodeSpec, parameters: Path, log: Path, environment: Mapping[str, str]
    ) -> None:
        """Prepare; nothing is started yet."""
        self.spec = spec
        self.failures = 0
        """Deaths in a row soon after a start."""
        self._parameters = parameters
        self._log = log
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    def start(self) -> None:
        """Start the process in a session of its own: Ctrl-C of the terminal is for the starter.

        Only then can the starter stop players before the recorder. The monitor writes to our
        own standard output, everything else goes to the log.
        """
        spec = self.spec
        command = [
            sys.executable,
            "-m",
            "veaat_migration.nodes",
            spec.executable,
            "--ros-args",
            "-r",
            f"__node:={spec.name}",
            "-r",
            f"__ns:={spec.namespace}",
            *(word for pair in spec.remappings.items() for word in ("-r", ":=".join(pair))),
            "--params-file",
            str(self._parameters),
            "--disable-external-lib-logs",
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=None if spec.part is Part.MONITOR else log,
                stderr=log,
                env=dict(self._environment),
                # With -m, Python looks in the working folder first: not in a source checkout,
                # whose package lacks the generated messages.
                cwd=self._log.parent,
                start_new_session=True,
            )
        self._started_at = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit status of the last life, negative for a signal; None: alive or never started."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int | None:
        """Process id of the current or last life."""
        return None if self._process is None else self._process.pid

    @property
    def failed_to_start(self) -> bool:
        """Whether it ended by itself with an error soon after it was started."""
        code = self.exit_code
        return code is not None and code > 0 and time.monotonic() < self._started_at + START_UP

    def send(self, number: signal.Signals) -> None:
        """Send a signal if the process lives."""
        if self.running and self._process is not None:
            self._process.send_signal(number)

    def describe_end(self) -> str:
        """How the process ended, in words."""
        code = self.exit_code
        if code is None:
            return "is running"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit status {code}"
