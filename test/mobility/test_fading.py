"""Fading draws: an exponential law, and the same for the same link whoever asks."""

import numpy as np
import pytest

from veaat_migration.mobility.fading import BlockFading

NAMES = [f"veh{k}" for k in range(4000)]


def test_powers_follow_the_exponential_law() -> None:
    power = BlockFading(1, 12).power(NAMES, 3).ravel()
    n = len(power)
    assert power.mean() == pytest.approx(1.0, abs=4.0 / np.sqrt(n))
    assert power.var() == pytest.approx(1.0, abs=0.05)
    # Kolmogorov-Smirnov distance to 1 - exp(-x), 0.1 % level.
    uniform = np.sort(-np.expm1(-power))
    grid = np.arange(1, n + 1) / n
    assert np.abs(uniform - grid).max() < 1.95 / np.sqrt(n)


def test_vehicles_rsus_rounds_and_seeds_are_independent() -> None:
    fading = BlockFading(1, 12)
    power = fading.power(NAMES, 3)
    rsus = np.corrcoef(power.T) - np.eye(12)
    assert np.abs(rsus).max() < 5.0 / np.sqrt(len(NAMES))
    for other in (fading.power(NAMES, 4), BlockFading(2, 12).power(NAMES, 3)):
        assert abs(np.corrcoef(power.ravel(), other.ravel())[0, 1]) < 0.03
        assert not (power == other).any()


def test_a_link_has_its_draw_whoever_else_is_there() -> None:
    all_links = BlockFading(7, 5).power(NAMES, 11)
    some = BlockFading(7, 3).power([NAMES[90], NAMES[4]], 11)
    np.testing.assert_array_equal(some, all_links[[90, 4], :3])


def test_blocks_of_time() -> None:
    fading = BlockFading(1, 1, coherence=0.5)
    assert [fading.block(time) for time in (-0.1, 0.0, 0.49, 0.5, 420.0)] == [-1, 0, 0, 1, 840]
    assert fading.power(["a"], -1).shape == (1, 1)
    assert fading.power([], 0).shape == (0, 1)


def test_sums_of_tenths_fall_into_the_right_block() -> None:
    fading = BlockFading(1, 1, coherence=0.1)
    assert [fading.block(0.1 * k) for k in range(1000)] == list(range(1000))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((-1, 1), {}), ((2**63, 1), {}), ((0, -1), {}), ((0, 1), {"coherence": 0.0})],
)
def test_numbers_out_of_range(arguments: tuple[int, int], options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        BlockFading(*arguments, **options)
