"""The meter's figures against those worked out by hand, whatever the blocks (field failure 23)."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_contract.audio import to_int16
from sonyc_device.level.figures import FLOOR_DB, Figures, Periods, Sum
from sonyc_device.level.meter import Meter, Samples
from sonyc_device.level.weighting import Weighting, design_goal_db

RATE_HZ = 48_000


def sine(frequency_hz: float, duration_s: float, *, amplitude: float = 1.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * rate_hz)) / rate_hz)


def measured(samples: Samples, *, rate_hz: int = RATE_HZ, with_bands: bool = False) -> Figures:
    total = Sum(rate_hz)
    total.add(Meter(rate_hz, with_bands=with_bands).push(samples))
    figures = total.figures()
    assert figures is not None
    return figures


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 44_100, 48_000, 96_000])
def test_full_scale_sine_has_minus_3_01_dbfs_in_all_weightings(rate_hz: int) -> None:
    figures = measured(sine(1_000, 10, rate_hz=rate_hz), rate_hz=rate_hz, with_bands=True)
    expected = 10 * math.log10(0.5)
    for level in (
        figures.laeq,
        figures.lceq,
        figures.lzeq,
        figures.lafmax,
        figures.l10,
        figures.l90,
        figures.bands[16],
    ):
        assert level == pytest.approx(expected, abs=0.01)
    assert figures.covered_s == pytest.approx(10, abs=0.01)


def test_full_scale_square_wave_is_0_dbfs() -> None:
    assert measured(np.sign(sine(100.5, 10))).lzeq == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("frequency_hz", [31.5, 125, 4_000, 12_500])
def test_sine_is_weighted_as_the_curves_say(frequency_hz: float) -> None:
    figures = measured(sine(frequency_hz, 20, amplitude=0.1))
    for weighting, level in zip(Weighting, (figures.laeq, figures.lceq, figures.lzeq), strict=True):
        goal = design_goal_db(weighting, np.array([frequency_hz]))[0]
        assert level == pytest.approx(-23.01 + goal, abs=0.1), weighting


def test_samples_of_16_bits_give_what_floats_give() -> None:
    samples = sine(1_000, 2, amplitude=0.3)
    assert measured(to_int16(samples.astype(np.float32))).laeq == pytest.approx(measured(samples).laeq, abs=0.001)


def test_field_failure_23_leq_is_the_mean_of_energy_and_not_of_decibels() -> None:
    loud, quiet = sine(1_000, 1, amplitude=0.1), sine(1_000, 9, amplitude=0.0001)
    figures = measured(np.concatenate([loud, quiet]))
    assert figures.laeq == pytest.approx(-23.01 - 10, abs=0.05)  # a mean of decibels would be -77.0


@pytest.mark.parametrize(
    ("burst_s", "below_db"),
    [(1.0, 0.0), (0.5, -0.1), (0.2, -1.0), (0.1, -2.6), (0.05, -4.8), (0.01, -11.1), (0.001, -21.0)],
)
def test_lafmax_of_a_burst_is_that_of_table_4(burst_s: float, below_db: float) -> None:
    """IEC 61672-1:2013, Table 4: 4 kHz tone bursts, re the steady tone; class 1 allows 0.5 dB and more."""
    steady = measured(sine(4_000, 2)).laeq
    burst = np.concatenate([np.zeros(RATE_HZ), sine(4_000, burst_s), np.zeros(RATE_HZ // 2)])
    assert measured(burst).lafmax - steady == pytest.approx(below_db, abs=0.15)


def test_percentiles_say_how_long_a_level_was_exceeded() -> None:
    steps = [sine(1_000, 20, amplitude=10 ** (-level / 20)) for level in (20, 30, 40, 50, 60)]
    figures = measured(np.concatenate(steps))
    assert figures.l10 == pytest.approx(-23.01, abs=0.05)
    assert figures.l50 == pytest.approx(-43.01, abs=0.5)
    assert figures.l90 == pytest.approx(-63.01, abs=0.05)
    assert figures.lafmax == pytest.approx(-23.01, abs=0.05)


def test_percentiles_leave_out_the_time_in_which_f_rises() -> None:
    assert measured(sine(1_000, 1)).l90 == pytest.approx(-3.01, abs=0.1)


def test_an_offset_is_no_sound() -> None:
    quiet = sine(1_000, 10, amplitude=1e-4)
    with_offset = measured(quiet + 0.05)
    assert with_offset.lzeq == pytest.approx(measured(quiet).lzeq, abs=0.02)
    assert with_offset.lafmax == pytest.approx(measured(quiet).lafmax, abs=0.02)


def test_silence_is_the_floor() -> None:
    figures = measured(np.zeros(RATE_HZ), with_bands=True)
    assert {figures.laeq, figures.lceq, figures.lzeq, figures.lafmax, figures.l10, *figures.bands} == {FLOOR_DB}


def test_nothing_measured_gives_no_figures() -> None:
    assert Sum(RATE_HZ).figures() is None
    total = Sum(RATE_HZ)
    total.add(Meter(RATE_HZ, with_bands=True).push(np.ones(4_000)))  # less than ten ticks
    assert total.figures() is None


def test_levels_shift_to_another_reference() -> None:
    figures = measured(sine(1_000, 2), with_bands=True)
    shifted = figures.shifted(94.0)
    assert shifted.laeq - figures.laeq == pytest.approx(94)
    assert shifted.bands[3] - figures.bands[3] == pytest.approx(94)
    assert shifted.covered_s == figures.covered_s


@settings(max_examples=30)
@given(
    cuts=st.lists(st.integers(0, 16_000), max_size=12),
    rate_hz=st.sampled_from([8_000, 11_025, 16_000]),
    with_bands=st.booleans(),
)
def test_field_failure_23_figures_do_not_depend_on_the_blocks(cuts: list[int], rate_hz: int, with_bands: bool) -> None:
    samples = np.random.default_rng(2).normal(0.02, 0.1, 16_000)
    meter, total = Meter(rate_hz, with_bands=with_bands), Sum(rate_hz)
    for start, end in pairwise([0, *sorted(cuts), len(samples)]):
        total.add(meter.push(samples[start:end]))
    in_blocks, at_once = total.figures(), measured(samples, rate_hz=rate_hz, with_bands=with_bands)
    assert in_blocks is not None
    assert in_blocks.covered_s == at_once.covered_s
    for name in ("laeq", "lceq", "lzeq", "lafmax", "l10", "l50", "l90"):
        assert getattr(in_blocks, name) == pytest.approx(getattr(at_once, name), abs=1e-6)
    assert in_blocks.bands == pytest.approx(at_once.bands, abs=1e-6)


def test_after_a_restart_a_stream_is_measured_as_if_it_were_the_first() -> None:
    samples = np.random.default_rng(3).normal(0, 0.1, 2 * RATE_HZ)
    fresh, used = Meter(RATE_HZ, with_bands=True), Meter(RATE_HZ, with_bands=True)
    used.push(np.full(70_001, 0.9))
    used.restart(100_000)
    expected, got = fresh.push(samples), used.push(samples)
    assert (expected.start_sample, got.start_sample) == (0, 100_000)
    np.testing.assert_array_equal(expected.energies, got.energies)
    np.testing.assert_array_equal(expected.fast_max, got.fast_max)
    np.testing.assert_array_equal(expected.bands, got.bands)


@given(first=st.integers(-500, 12_000), n=st.integers(0, 12_000))
def test_a_range_has_the_ticks_that_lie_wholly_in_it(first: int, n: int) -> None:
    meter = Meter(8_000, with_bands=False)
    meter.restart(1_000)
    ticks = meter.push(np.random.default_rng(1).normal(0, 1, 8_000))
    part = ticks.between(first, first + n)
    starts = [start for start in range(1_000, 9_000, 80) if first <= start and start + 80 <= first + n]
    assert len(part) == len(starts)
    if starts:
        assert (part.start_sample, part.end_sample) == (starts[0], starts[-1] + 80)


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=10), st.sampled_from([8_000, 11_025]))
def test_seconds_add_up_to_the_whole(lengths: list[int], rate_hz: int) -> None:
    samples = np.random.default_rng(4).normal(0, 0.1, sum(lengths))
    meter, total = Meter(rate_hz, with_bands=False), Sum(rate_hz)
    periods, found = Periods(rate_hz, period_samples=rate_hz), []
    for block in np.split(samples, np.cumsum(lengths)):
        ticks = meter.push(block)
        total.add(ticks)
        found += list(periods.add(ticks))
    found += list(periods.end())
    figures = total.figures()
    if figures is None:
        assert not found
        return
    assert [number for number, _ in found] == list(range(len(found)))
    assert sum(second.covered_s for _, second in found) == pytest.approx(figures.covered_s)
    energy = sum(10 ** (second.lzeq / 10) * second.covered_s for _, second in found)
    assert 10 * math.log10(energy / figures.covered_s) == pytest.approx(figures.lzeq, abs=1e-9)
    assert max(second.lafmax for _, second in found) == figures.lafmax
