"""Simulated delays agree with the model: the short form of ``benchmarks/migrations.py``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[3] / "benchmarks" / "migrations.py"


@pytest.fixture(scope="module")
def migrations():
    spec = importlib.util.spec_from_file_location("migrations_benchmark", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_mean_delays_agree_with_the_formulas(migrations) -> None:
    parts = migrations.compare_with_model(250, seed=1, n_avs=20, n_rsus=4)
    # Messages take a millisecond each, which the model does not have.
    assert parts["transfer"].difference == pytest.approx(0.0, abs=0.01)
    assert parts["compute"].difference == pytest.approx(0.0, abs=0.03)
    assert parts["total"].difference == pytest.approx(0.0, abs=0.03)
    # One wait varies by twice its mean, so 250 of them by an eighth; test_twin_workbench.py is
    # sharper.
    assert parts["queue"].difference == pytest.approx(0.0, abs=3 / 8)


def test_a_storm_with_lost_disks_is_survived(migrations) -> None:
    survival = migrations.survive(60, seed=2, lost_disks=0.2, n_avs=4, n_rsus=4)
    assert survival.migrations >= 60
    assert survival.kills > 0
    assert survival.violations == []
    assert survival.not_well == []
