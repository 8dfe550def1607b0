"""The low-pass: nothing above, nothing changed below, no delay."""

import numpy as np
import pytest

from sonyc_contract.audio import resample
from sonyc_trainer.band_limit import band_limited


def tone(hz: float, rate_hz: int, duration_s: float = 0.5) -> np.ndarray:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return np.sin(2 * np.pi * hz * time_s).astype(np.float32)


def inner(samples: np.ndarray) -> np.ndarray:
    """Without the ends, where a tone is switched on and off."""
    return samples[2000:-2000]


@pytest.mark.parametrize("rate_hz", [24000, 32000, 44100, 48000])
@pytest.mark.parametrize("hz", [50, 1000, 5000, 9890])
def test_pass_band_is_left_as_it_is(rate_hz: int, hz: float) -> None:
    samples = tone(hz, rate_hz)
    limited = band_limited(samples, rate_hz, limit_hz=11_000)
    assert len(limited) == len(samples)
    np.testing.assert_allclose(inner(limited), inner(samples), atol=2e-4)


@pytest.mark.parametrize("hz", [11_000, 13_000, 20_000])
def test_stop_band_is_gone(hz: float) -> None:
    limited = band_limited(tone(hz, 48000), 48000, limit_hz=11_000)
    assert 20 * np.log10(np.abs(inner(limited)).max()) < -78


@pytest.mark.parametrize("limit_hz", [8000.0, 11_000.0])
def test_limit_over_half_the_rate_changes_nothing(limit_hz: float) -> None:
    samples = tone(7000, 16000)
    assert band_limited(samples, 16000, limit_hz=limit_hz) is samples


@pytest.mark.parametrize("n_samples", [1, 2, 100, 511])
def test_short_input_keeps_its_length(n_samples: int) -> None:
    limited = band_limited(np.ones(n_samples, np.float32), 48000, limit_hz=11_000)
    assert limited.shape == (n_samples,)
    assert limited.dtype == np.float32
    assert np.isfinite(limited).all()


def test_impulse_stays_where_it_is() -> None:
    samples = np.zeros(4000, np.float32)
    samples[1234] = 1
    limited = band_limited(samples, 48000, limit_hz=11_000)
    assert int(np.argmax(limited)) == 1234
    np.testing.assert_allclose(limited[1234 - 300 : 1234], limited[1235 : 1235 + 300][::-1], atol=1e-6)


def test_narrow_and_wide_recordings_become_alike() -> None:
    """White noise as recorded at 44.1 and at 22.05 kHz: over 12 kHz 55 dB apart, and no longer."""
    wide = np.random.default_rng(1).standard_normal(4 * 44100).astype(np.float32)
    narrow = resample(wide, 44100, 22050)
    at_rate = [resample(wide, 44100, 48000), resample(narrow, 22050, 48000)]
    before = [_level_db(samples, 11_500, 13_000) for samples in at_rate]
    assert before[0] - before[1] > 50
    limited = [band_limited(samples, 48000, limit_hz=11_000) for samples in at_rate]
    for low_hz, high_hz, most_db in ((100, 9_800, 0.1), (9_800, 10_900, 1.0), (11_500, 13_000, 3.0)):
        levels = [_level_db(samples, low_hz, high_hz) for samples in limited]
        assert abs(levels[0] - levels[1]) < most_db


def _level_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2 / len(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / 48000)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].mean()))
