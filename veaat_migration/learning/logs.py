"""The diary of a run: ``log.csv`` with a row per iteration, and the same for TensorBoard."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veaat_migration.errors import VeaatError
from veaat_migration.game.equilibrium import Solution
from veaat_migration.game.instance import GameInstance

if TYPE_CHECKING:
    from veaat_migration.learning.trainer import TrainerStatus

FILE = "log.csv"


class LogError(VeaatError, OSError):
    """A log that cannot be written."""


class RunLog:
    """Appends to the log of a run; rows after the iteration it goes on from are dropped first."""

    def __init__(
        self,
        folder: Path,
        instance: GameInstance,
        equilibrium: Solution | None,
        *,
        first: int,
        tensorboard: bool,
    ) -> None:
        """Open the log.

        Args:
            folder: where it is.
            instance: the game.
            equilibrium: what utilities are compared with.
            first: iterations that are done already.
            tensorboard: also write TensorBoard events.

        Raises:
            LogError: it cannot be written.
        """
        self._players = [f"rsu_{j + 1}" for j in range(instance.n_rsus)]
        self._players += [f"av_{i + 1}" for i in range(instance.n_avs)]
        self._n_rsus = instance.n_rsus
        self._columns = self._header()
        path = folder / FILE
        try:
            rows = _rows(path, first) if first else []
            temporary = path.with_name(FILE + ".part")
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, self._columns)
                writer.writeheader()
                writer.writerows([{c: row.get(c, "") for c in self._columns} for row in rows])
            temporary.replace(path)
            self._file = path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            raise LogError(f"{path}: {error.strerror or error}") from error
        self._writer = csv.DictWriter(self._file, self._columns)
        self._events = _event_writer(folder, first) if tensorboard else None
        if self._events is not None and equilibrium is not None:
            exact = [*equilibrium.leader_utilities, *equilibrium.follower_utilities]
            for player, utility in zip(self._players, exact, strict=True):
                self._events.add_scalar(f"equilibrium/{player}", utility, first)

    def _header(self) -> list[str]:
        columns = ["iteration", "steps", "seconds", "steps_per_second", "sparsity"]
        columns += [f"reward_{player}" for player in self._players]
        columns += [f"surprise_{player}" for player in self._players]
        columns += [f"utility_{player}" for player in self._players]
        columns += [f"gap_{player}" for player in self._players]
        columns += [f"price_{player}" for player in self._players[: self._n_rsus]]
        columns += ["exploitability"]
        return columns

    def add(self, status: TrainerStatus, evaluated: bool) -> None:
        """A row of the log: utilities without exploration stand only in ``evaluated`` ones."""
        progress, report = status.progress, status.report
        if progress is None:
            return
        row: dict[str, Any] = {
            "iteration": progress.iteration,
            "steps": progress.steps,
            "seconds": round(status.seconds, 3),
            "steps_per_second": round(status.steps_per_second, 1),
            "sparsity": round(sum(progress.sparsity) / len(progress.sparsity), 4),
        }
        self._by_player(row, "reward", progress.rewards)
        self._by_player(row, "surprise", progress.surprise)
        if evaluated and report is not None:
            play = report.play
            self._by_player(row, "utility", [*play.leader_utilities, *play.follower_utilities])
            if report.gaps is not None:
                self._by_player(row, "gap", report.gaps)
            self._by_player(row, "price", play.prices)
            row["exploitability"] = float(f"{report.exploitability:.6g}")
        self._writer.writerow(row)
        if self._events is not None:
            for name, value in row.items():
                if name not in ("iteration", "steps"):
                    kind, _, player = name.partition("_")
                    tag = f"{kind}/{player}" if player in self._players else f"run/{name}"
                    self._events.add_scalar(tag, value, progress.iteration)

    def _by_player(self, row: dict[str, Any], kind: str, values: Any) -> None:
        for player, value in zip(self._players, values, strict=False):
            row[f"{kind}_{player}"] = float(f"{float(value):.6g}")

    def flush(self) -> None:
        """Hand all rows to the system."""
        self._file.flush()
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._events is not None:
            self._events.close()


def read_log(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's log; empty cells are left out.

    Raises:
        LogError: there is no log, or it is damaged.
    """
    path = folder / FILE
    try:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
        ]
    except (OSError, ValueError) as error:
        raise LogError(f"{path}: {error}") from error


def _rows(path: Path, last: int) -> list[dict[str, str]]:
    """Rows up to an iteration."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            row
            for row in csv.DictReader(file)
            if (row["iteration"] or "").isdigit() and int(row["iteration"]) <= last
        ]


def _event_writer(folder: Path, first: int) -> Any:
    """Torch's writer of TensorBoard events, or nothing where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    # Events after the checkpoint are superseded by those of the resumed run.
    return SummaryWriter(str(folder), purge_step=first + 1 if first else None)
