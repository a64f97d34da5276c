"""From a bag to a report: tables, figures, and one summary of how the game went."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veaat_migration.analysis.audit import Audit, audit
from veaat_migration.analysis.benchmark import Benchmark, exploitability_of, solve_benchmark
from veaat_migration.analysis.history import History, history_of
from veaat_migration.analysis.metrics import (
    Percentiles,
    PlayerCounts,
    Utilities,
    convergence_round,
    deviations,
    latencies,
    percentiles,
    player_counts,
    round_rate,
    utilities_of,
)
from veaat_migration.analysis.reading import Recording, read_bag
from veaat_migration.analysis.tables import write_csv, write_tables
from veaat_migration.errors import VeaatError
from veaat_migration.game.instance import FloatArray, GameInstance

if TYPE_CHECKING:
    from veaat_migration.analysis.benchmark import Exploitability


@dataclass
class Play:
    """Prices, demands and utilities of one moment of the game."""

    prices: FloatArray
    """p_j [money/MHz], shape [R]."""
    demand: FloatArray
    """b_ij [MHz], shape [V, R]."""
    utility_rsu: FloatArray | None = None
    """[money], shape [R]"""
    utility_av: FloatArray | None = None
    """[money], shape [V]"""


@dataclass
class Report:
    """How a recorded game went. Fields that need what the bag does not hold are None or empty."""

    bag: Path
    namespace: str
    topics: Mapping[str, tuple[str, int]]
    """Message type and number of messages of every topic in the bag."""
    missing_topics: list[str]
    problems: list[str]
    """What is wrong with the bag or could not be computed, and why."""
    tolerance: float
    rsu_ids: list[int]
    av_ids: list[int]
    rounds: int
    """Rounds that at least one RSU settled."""
    first_round: int | None
    last_round: int | None
    complete_rounds: int
    """Rounds in which every RSU accepted a bid of every AV."""
    rounds_per_second: float
    round_duration: Percentiles
    """[s]"""
    latency_ms: dict[str, Percentiles]
    players: PlayerCounts
    audit: Audit
    recorder_lost: int | None = None
    """Messages that the recorder itself knows to have missed; None: it does not say."""
    final_round: int | None = None
    """Last complete round."""
    final: Play | None = None
    """The play of the last complete round."""
    equilibrium: Play | None = None
    equilibrium_status: str | None = None
    deviation_rsu: FloatArray | None = None
    """U/U* - 1 in the final round, shape [R]."""
    deviation_av: FloatArray | None = None
    """Shape [V]."""
    converged: int | None = None
    """First round from which all utilities stay within the tolerance until the end."""
    worst_since_converged: float | None = None
    """Largest absolute deviation from the round of convergence on."""
    exploitability: Exploitability | None = None
    """What a player could gain by deviating alone from the final play."""
    files: list[Path] = field(default_factory=list)
    """Everything that was written."""

    def to_mapping(self) -> dict[str, Any]:
        """The report as plain values for JSON; what is not finite becomes None."""
        plain = _plain(asdict(self))
        assert isinstance(plain, dict)
        return plain


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def write_report(
    bag_dir: Path | str,
    out_dir: Path | str,
    *,
    tolerance: float = 0.01,
    scenario: Path | str | None = None,
    namespace: str | None = None,
    plots: bool = True,
) -> Report:
    """Analyse a bag and write tables (CSV), figures (PNG) and ``report.json``.

    Args:
        bag_dir: bag folder or storage file.
        out_dir: folder for the results; created if need be, files of the same name replaced.
        tolerance: relative utility deviation that counts as converged.
        scenario: scenario or instance file to use instead of the game in the bag.
        namespace: namespace of the game; needed only if the bag holds several.
        plots: draw figures.

    Raises:
        BagError: the bag cannot be read at all, or ``out_dir`` cannot be written.
        VeaatError: the scenario cannot be read.
    """
    recording = read_bag(bag_dir, namespace)
    problems = list(recording.problems)
    instance = _instance(recording, scenario, problems)
    history = history_of(recording, instance)
    out = _folder(Path(out_dir))
    files = write_tables(recording, out)
    report = _basic_report(recording, history, tolerance, problems)
    utilities = None
    worst = None
    if instance is not None and len(history.rounds):
        utilities = utilities_of(instance, history)
        benchmark = _benchmark(instance, problems)
        worst = _compare(report, instance, history, utilities, benchmark)
        files.append(_write_rounds(out, history, utilities, worst))
    report.files = files
    if plots and len(history.rounds):
        report.files += _draw(out, history, utilities, worst, report)
    report.files.append(out / "report.json")
    text = json.dumps(report.to_mapping(), indent=2, allow_nan=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    return report
