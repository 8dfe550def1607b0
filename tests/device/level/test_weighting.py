"""A, C and Z are within class 1 of IEC 61672-1:2013 (field failure 23: a sound level that is none).

Table 3 of the standard: design goals in dB and class 1 acceptance limits at the nominal third-octave frequencies. The
goals hold at the exact frequencies, 1000 * 10 ** (n / 10) Hz.
"""

import math

import numpy as np
import pytest

from sonyc_device.level.sections import Cascade, response
from sonyc_device.level.weighting import POLES_HZ, Weighting, design_goal_db, stages

INF = math.inf
# nominal Hz, A, C, upper and lower limit of class 1
TABLE_3 = (
    (10.0, -70.4, -14.3, 3.0, -INF),
    (12.5, -63.4, -11.2, 2.5, -INF),
    (16.0, -56.7, -8.5, 2.0, -4.0),
    (20.0, -50.5, -6.2, 2.0, -2.0),
    (25.0, -44.7, -4.4, 2.0, -1.5),
    (31.5, -39.4, -3.0, 1.5, -1.5),
    (40.0, -34.6, -2.0, 1.0, -1.0),
    (50.0, -30.2, -1.3, 1.0, -1.0),
    (63.0, -26.2, -0.8, 1.0, -1.0),
    (80.0, -22.5, -0.5, 1.0, -1.0),
    (100.0, -19.1, -0.3, 1.0, -1.0),
    (125.0, -16.1, -0.2, 1.0, -1.0),
    (160.0, -13.4, -0.1, 1.0, -1.0),
    (200.0, -10.9, 0.0, 1.0, -1.0),
    (250.0, -8.6, 0.0, 1.0, -1.0),
    (315.0, -6.6, 0.0, 1.0, -1.0),
    (400.0, -4.8, 0.0, 1.0, -1.0),
    (500.0, -3.2, 0.0, 1.0, -1.0),
    (630.0, -1.9, 0.0, 1.0, -1.0),
    (800.0, -0.8, 0.0, 1.0, -1.0),
    (1_000.0, 0.0, 0.0, 0.7, -0.7),
    (1_250.0, 0.6, 0.0, 1.0, -1.0),
    (1_600.0, 1.0, -0.1, 1.0, -1.0),
    (2_000.0, 1.2, -0.2, 1.0, -1.0),
    (2_500.0, 1.3, -0.3, 1.0, -1.0),
    (3_150.0, 1.2, -0.5, 1.0, -1.0),
    (4_000.0, 1.0, -0.8, 1.0, -1.0),
    (5_000.0, 0.5, -1.3, 1.5, -1.5),
    (6_300.0, -0.1, -2.0, 1.5, -2.0),
    (8_000.0, -1.1, -3.0, 1.5, -2.5),
    (10_000.0, -2.5, -4.4, 2.0, -3.0),
    (12_500.0, -4.3, -6.2, 2.0, -5.0),
    (16_000.0, -6.6, -8.5, 2.5, -16.0),
    (20_000.0, -9.3, -11.2, 3.0, -INF),
)
EXACT_HZ = 1_000.0 * 10.0 ** (np.arange(-20, 14) / 10)
UPPER, LOWER = (np.array([row[column] for row in TABLE_3]) for column in (3, 4))
GOALS = {
    Weighting.A: np.array([row[1] for row in TABLE_3]),
    Weighting.C: np.array([row[2] for row in TABLE_3]),
    Weighting.Z: np.zeros(len(TABLE_3)),
}
CLASS_1_RATES_HZ = (44_100, 48_000, 88_200, 96_000, 192_000)
OTHER_RATES_HZ = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000)


def deviations_db(weighting: Weighting, rate_hz: int, frequencies_hz: np.ndarray) -> np.ndarray:
    """What the digital filters make of a frequency, less the analytic curve."""
    gain = np.ones(len(frequencies_hz))
    for stage, sections in stages(rate_hz).items():
        gain = gain * np.abs(response(sections, frequencies_hz, rate_hz))
        if stage is weighting:
            break
    return 20 * np.log10(gain) - design_goal_db(weighting, frequencies_hz)


