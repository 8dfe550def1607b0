"""The loudest moment of clips whose loudest moment is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_trainer.loudness import FLOOR_DBFS, loudest_moment, window_levels_dbfs

RATE_HZ = 8000


def noise_with_burst(burst_s: float, *, duration_s: float = 10.0, length_s: float = 1.0) -> np.ndarray:
    """Noise at -60 dB with a burst at -20 dB that begins at `burst_s`."""
    rng = np.random.default_rng(1)
    samples = 1e-3 * rng.standard_normal(round(duration_s * RATE_HZ))
    start, end = round(burst_s * RATE_HZ), round((burst_s + length_s) * RATE_HZ)
    samples[start:end] = 0.1 * rng.standard_normal(len(samples[start:end]))
    return samples.astype(np.float32)


@pytest.mark.parametrize("burst_s", [1.0, 3.4, 6.5, 7.9])
def test_part_is_centred_on_the_burst(burst_s: float) -> None:
    moment = loudest_moment(noise_with_burst(burst_s), RATE_HZ, keep_s=2.0)
    assert moment.start == pytest.approx((burst_s - 0.5) * RATE_HZ, abs=0.1 * RATE_HZ)
    assert moment.n_samples == 2 * RATE_HZ
    assert moment.snr_db == pytest.approx(40, abs=1)


@pytest.mark.parametrize(("burst_s", "start"), [(0.0, 0), (9.0, 8 * RATE_HZ)])
def test_part_stays_within_the_clip(burst_s: float, start: int) -> None:
    moment = loudest_moment(noise_with_burst(burst_s), RATE_HZ, keep_s=2.0)
    assert (moment.start, moment.n_samples) == (start, 2 * RATE_HZ)


@settings(max_examples=50, deadline=None)
@given(start=st.integers(0, 90), keep_s=st.floats(1.0, 4.0))
def test_burst_is_kept_whole(start: int, keep_s: float) -> None:
    burst_s = start / 10
    moment = loudest_moment(noise_with_burst(burst_s), RATE_HZ, keep_s=keep_s)
    assert moment.start <= burst_s * RATE_HZ + 1
    assert moment.start + moment.n_samples >= (burst_s + 1) * RATE_HZ - 1
    assert moment.start >= 0
    assert moment.start + moment.n_samples <= 10 * RATE_HZ


def test_short_burst_beats_a_long_quiet_sound() -> None:
    samples = noise_with_burst(2.0, length_s=0.2)
    samples[5 * RATE_HZ : 9 * RATE_HZ] *= 20  # -34 dB for four seconds; the burst is -27 dB over its window
    moment = loudest_moment(samples, RATE_HZ, keep_s=1.0)
    assert moment.start <= 2.0 * RATE_HZ
    assert moment.start + moment.n_samples >= 2.2 * RATE_HZ


@pytest.mark.parametrize("n_samples", [1, 2, 799, 7999, 8000])
def test_clip_of_one_window_or_less_is_kept_whole(n_samples: int) -> None:
    samples = np.full(n_samples, 0.5, np.float32)
    assert loudest_moment(samples, RATE_HZ, keep_s=2.0) == (0, n_samples, 0.0)


def test_digital_silence_is_no_infinitely_quiet_background() -> None:
    samples = np.zeros(5 * RATE_HZ, np.float32)
    samples[RATE_HZ : 2 * RATE_HZ] = 1.0
    assert loudest_moment(samples, RATE_HZ, keep_s=2.0).snr_db == pytest.approx(-FLOOR_DBFS)


def test_levels_are_those_of_each_window() -> None:
    samples = np.random.default_rng(2).uniform(-1, 1, 3 * RATE_HZ + 123).astype(np.float32)
    levels = window_levels_dbfs(samples, RATE_HZ)
    starts = range(0, len(samples) - RATE_HZ + 1, RATE_HZ // 10)
    expected = [10 * np.log10(np.mean(samples[s : s + RATE_HZ].astype(np.float64) ** 2)) for s in starts]
    np.testing.assert_allclose(levels, expected, atol=1e-9)


def test_hop_that_is_no_whole_number_of_samples_does_not_drift() -> None:
    rate_hz = 11025  # a hop of 1102.5 samples
    levels = window_levels_dbfs(np.ones(60 * rate_hz, np.float32), rate_hz)
    assert len(levels) == 1 + 590
    np.testing.assert_allclose(levels, 0, atol=1e-9)
