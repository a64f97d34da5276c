"""Follows releases of policies: hears what is announced, fetches the own one, has it judged.

One thing at a time: a release that is announced while another one is fetched or judged waits,
and only the latest of those that wait counts. What is judged to be good is handed on between two
callbacks, so between two rounds' decisions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from rclpy.timer import Timer

from veaat_migration import msg, srv
from veaat_migration.nodes import qos
from veaat_migration.nodes.connections import subscribe_to
from veaat_migration.policy.artifact import PolicyFileError
from veaat_migration.policy.policy_files import read_limited
from veaat_migration.policy.reception import Reception
from veaat_migration.policy.verdict import Accepted, RefusalReason, Refused

FIRST_RETRY, LAST_RETRY = 0.5, 30.0
"""Shortest and longest time between two attempts to fetch a policy [s]; it doubles."""
SERVICE = "get_policy"

Verdict = Accepted | Refused


class PolicyIntake:
    """The topic ``policy_manifest`` and the service ``get_policy`` from an agent's side."""

    def __init__(
        self,
        node: Node,
        reception: Reception,
        on_accepted: Callable[[Accepted], None],
        *,
        timeout: float,
        threaded: bool,
    ) -> None:
        """Begin to follow releases.

        Args:
            node: that plays.
            reception: judges what comes.
            on_accepted: called with every policy to play from now on.
            timeout: longest wait for an answer of the service [s].
            threaded: judge in a thread, for runtimes that take long to load a policy.
        """
        self._node = node
        self._reception = reception
        self._on_accepted = on_accepted
        self._timeout = timeout
        self._threaded = threaded
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._goal: tuple[int, Any] | None = None
        """Version and PolicyEntry that is being fetched."""
        self._waiting: tuple[int, Any] | None = None
        """The latest release that was announced meanwhile."""
        self._judging = False
        self._attempt = 0
        self._call: Future | None = None
        self._timer: Timer | None = None
        self._closed = False
        self.trouble = ""
        """Why the present release is not here yet; empty: nothing is wrong."""
        self._client = node.create_client(srv.GetPolicy, SERVICE)
        self._subscription = subscribe_to(
            node, msg.PolicyManifest, "policy_manifest", qos.LATCHED, self._on_manifest
        )

    @property
    def release(self) -> str:
        """What is being fetched, for a person; empty: nothing."""
        if self._goal is None:
            return ""
        trouble = f": {self.trouble}" if self.trouble else ""
        return f"fetching version {self._goal[0]}, attempt {self._attempt}{trouble}"

    def destroy(self) -> None:
        """Follow no more; what is under way is dropped."""
        self._closed = True
        self._stop_waiting()
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_client(self._client)

    # What is announced

    def _on_manifest(self, manifest: Any) -> None:
        for entry in manifest.policies:
            if self._reception.wanted(manifest.policy_version, entry):
                self._waiting = (manifest.policy_version, entry)
                break
        else:
            return
        # What is on its way is awaited: releases in quick succession must not starve each other.
        if not self._judging and self._call is None:
            self._begin()

    def _begin(self) -> None:
        """Turn to the release that waits."""
        self._stop_waiting()
        self._goal, self._waiting = self._waiting, None
        self._attempt = 0
        self.trouble = ""
        if self._goal is not None:
            self._fetch()

    # Fetching

    def _fetch(self) -> None:
        assert self._goal is not None
        self._attempt += 1
        entry = self._goal[1]
        content = self._from_location(entry.location)
        if content is not None:
            self._judge(content, bytes(entry.signature))
        elif self._client.service_is_ready():
            request = srv.GetPolicy.Request(
                role=entry.role, agent_id=entry.agent_id, sha256=entry.sha256
            )
            self._call = call = self._client.call_async(request)
            call.add_done_callback(self._on_answer)
            self._wait(self._timeout, self._on_timeout)
        else:
            service = self._node.resolve_service_name(SERVICE)
            self._retry(f"nobody offers the service {service}")

    def _from_location(self, location: str) -> bytes | None:
        """Content of a file on this machine; None: there is none."""
        try:
            parts = urlsplit(location)
        except ValueError:
            return None
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            return None
        try:
            # One byte more shows that there is more.
            return read_limited(Path(unquote(parts.path)), self._reception.max_size)
        except PolicyFileError as error:
            self.trouble = str(error)
            return None

    def _on_answer(self, call: Future) -> None:
        if self._closed or self._call is None or call is not self._call:
            return
        self._stop_waiting()
        assert self._goal is not None
        try:
            answer = call.result()
        except Exception as error:  # of the RMW, unspecified
            self._retry(f"{SERVICE}: {error}")
            return
        if answer is None or not answer.success:
            self._retry(f"{SERVICE}: {'no answer' if answer is None else answer.message}")
            return
        signature = bytes(answer.signature) or bytes(self._goal[1].signature)
        self._judge(bytes(answer.content), signature)

    def _on_timeout(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            self._client.remove_pending_request(call)
        self._retry(f"{SERVICE}: no answer within {self._timeout:g} s")

    def _retry(self, trouble: str) -> None:
        """Try again later, or turn to a newer release."""
        self.trouble = trouble
        if self._waiting is not None:
            self._begin()
            return
        self._wait(min(FIRST_RETRY * 2.0 ** (self._attempt - 1), LAST_RETRY), self._fetch)

    def _wait(self, seconds: float, action: Callable[[], None]) -> None:
        self._stop_timer()

        def due() -> None:
            self._stop_timer()
            if not self._closed:
                action()

        self._timer = self._node.create_timer(seconds, due, clock=self._steady)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._node.destroy_timer(self._timer)
        self._timer = None

    def _stop_waiting(self) -> None:
        self._stop_timer()
        call, self._call = self._call, None
        if call is not None and not call.done():
            self._client.remove_pending_request(call)

    # Judging

    def _judge(self, content: bytes, signature: bytes) -> None:
        assert self._goal is not None
        version, entry = self._goal
        self._judging = True

        def judge() -> Verdict:
            try:
                return self._reception.take(
                    content, signature, version, entry.sha256, size=entry.size
                )
            except Exception as error:  # a fault of ours must not end the game
                reason = f"{type(error).__name__}: {error}"
                return self._reception.refuse(RefusalReason.CORRUPT, reason)

        if not self._threaded:
            self._on_verdict(judge())
            return
        executor = self._node.executor

        def work() -> None:
            verdict = judge()
            executor.create_task(self._on_verdict, verdict)

        threading.Thread(target=work, daemon=True, name="policy_intake").start()

    def _on_verdict(self, verdict: Verdict) -> None:
        self._judging = False
        if self._closed:
            return
        if isinstance(verdict, Accepted):
            self._on_accepted(verdict)
        elif self._goal is not None and self._reception.wanted(*self._goal):
            # A fault of the way, not of the policy.
            self._retry(verdict.message)
            return
        self._goal = None
        self.trouble = ""
        if self._waiting is not None and self._reception.wanted(*self._waiting):
            self._begin()
        self._waiting = None
