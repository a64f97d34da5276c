"""The delay model of Section III-B against hand-computed values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.game.delay import (
    Channel,
    channel_gain,
    data_rate,
    expected_delay,
    migration_delay,
    queueing_delay,
    rayleigh_fading,
    reinstantiation_delay,
    signal_to_noise,
    spectral_efficiency,
    transmission_delay,
)
from veaat_migration.game.instance import InstanceError


def test_default_link_at_500_m_has_the_snr_of_the_literature() -> None:
    snr = signal_to_noise(channel_gain(500.0, Channel()), Channel())
    assert 10 * math.log10(snr) == pytest.approx(36.7, abs=0.05)
    assert spectral_efficiency(snr) == pytest.approx(12.2, abs=0.05)


def test_gain_falls_with_the_square_of_the_distance_and_scales_with_fading() -> None:
    gain = channel_gain([100.0, 200.0], Channel(), [1.0, 2.0])
    assert gain[0] == pytest.approx(2 * gain[1])


def test_power_and_noise_enter_in_decibels() -> None:
    weak = signal_to_noise(1e-9, Channel(transmit_power=13.0))
    loud = signal_to_noise(1e-9, Channel(transmit_power=23.0))
    noisy = signal_to_noise(1e-9, Channel(noise_power=-90.0))
    assert loud == pytest.approx(10 * weak)
    assert loud == pytest.approx(10 * noisy)


def test_rayleigh_fading_has_mean_one_and_follows_its_seed() -> None:
    draws = rayleigh_fading((200, 100), np.random.default_rng(1))
    assert draws.shape == (200, 100)
    assert draws.mean() == pytest.approx(1.0, abs=0.03)
    assert np.mean(draws > 1.0) == pytest.approx(math.exp(-1), abs=0.01)
    np.testing.assert_array_equal(draws, rayleigh_fading((200, 100), np.random.default_rng(1)))


def test_transmission_delay_in_units_of_the_docs() -> None:
    rate = data_rate(5.0, 12.0)  # 5 MHz at 12 bit/s/Hz
    assert rate == pytest.approx(60.0)  # Mbit/s
    assert transmission_delay(50.0 * 8, rate) == pytest.approx(400 / 60)


def test_no_bandwidth_takes_for_ever_unless_there_is_nothing_to_send() -> None:
    np.testing.assert_array_equal(transmission_delay([10.0, 0.0], 0.0), [np.inf, 0.0])


def test_queue_of_four_arrivals_and_ten_services_per_second() -> None:
    assert queueing_delay(4.0, 10.0) == pytest.approx(4 / (10 * 6))
    assert queueing_delay(0.0, 10.0) == 0.0


@pytest.mark.parametrize(("arrivals", "service"), [(10.0, 10.0), (11.0, 10.0)])
def test_an_unstable_queue_is_an_error_that_names_both_rates(
    arrivals: float, service: float
) -> None:
    with pytest.raises(InstanceError, match=rf"must be < service_rate \(10 /s\).*got {arrivals:g}"):
        queueing_delay([1.0, arrivals], service)


def test_reinstantiation_is_cycles_over_compute() -> None:
    assert reinstantiation_delay(10.0, 40.0) == pytest.approx(0.25)


def test_migration_delay_adds_transmission_and_base_delay() -> None:
    delay = migration_delay([400.0, 0.0], 5.0, [[12.0, 6.0], [1.0, 1.0]], [[0.3, 0.1], [0.2, 0.2]])
    np.testing.assert_allclose(delay, [[400 / 60 + 0.3, 400 / 30 + 0.1], [0.2, 0.2]])


def test_expected_delay_weighs_by_matching_probability() -> None:
    np.testing.assert_allclose(expected_delay([0.25, 0.75], [[4.0, 8.0]]), [7.0])


def test_an_rsu_never_chosen_costs_no_time() -> None:
    np.testing.assert_array_equal(expected_delay([1.0, 0.0], [[2.0, np.inf]]), [2.0])
    np.testing.assert_array_equal(expected_delay([0.5, 0.5], [[2.0, np.inf]]), [np.inf])


@pytest.mark.parametrize(
    "call",
    [
        lambda: channel_gain(0.0, Channel()),
        lambda: channel_gain(10.0, Channel(), -1.0),
        lambda: spectral_efficiency(-0.1),
        lambda: data_rate(-1.0, 1.0),
        lambda: transmission_delay(-1.0, 1.0),
        lambda: queueing_delay(-1.0, 1.0),
        lambda: queueing_delay(0.0, 0.0),
        lambda: reinstantiation_delay(1.0, 0.0),
        lambda: reinstantiation_delay(np.nan, 1.0),
        lambda: expected_delay([-0.1], [[1.0]]),
    ],
)
def test_values_without_meaning_are_refused(call) -> None:
    with pytest.raises(InstanceError, match="must be"):
        call()


@given(st.floats(1.0, 1e5), st.floats(0.0, 1e4), st.floats(0.01, 100.0), st.floats(0.0, 10.0))
def test_more_bandwidth_is_never_slower(
    distance: float, data: float, bandwidth: float, base: float
) -> None:
    efficiency = spectral_efficiency(signal_to_noise(channel_gain(distance, Channel()), Channel()))
    slow, fast = (
        migration_delay([data], b, [[efficiency]], base)[0, 0] for b in (bandwidth, 2 * bandwidth)
    )
    assert base <= fast <= slow < np.inf