def test_nominal_frequencies_are_the_exact_ones_rounded() -> None:
    nominal = np.array([row[0] for row in TABLE_3])
    np.testing.assert_allclose(nominal, EXACT_HZ, rtol=0.02)


@pytest.mark.parametrize("weighting", Weighting)
def test_design_goal_is_that_of_table_3(weighting: Weighting) -> None:
    np.testing.assert_allclose(design_goal_db(weighting, EXACT_HZ), GOALS[weighting], atol=0.051)


def test_poles_are_those_of_annex_e() -> None:
    reference, low, high, corner, d = 1_000.0, 10**1.5, 10**3.9, 10**2.45, math.sqrt(0.5)
    b = (reference**2 + low**2 * high**2 / reference**2 - d * (low**2 + high**2)) / (1 - d)
    c = low**2 * high**2
    f1, f4 = (math.sqrt((-b + sign * math.sqrt(b * b - 4 * c)) / 2) for sign in (-1, 1))
    f2, f3 = (corner * (3 + sign * math.sqrt(5)) / 2 for sign in (-1, 1))
    assert pytest.approx((f1, f2, f3, f4), rel=1e-9) == POLES_HZ


@pytest.mark.parametrize("rate_hz", CLASS_1_RATES_HZ)
@pytest.mark.parametrize("weighting", Weighting)
def test_field_failure_23_weighting_is_class_1_at_every_nominal_frequency(weighting: Weighting, rate_hz: int) -> None:
    deviations = deviations_db(weighting, rate_hz, EXACT_HZ)
    assert (deviations <= UPPER).all()
    assert (deviations >= LOWER).all()


@pytest.mark.parametrize("rate_hz", CLASS_1_RATES_HZ)
@pytest.mark.parametrize("weighting", Weighting)
def test_weighting_is_within_0_26_db_between_them_too(weighting: Weighting, rate_hz: int) -> None:
    deviations = deviations_db(weighting, rate_hz, np.geomspace(10, 20_000, 2_000))
    assert np.abs(deviations).max() < 0.26


@pytest.mark.parametrize("rate_hz", OTHER_RATES_HZ)
@pytest.mark.parametrize("weighting", Weighting)
def test_at_lower_rates_it_is_class_1_as_far_as_the_rate_reaches(weighting: Weighting, rate_hz: int) -> None:
    reached = 0.45 * rate_hz > EXACT_HZ
    deviations = deviations_db(weighting, rate_hz, EXACT_HZ[reached])
    assert (deviations <= UPPER[reached]).all()
    assert (deviations >= LOWER[reached]).all()


@pytest.mark.parametrize("rate_hz", [*CLASS_1_RATES_HZ, *OTHER_RATES_HZ])
def test_sections_are_stable_and_one_at_1_khz(rate_hz: int) -> None:
    for sections in stages(rate_hz).values():
        assert all(np.abs(np.roots(section[3:])).max() < 1 for section in sections)
        assert np.abs(response(sections, np.array([1_000.0]), rate_hz))[0] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("frequency_hz", [31.6, 1_000.0, 15_849.0])
def test_sines_through_the_filters_come_out_as_the_curve_says(frequency_hz: float) -> None:
    rate_hz = 48_000
    weighted = np.sin(2 * np.pi * frequency_hz * np.arange(2 * rate_hz) / rate_hz)
    levels = {}
    for weighting, sections in stages(rate_hz).items():
        weighted = Cascade(sections).run(weighted)
        levels[weighting] = 10 * np.log10(2 * np.mean(weighted[rate_hz:] ** 2))
    for weighting, level in levels.items():
        assert level == pytest.approx(design_goal_db(weighting, np.array([frequency_hz]))[0], abs=0.15)
