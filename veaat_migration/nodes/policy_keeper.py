"""Writes accepted policies to disk in a thread of its own: a disk may take time, a round not."""

from __future__ import annotations

import threading

from veaat_migration.errors import VeaatError
from veaat_migration.policy.policy_store import PolicyStore
from veaat_migration.policy.verdict import Accepted


class PolicyKeeper:
    """Keeps the newest policy; those that come while it writes are skipped but for the last."""

    def __init__(self, store: PolicyStore) -> None:
        """Start the thread."""
        self.problem = ""
        """Why the last policy could not be kept; empty: it was."""
        self._store = store
        self._next: Accepted | None = None
        self._ending = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True, name="policy_keeper")
        self._thread.start()

    def keep(self, accepted: Accepted) -> None:
        """Have this policy written soon."""
        with self._news:
            self._next = accepted
            self._news.notify()

    def close(self) -> None:
        """Write what is left and end the thread."""
        with self._news:
            self._ending = True
            self._news.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._next is not None or self._ending)
                accepted, self._next = self._next, None
            if accepted is None:
                return
            try:
                self._store.save(accepted)
                self.problem = ""
            except VeaatError as error:
                self.problem = f"policy_store: {error}"
