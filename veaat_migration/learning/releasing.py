"""From a run in progress to releases: each time better compact policies have been judged."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Sequence

from veaat_migration.errors import VeaatError
from veaat_migration.learning.export import export_policies
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.trainer import POLICIES, Trainer, TrainerStatus
from veaat_migration.learning.worker_messages import ReleaseOrder
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.network_file import canonical_json
from veaat_migration.policy.policy_files import read_bundle
from veaat_migration.policy.release import Figures, Origin, Release, ReleaseError
from veaat_migration.policy.releases import ReleaseBook
from veaat_migration.policy.signature import load_private_key
from veaat_migration.scenario.instance_file import instance_to_mapping


class Releaser:
    """Looks at a trainer after each iteration; called in the trainer's thread."""

    def __init__(self, trainer: Trainer, order: ReleaseOrder) -> None:
        """Open the book and load the key.

        Raises:
            VeaatError: the key or the book's folder is unusable.
        """
        self._trainer, self._order = trainer, order
        self._key = None if order.signing_key is None else load_private_key(order.signing_key)
        self._book = ReleaseBook(order.folder, keep=order.keep)
        numbers = canonical_json(instance_to_mapping(trainer.instance))
        self._game = hashlib.sha256(numbers.encode()).hexdigest()
        self._released_at = -math.inf
        self._judged: object = None
        self._held = False
        self.message = ""
        """Why the last release failed; empty: it did not."""
        latest = self._book.latest
        self.version = 0
        """Of this run's latest release; 0: none."""
        if latest is not None and self._is_ours(latest):
            self.version = latest.policy_version

    @property
    def is_out(self) -> bool:
        """Whether the run is finished and its final policies have been released already."""
        latest = self._book.latest
        learner = self._trainer.learner
        return (
            learner.finished
            and latest is not None
            and latest.final
            and self._is_ours(latest)
            and latest.origin.iteration == learner.iteration
            and self._trainer.folder is not None
            and (self._trainer.folder / POLICIES).is_dir()
        )

    def begin(self) -> None:
        """Judge what there is: after a restart the figures are there before the next are due."""
        self._judged = self._trainer.evaluate().report
        self._trainer.policy_version = self._next_version()

    def hold(self) -> None:
        """Release nothing any more."""
        self._held = True

    def after_iteration(self, status: TrainerStatus) -> None:
        """Release what is better; and choose the version of the final policies."""
        learner = self._trainer.learner
        if learner.finished:
            self._trainer.policy_version = self._next_version()
            return
        new = status.report is not None and status.report is not self._judged
        self._judged = status.report
        compact = isinstance(learner, Learner) and learner.iteration > learner.average_start
        if not (new and compact and isinstance(learner, Learner)) or self._held:
            return
        if time.monotonic() - self._released_at < self._order.period:
            return
        latest = self._book.latest
        comparable = latest is not None and latest.origin.game == self._game
        figures = self.figures(status)
        before = latest.figures if latest is not None and comparable else None
        if self._order.rule.better(figures, before):
            self._release(
                lambda: export_policies(learner, policy_version=self._next_version()), figures
            )

    def after_end(self) -> None:
        """Release the final policies, as they were written, unless that has been done."""
        folder = self._trainer.folder
        if self._held or folder is None or self.is_out:
            return
        if not isinstance(self._trainer.learner, Learner):
            self.message = "this algorithm has no policies to release"
            return
        figures = self.figures(self._trainer.status())
        self._release(lambda: list(read_bundle(folder / POLICIES)), figures, final=True)

    @staticmethod
    def figures(status: TrainerStatus) -> Figures:
        """Figures of merit of the last judgement."""
        report = status.report
        if report is None:
            return Figures(math.nan, math.nan)
        gap = math.nan if report.gaps is None else float(abs(report.gaps).max())
        return Figures(gap, float(report.exploitability))

    def _release(
        self,
        policies: Callable[[], Sequence[PolicyArtifact]],
        figures: Figures,
        *,
        final: bool = False,
    ) -> None:
        try:
            release = self._book.add(
                policies(), game=self._game, figures=figures, final=final, key=self._key
            )
        except (VeaatError, ValueError) as error:
            # Training goes on: the disk may have room again at the next one.
            self.message = f"not released: {error}"
            return
        self.message = ""
        self.version = release.policy_version
        self._released_at = time.monotonic()

    def _next_version(self) -> int:
        with contextlib.suppress(ReleaseError):  # adding will tell
            self._book.refresh()
        return self._book.next_version(above=self._order.above)

    def _is_ours(self, release: Release) -> bool:
        learner = self._trainer.learner
        ours = Origin(learner.config.digest(), learner.seed, release.origin.iteration, self._game)
        return release.origin == ours
