"""Tables of what was computed: one row per round, and one per round and player."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from veaat_migration.analysis.history import History
from veaat_migration.analysis.metrics import Utilities
from veaat_migration.analysis.tables import Row, write_csv
from veaat_migration.game.instance import FloatArray


def write_round_tables(
    folder: Path, history: History, utilities: Utilities | None, worst: FloatArray
) -> list[Path]:
    """Write ``rounds.csv`` and, if they are known, ``utilities.csv``; returns the paths.

    Args:
        folder: existing folder.
        history: the game.
        utilities: of the same rounds.
        worst: largest absolute utility deviation of each round, shape [N]; NaN: not known.
    """
    written = [folder / "rounds.csv"]
    write_csv(
        written[0],
        ("round", "start", "end", "duration_ms", "complete", "max_utility_deviation"),
        (
            (
                number,
                _known(start),
                _known(end),
                _known(1e3 * (end - start)),
                int(complete),
                _known(deviation),
            )
            for number, start, end, complete, deviation in zip(
                history.rounds, history.start, history.end, history.complete, worst, strict=True
            )
        ),
    )
    if utilities is not None:
        written.append(folder / "utilities.csv")
        write_csv(
            written[1],
            ("round", "role", "player_id", "utility"),
            _utility_rows(history, utilities),
        )
    return written


def _utility_rows(history: History, utilities: Utilities) -> Iterator[Row]:
    for n, number in enumerate(history.rounds):
        for role, ids, values in (
            ("rsu", history.rsu_ids, utilities.rsu[n]),
            ("av", history.av_ids, utilities.av[n]),
        ):
            for player, utility in zip(ids, values, strict=True):
                yield number, role, player, _known(utility)


def _known(value: float) -> float | str:
    """An empty cell for what is not known."""
    return "" if math.isnan(value) else value
