"""The queue of other work at a target."""

from __future__ import annotations

import numpy as np
import pytest

from veaat_migration.game.delay import queueing_delay
from veaat_migration.game.instance import InstanceError
from veaat_migration.protocol.migration.workbench import Workbench


def waits(arrival: float, service: float, gap: float, count: int) -> np.ndarray:
    """How long twins wait that join with exponential gaps."""
    draw = np.random.default_rng(7)
    bench = Workbench(arrival, service, 40.0, np.random.default_rng(8))
    times = np.cumsum(draw.exponential(gap, count))
    return np.array([bench.join(0.0, t).starts - t for t in times])


@pytest.mark.parametrize(("arrival", "service"), [(2.0, 8.0), (4.0, 10.0), (6.0, 8.0)])
@pytest.mark.parametrize("gap", [1.0, 100.0])
def test_the_mean_wait_is_that_of_an_m_m_1_queue(arrival, service, gap) -> None:
    seen = waits(arrival, service, gap, 6_000)
    # Four standard errors; neighbouring waits are nearly independent at these gaps.
    error = 4 * seen.std() / np.sqrt(len(seen))
    assert seen.mean() == pytest.approx(float(queueing_delay(arrival, service)), abs=error)


def test_the_wait_is_distributed_as_in_an_m_m_1_queue() -> None:
    seen = waits(6.0, 8.0, 5.0, 8_000)
    for level in (0.0, 0.2, 1.0):
        expected = 0.75 * np.exp(-(8.0 - 6.0) * level)
        assert (seen > level).mean() == pytest.approx(expected, abs=0.025)


def test_re_instantiation_takes_cycles_over_compute_after_the_wait() -> None:
    bench = Workbench(6.0, 8.0, 20.0, np.random.default_rng(0))
    job = bench.join(10.0, 5.0)
    assert job.ends - job.starts == pytest.approx(0.5)
    assert job.joined == 5.0


def test_the_position_counts_the_jobs_ahead_down_to_none() -> None:
    bench = Workbench(9.0, 10.0, 20.0, np.random.default_rng(1))
    job = bench.join(10.0, 50.0)
    assert bench.length(50.0) == bench.position(job, 50.0) > 2
    seen = [bench.position(job, t) for t in np.linspace(50.0, job.starts, 200)]
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == 0


def test_an_idle_rsu_lets_nobody_wait() -> None:
    bench = Workbench(0.0, 8.0, 20.0, np.random.default_rng(0))
    assert [bench.join(0.0, t).starts for t in (1.0, 1.0, 2.0)] == [1.0, 1.0, 2.0]


def test_the_same_seed_gives_the_same_queue() -> None:
    assert (waits(4.0, 10.0, 1.0, 50) == waits(4.0, 10.0, 1.0, 50)).all()


@pytest.mark.parametrize("rates", [(8.0, 8.0, 1.0), (-1.0, 8.0, 1.0), (1.0, 8.0, 0.0)])
def test_a_queue_that_cannot_be_is_refused(rates) -> None:
    with pytest.raises(InstanceError, match="must be"):
        Workbench(*rates, np.random.default_rng(0))
