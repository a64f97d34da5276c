"""From a bag to a report: tables, figures, and one summary of how the game went."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from veaat_migration.analysis.audit import Audit, audit
from veaat_migration.analysis.bag_writer import OVERRUNS
from veaat_migration.analysis.benchmark import Effort, Gains, effort_for, gains_of, solved
from veaat_migration.analysis.history import History, history_of
from veaat_migration.analysis.metrics import (
    Percentiles,
    Play,
    PlayerCounts,
    PolicyUse,
    Utilities,
    convergence_round,
    deviations,
    latencies,
    percentiles,
    player_counts,
    policy_use,
    round_rate,
    utilities_of,
)
from veaat_migration.analysis.migrations import Migrations, migrations_of
from veaat_migration.analysis.reading import Recording, read_bag
from veaat_migration.analysis.round_tables import write_round_tables
from veaat_migration.analysis.storage import BagError
from veaat_migration.analysis.tables import write_tables
from veaat_migration.errors import VeaatError
from veaat_migration.game.instance import FloatArray, GameInstance


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
    policies: dict[str, PolicyUse] = field(default_factory=dict)
    """Policy of every player ("rsu 1")."""
    final_round: int | None = None
    """Last complete round, whose play the next four fields hold."""
    final_prices: FloatArray | None = None
    """p_j [money/MHz], shape [R]."""
    final_demand: FloatArray | None = None
    """b_ij [MHz], shape [V, R]."""
    final_utility_rsu: FloatArray | None = None
    """U_j^L [money], shape [R]."""
    final_utility_av: FloatArray | None = None
    """U_i^F [money], shape [V]."""
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
    exploitability: Gains | None = None
    """What a player could gain by deviating alone from the final play."""
    migrations: Migrations | None = None
    """What became of twins; None: none are in the bag."""
    files: list[Path] = field(default_factory=list)
    """Everything that was written."""

    def to_mapping(self) -> dict[str, Any]:
        """The report as plain values for JSON; what is not finite becomes None."""
        plain: dict[str, Any] = _plain(asdict(self))
        plain["topics"] = {
            topic: {"type": kind, "messages": count} for topic, (kind, count) in self.topics.items()
        }
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
    equilibrium: bool | None = None,
) -> Report:
    """Analyse a bag and write tables (CSV), figures (PNG) and ``report.json``.

    Args:
        bag_dir: bag folder or storage file.
        out_dir: folder for the results; created if need be, files of the same name replaced.
        tolerance: relative utility deviation that counts as converged.
        scenario: scenario or instance file to use instead of the game in the bag.
        namespace: namespace of the game; needed only if the bag holds several.
        plots: draw figures.
        equilibrium: compute the equilibrium and the exploitability of the final play. None: as
            far as it takes seconds (``benchmark.effort_for``).

    Raises:
        BagError: the bag cannot be read at all, or ``out_dir`` cannot be written.
        VeaatError: the scenario cannot be read.
    """
    recording = read_bag(bag_dir, namespace)
    problems = list(recording.problems)
    instance = _instance(recording, scenario, problems)
    history = history_of(recording, instance)
    out = _folder(Path(out_dir))
    report = _measured(recording, history, tolerance, problems)
    report.files += write_tables(recording, out)
    utilities = None
    worst = np.full(len(history.rounds), np.nan)
    if not len(history.rounds):
        problems.append("no settlements: prices, demands and utilities are not known")
    elif instance is not None:
        utilities = utilities_of(instance, history)
        _note_final_utilities(report, history, utilities)
        effort = effort_for(instance, equilibrium, problems)
        if effort is not Effort.NONE:
            worst = _compare(report, history, utilities, instance, effort)
    if len(history.rounds):
        report.files += write_round_tables(out, history, utilities, worst)
    if plots and len(history.rounds):
        from veaat_migration.analysis.plots import write_plots

        report.files += write_plots(
            out,
            history,
            utilities=utilities,
            reference=report.equilibrium,
            deviation=worst,
            tolerance=tolerance,
            converged=report.converged,
        )
    report.files.append(out / "report.json")
    text = json.dumps(report.to_mapping(), indent=2, allow_nan=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    return report


def _instance(
    recording: Recording, scenario: Path | str | None, problems: list[str]
) -> GameInstance | None:
    """The game that was played: of the given file, else as recorded in the bag."""
    from veaat_migration.scenario import instance_from_mapping, load_game

    if scenario is not None:
        return load_game(scenario)
    if recording.messages["twin_status"] and not recording.messages["game_instance"]:
        # Each migration is a game of its own, with those who ask and those who are on the way.
        return None
    texts = {str(received.message.data) for received in recording.messages["game_instance"]}
    if not texts:
        problems.append(
            "game_instance: not in the bag, so utilities and the equilibrium are not known; "
            "give the scenario file (veaat bag --scenario FILE)"
        )
        return None
    if len(texts) > 1:
        problems.append(f"game_instance: the bag holds {len(texts)} different games; took the last")
    text = str(recording.messages["game_instance"][-1].message.data)
    try:
        return instance_from_mapping(json.loads(text))
    except (VeaatError, ValueError) as error:
        problems.append(f"game_instance: {error}; give the scenario file with --scenario")
        return None


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BagError(
            f"{path}: cannot be created ({error.strerror}); choose another output folder"
        ) from error
    return path


def _measured(
    recording: Recording, history: History, tolerance: float, problems: list[str]
) -> Report:
    """What can be said without the game's private data."""
    if history.strangers:
        problems.append(
            f"settlements: {history.strangers} entries name players that the game does not have"
        )
    overruns = recording.custom_data.get(OVERRUNS, "0")
    if overruns != "0":
        problems.append(f"the recorder fell behind {overruns} times and may have missed messages")
    count = len(history.rounds)
    complete = np.flatnonzero(history.complete)
    report = Report(
        bag=recording.path,
        namespace=recording.namespace,
        topics=recording.topics,
        missing_topics=recording.missing_topics,
        problems=problems,
        tolerance=tolerance,
        rsu_ids=history.rsu_ids.tolist(),
        av_ids=history.av_ids.tolist(),
        rounds=count,
        first_round=int(history.rounds[0]) if count else None,
        last_round=int(history.rounds[-1]) if count else None,
        complete_rounds=len(complete),
        rounds_per_second=round_rate(history),
        round_duration=percentiles(history.durations),
        latency_ms=latencies(recording),
        players=player_counts(recording),
        policies=policy_use(recording),
        audit=audit(recording),
        migrations=migrations_of(recording),
    )
    if len(complete):
        report.final_round = int(history.rounds[complete[-1]])
        report.final_prices = history.prices[complete[-1]]
        report.final_demand = history.demand[complete[-1]]
    return report


