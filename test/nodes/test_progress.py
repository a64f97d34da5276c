"""What a person sees of a running game."""

from __future__ import annotations

import io
import math

import numpy as np

from veaat_migration.nodes.progress import Progress, prices_text
from veaat_migration.nodes.round_book import SettledRound


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def settled(number: int, price: float = 4.5) -> SettledRound:
    return SettledRound(number, np.array([price, 5.0]), np.ones((3, 2)), 0.0, 1.0)


def test_without_a_terminal_some_rounds_get_a_line():
    stream = io.StringIO()
    progress = Progress(stream, rounds=25, every=10)
    for number in range(1, 26):
        progress.update(settled(number), math.nan)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/25", "10/25", "20/25", "25/25"]
    assert "equilibrium" not in lines[0]


def test_on_a_terminal_one_line_moves_and_ends_with_the_last_round(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    times = iter(0.03 * n for n in range(200))
    stream = Terminal()
    progress = Progress(stream, rounds=0, every=1, clock=lambda: next(times))
    for number in range(1, 101):
        progress.update(settled(number), 0.0123)
    progress.close()
    shown = stream.getvalue().split("\r")
    assert stream.getvalue().count("\n") == 1
    assert 20 < len(shown) < 60
    assert shown[-1].startswith("round 100 | ")
    assert "33.3 rounds/s" in shown[-1]
    assert "furthest from equilibrium 1.23 %" in shown[-1]


def test_the_line_fits_the_terminal_and_covers_the_former_one(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    times = iter(float(n) for n in range(10))
    stream = Terminal()
    progress = Progress(stream, rounds=0, every=1, clock=lambda: next(times))
    progress.update(settled(1_000_000, price=123.456), 0.5)
    progress.update(settled(2), math.nan)
    first, second = stream.getvalue().split("\r")[1:]
    assert len(first) == 39
    assert len(second) == 39


def test_absent_players_are_told():
    stream = io.StringIO()
    demand = np.array([[1.0, math.nan], [math.nan, math.nan]])
    absent = SettledRound(1, np.array([4.0, math.nan]), demand, 0.0, 1.0)
    Progress(stream, 0, 1).update(absent, math.nan)
    assert stream.getvalue() == "round 1 | prices 4.0000 - | only 1/2 RSUs, 1/2 AVs\n"


def test_many_prices_become_a_range():
    assert prices_text(np.linspace(1.0, 2.0, 11)) == "1 to 2"
    assert prices_text(np.full(11, math.nan)) == "-"
