"""The third-octave bands are within class 1 of IEC 61260-1:2014, through all halvings of the rate, aliases included.

Table 1 of the standard: acceptance limits of the relative attenuation in dB of class 1, at octave fractions of the
mid-band frequency; 5.10.2 makes third-octave frequencies of them, 5.10.3 joins them by lines over log frequency.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_contract.messages import BANDS_HZ
from sonyc_device.level.bands import MID_HZ, BandBank, G, design, n_bands
from sonyc_device.level.sections import response

LEAST_INSIDE = -0.4
LEAST_OUTSIDE = {0.5: 1.2, 1.0: 16.6, 2.0: 40.5, 3.0: 60.0, 4.0: 70.0}
MOST = {0.0: 0.4, 1 / 8: 0.5, 1 / 4: 0.7, 3 / 8: 1.4, 0.5: 5.3}
RATES_HZ = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000)


def third_octave(exponents: np.ndarray) -> np.ndarray:
    """Frequency above the middle of a third-octave band, as a multiple of it, for an exponent of Table 1."""
    return 1 + (G ** (1 / 6) - 1) / (G ** (1 / 2) - 1) * (G**exponents - 1)


def joined(exponents: np.ndarray, limits: dict[float, float]) -> np.ndarray:
    """Limits between those of Table 1, on lines over log frequency."""
    at = np.log(third_octave(np.array(list(limits))))
    return np.interp(np.log(third_octave(exponents)), at, list(limits.values()))


def aliased(frequencies_hz: np.ndarray, rate_hz: float) -> np.ndarray:
    folded = np.mod(frequencies_hz, rate_hz)
    return np.minimum(folded, rate_hz - folded)


def attenuation_db(band: int, rate_hz: int, frequencies_hz: np.ndarray) -> np.ndarray:
    """What a bank takes from sines at its input, up to half of its rate, in one of its bands."""
    gain, left = np.ones(len(frequencies_hz)), n_bands(rate_hz)
    for stage in design(rate_hz):
        heard_hz = aliased(frequencies_hz, stage.rate_hz)
        left -= len(stage.bands)
        if band >= left:
            sections = stage.bands[left + len(stage.bands) - 1 - band]
            return -20 * np.log10(gain * np.abs(response(sections, heard_hz, stage.rate_hz)) + 1e-12)
        gain = gain * np.abs(response(stage.halving, heard_hz, stage.rate_hz))
    raise AssertionError(f"no stage has band {band}")


def test_bands_have_their_nominal_frequencies() -> None:
    np.testing.assert_allclose(BANDS_HZ, MID_HZ, rtol=0.02)
    assert (BANDS_HZ[0], BANDS_HZ[-1], len(BANDS_HZ)) == (25.0, 12_500.0, 28)


@pytest.mark.parametrize(
    ("rate_hz", "highest_hz"), [(8_000, 2_000), (16_000, 4_000), (44_100, 12_500), (48_000, 12_500)]
)
def test_a_rate_has_the_bands_that_it_reaches(rate_hz: int, highest_hz: float) -> None:
    assert BANDS_HZ[n_bands(rate_hz) - 1] == highest_hz
    assert sum(len(stage.bands) for stage in design(rate_hz)) == n_bands(rate_hz)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_every_band_is_class_1(rate_hz: int) -> None:
    exponents = np.linspace(0, 6, 1_201)
    for band in range(n_bands(rate_hz)):
        for multiple in (third_octave(exponents), 1 / third_octave(exponents)):
            frequencies_hz = MID_HZ[band] * multiple
            heard = frequencies_hz < rate_hz / 2
            attenuation = attenuation_db(band, rate_hz, frequencies_hz[heard])
            least = joined(exponents[heard], LEAST_OUTSIDE)
            is_inside = exponents[heard] < 0.5
            assert (attenuation >= np.where(is_inside, LEAST_INSIDE, least)).all(), MID_HZ[band]
            most = joined(exponents[heard], MOST)
            assert (attenuation <= np.where(is_inside, most, np.inf)).all(), MID_HZ[band]


def test_edges_are_3_db_down() -> None:
    for band, mid_hz in enumerate(MID_HZ):
        edges_hz = mid_hz * G ** np.array([-1 / 6, 1 / 6])
        np.testing.assert_allclose(attenuation_db(band, 48_000, edges_hz), 3.01, atol=0.05)


@pytest.mark.parametrize("band", [0, 5, 12, 13, 20, 27])
def test_a_sine_in_the_middle_of_a_band_is_in_it_and_not_beside_it(band: int) -> None:
    rate_hz, tick_samples = 48_000, 480
    sine = np.sin(2 * np.pi * MID_HZ[band] * np.arange(3 * rate_hz) / rate_hz)
    energies = BandBank(rate_hz, tick_samples=tick_samples).run(sine)[200:].mean(axis=0) / tick_samples
    levels = 10 * np.log10(2 * energies)
    assert levels[band] == pytest.approx(0.0, abs=0.05)
    beside = [levels[other] for other in (band - 1, band + 1) if 0 <= other < len(MID_HZ)]
    assert all(level < -16.6 for level in beside)
    assert all(level < -55 for other, level in enumerate(levels) if abs(other - band) > 3)


def test_bands_of_pink_noise_hold_its_energy_and_are_equal() -> None:
    rate_hz, n = 48_000, 48_000 * 40
    spectrum = np.fft.rfft(np.random.default_rng(3).standard_normal(n))
    f = np.fft.rfftfreq(n, 1 / rate_hz)
    in_bands = (f > MID_HZ[0] * G ** (-1 / 6)) & (f < MID_HZ[-1] * G ** (1 / 6))
    pink = np.fft.irfft(np.where(in_bands, spectrum / np.sqrt(np.maximum(f, 1.0)), 0.0))
    energies = BandBank(rate_hz, tick_samples=480).run(pink)
    # Butterworth's noise bandwidth is 0.11 dB above that of a rectangle; class 1 allows 0.4.
    assert 10 * np.log10(energies.sum() / (pink**2).sum()) == pytest.approx(0.11, abs=0.05)
    levels = 10 * np.log10(energies.sum(axis=0))
    assert np.ptp(levels[10:]) < 0.3  # the lower bands have fewer degrees of freedom
    assert np.ptp(levels) < 2.0


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.sampled_from([16_000, 22_050, 44_100, 48_000]))
def test_bands_do_not_depend_on_the_blocks(ticks: list[int], rate_hz: int) -> None:
    tick_samples = rate_hz // 1_000 * 10
    samples = np.random.default_rng(4).standard_normal(sum(ticks) * tick_samples)
    at_once, in_parts = (BandBank(rate_hz, tick_samples=tick_samples) for _ in range(2))
    blocks = np.split(samples, np.cumsum(ticks) * tick_samples)
    parts = np.concatenate([in_parts.run(block) for block in blocks])
    np.testing.assert_allclose(parts, at_once.run(samples), rtol=1e-12)