def _note_final_utilities(report: Report, history: History, utilities: Utilities) -> None:
    if report.final_round is not None:
        (final,) = np.flatnonzero(history.rounds == report.final_round)
        report.final_utility_rsu = utilities.rsu[final]
        report.final_utility_av = utilities.av[final]


def _compare(
    report: Report,
    history: History,
    utilities: Utilities,
    instance: GameInstance,
    effort: Effort,
) -> FloatArray:
    """Fill in the comparison with the equilibrium; largest deviation of each round, [N]."""
    worst = np.full(len(history.rounds), np.nan)
    final = np.flatnonzero(history.rounds == report.final_round)
    if effort is Effort.EXACT and len(final):
        report.exploitability = gains_of(instance, history.prices[final[0]], report.final_demand)
    try:
        report.equilibrium, report.equilibrium_status = solved(instance, effort)
    except VeaatError as error:
        report.problems.append(f"equilibrium: {error}")
        return worst
    rsu = deviations(utilities.rsu, report.equilibrium.utility_rsu)
    av = deviations(utilities.av, report.equilibrium.utility_av)
    if len(final):
        report.deviation_rsu, report.deviation_av = rsu[final[0]], av[final[0]]
    both = np.hstack([rsu, av])
    known = np.isfinite(both).any(axis=1)
    worst[known] = np.nanmax(np.abs(both[known]), axis=1)
    report.converged = convergence_round(history, both, report.tolerance)
    if report.converged is not None:
        report.worst_since_converged = float(worst[history.rounds >= report.converged].max())
    return worst
