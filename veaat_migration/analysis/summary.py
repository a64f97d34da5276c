"""A report as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from veaat_migration.analysis.audit import KINDS
from veaat_migration.analysis.metrics import Percentiles
from veaat_migration.analysis.migrations import migration_lines
from veaat_migration.analysis.report import Report

SHOWN_PLAYERS = 12
"""With more players of a role only the furthest from equilibrium are listed."""

_REMARKS = {
    "certified_not_unique": "there may be others than the one compared with",
    "infeasible_followers": "some AVs cannot meet their delay limit at its prices",
    "cycling": "none was found, leaders' best prices chase each other; the nearest is used",
    "not_converged": "none was found; the nearest prices are used",
    "unchecked": "it was found by local search only",
}
"""What to know about an equilibrium by the status of its solution."""


def format_summary(report: Report) -> str:
    """All of a report that fits on a screen."""
    sections = [
        _head(report),
        _migrations(report),
        _convergence(report),
        _players(report),
        _demands(report),
        _policies(report),
        _times(report),
        _conduct(report),
        _problems(report),
        _files(report),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines)


def _head(report: Report) -> Iterator[str]:
    messages = sum(count for _, count in report.topics.values())
    yield f"{report.bag}: {messages} messages of {len(report.topics)} topics"
    if not report.rounds:
        yield "No round was settled."
        return
    absent = report.rounds - report.complete_rounds
    note = f", in {absent} of them not all players took part" if absent else ""
    yield (
        f"{report.rounds} rounds ({report.first_round} to {report.last_round}) of "
        f"{len(report.rsu_ids)} RSUs and {len(report.av_ids)} AVs{note}"
    )


def _migrations(report: Report) -> Iterator[str]:
    if report.migrations is not None:
        yield from migration_lines(report.migrations)


def _convergence(report: Report) -> Iterator[str]:
    if report.equilibrium is None:
        return
    share = f"{100 * report.tolerance:g} %"
    if report.converged is None:
        yield f"Not converged: not all utilities ended within {share} of the equilibrium."
        gains = report.exploitability
        if gains is not None and gains.max_rel <= 0.1 * report.tolerance:
            yield (
                f"But no player could gain more than {100 * gains.max_rel:.2g} % alone: they came "
                "to rest at another equilibrium, of which a game can have several."
            )
    else:
        worst = 100 * (report.worst_since_converged or 0.0)
        yield (
            f"Converged in round {report.converged}: from there on all utilities stay within "
            f"{share} of the Stackelberg equilibrium (at most {worst:.2g} % off)."
        )
    remark = _REMARKS.get(report.equilibrium_status or "")
    if remark:
        yield f"Mind the equilibrium: {remark}."


def _players(report: Report) -> Iterator[str]:
    if report.final_prices is None or report.migrations is not None:
        return
    yield f"Round {report.final_round} (the last with all players)"
    header = ["", "price", "equilibrium", "utility", "equilibrium", "deviation", "could gain"]
    gains = report.exploitability
    reference = report.equilibrium
    rows = [
        _row(
            f"RSU {number}",
            [(report.final_prices, k), (reference and reference.prices, k)],
            [(report.final_utility_rsu, k), (reference and reference.utility_rsu, k)],
            (report.deviation_rsu, k),
            (gains and gains.rsu_abs, k),
        )
        for k, number in enumerate(report.rsu_ids)
    ]
    shown_rsus = _most_deviant(report.deviation_rsu, len(rows))
    av_rows = [
        _row(
            f"AV {number}",
            [(None, k), (None, k)],
            [(report.final_utility_av, k), (reference and reference.utility_av, k)],
            (report.deviation_av, k),
            (gains and gains.av_abs, k),
        )
        for k, number in enumerate(report.av_ids)
    ]
    shown_avs = _most_deviant(report.deviation_av, len(av_rows))
    yield from _aligned([header, *(rows[k] for k in shown_rsus), *(av_rows[k] for k in shown_avs)])
    hidden = len(rows) + len(av_rows) - len(shown_rsus) - len(shown_avs)
    if hidden:
        which = "players" if report.deviation_rsu is None else "players closer to equilibrium"
        yield f"  ({hidden} more {which} are in utilities.csv)"
    if gains is not None:
        yield (
            f"Exploitability: deviating alone, no player could gain more than "
            f"{100 * gains.max_rel:.2g} % of its utility."
        )


def _row(
    name: str,
    prices: Sequence[tuple[Any, int]],
    utilities: Sequence[tuple[Any, int]],
    deviation: tuple[Any, int],
    gain: tuple[Any, int],
) -> list[str]:
    cells = [_number(values, k, "{:.4f}") for values, k in (*prices, *utilities)]
    values, k = deviation
    percent = None if values is None else 100.0 * values
    return [name, *cells, _number(percent, k, "{:+.2f} %"), _number(*gain, "{:.2g}")]


def _number(values: Any, index: int, layout: str) -> str:
    return "" if values is None else layout.format(values[index])


def _most_deviant(deviation: Any, count: int) -> list[int]:
    if count <= SHOWN_PLAYERS:
        return list(range(count))
    if deviation is None:
        return list(range(SHOWN_PLAYERS))
    furthest = np.argsort(-np.abs(np.nan_to_num(deviation)), kind="stable")
    return sorted(int(k) for k in furthest[:SHOWN_PLAYERS])


def _demands(report: Report) -> Iterator[str]:
    if report.final_demand is None or report.migrations is not None:
        return
    if report.final_demand.size > SHOWN_PLAYERS**2:
        return
    yield "Demand [MHz]" + (" (equilibrium)" if report.equilibrium else "")
    rows = [["", *(f"RSU {number}" for number in report.rsu_ids)]]
    for i, number in enumerate(report.av_ids):
        cells = [f"{amount:.4f}" for amount in report.final_demand[i]]
        if report.equilibrium is not None:
            expected = report.equilibrium.demand[i]
            cells = [f"{cell} ({b:.4f})" for cell, b in zip(cells, expected, strict=True)]
        rows.append([f"AV {number}", *cells])
    yield from _aligned(rows)


def _policies(report: Report) -> Iterator[str]:
    """Learned policies; with many players only how many there were."""
    learned = {name: use for name, use in report.policies.items() if use.version or use.decisions}
    if not learned:
        return
    yield "Learned policies"
    header = ["", "version", "sha256", "decisions", "best response", "failed"]
    rows = [
        [
            f"{name.split()[0].upper()} {name.split()[1]}",
            f"{use.version}" + (f" (of {use.versions})" if use.versions > 1 else ""),
            use.sha256[:12],
            str(use.decisions),
            str(use.fallbacks),
            str(use.errors),
        ]
        for name, use in learned.items()
    ]
    yield from _aligned([header, *rows[:SHOWN_PLAYERS]])
    if len(rows) > SHOWN_PLAYERS:
        yield f"  ({len(rows) - SHOWN_PLAYERS} more players are in node_status.csv)"


def _times(report: Report) -> Iterator[str]:
    rows = [["", "median", "95 %", "99 %", "longest"]]
    if report.round_duration.count:
        seconds = report.round_duration
        scaled = Percentiles(
            seconds.count, *(1e3 * x for x in (seconds.p50, seconds.p95, seconds.p99, seconds.max))
        )
        rows.append(_percentile_row("round", scaled))
    rows += [_percentile_row(topic, sample) for topic, sample in report.latency_ms.items()]
    if len(rows) > 1:
        rate = report.rounds_per_second
        speed = f"; {rate:.1f} rounds/s" if math.isfinite(rate) else ""
        yield f"Duration of a round and latency from stamp to recorder [ms]{speed}"
        yield from _aligned(rows)


def _percentile_row(name: str, sample: Percentiles) -> list[str]:
    values = (sample.p50, sample.p95, sample.p99, sample.max)
    return [name, *(f"{value:.2f}" for value in values)]


def _conduct(report: Report) -> Iterator[str]:
    players = report.players
    rejected = ", ".join(f"{reason} {count}" for reason, count in players.rejections.items())
    yield f"Rejected messages: {rejected or 'none'}"
    yield (
        f"Deadlines missed: {players.deadline_misses}; messages sent again: "
        f"{players.retransmissions}"
    )
    if players.restarts:
        lives = ", ".join(f"{name} {count}x" for name, count in players.restarts.items())
        yield f"Restarted: {lives}"
    audit = report.audit
    checked = f"Audit of {audit.settlements} settlements with {audit.charges} charges: "
    if audit.clean:
        yield checked + "each charge is a recorded bid at its price, each round settled once."
        return
    yield checked + (f"{sum(audit.counts.values())} findings" if audit.counts else "incomplete")
    for kind, count in audit.counts.items():
        yield f"  {count} x {KINDS[kind]}: {'; '.join(audit.examples[kind])}"
    for reason in audit.unchecked:
        yield f"  not checked - {reason}"


def _problems(report: Report) -> Iterator[str]:
    if report.problems:
        yield "Notes"
        yield from (f"  - {problem}" for problem in report.problems)


def _files(report: Report) -> Iterator[str]:
    if report.files:
        names = ", ".join(path.name for path in report.files)
        yield f"Written to {report.files[-1].parent}: {names}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as columns, the first left-aligned; columns without content are left out."""
    used = [any(row[k] for row in rows[1:]) for k in range(len(rows[0]))]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            if used[k]
        ]
        yield ("  " + "  ".join(cells)).rstrip()
