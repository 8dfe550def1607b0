"""Kinds of background without any of the eight classes: shaped noise of many spectra, hum, wind, rain, traffic far off.

Every kind is a function of random numbers and of what the microphone does to spectra; it gives float32 [N_SAMPLES] of
any level.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.envelopes import point_times_s, to_samples, wander
from sonyc_trainer.scenes.noise import Spectrum, band, coloured
from sonyc_trainer.scenes.oscillators import harmonic_table, tone
from sonyc_trainer.scenes.resonance import overlay
from sonyc_trainer.scenes.settings import CLIP_S, N_SAMPLES, RATE_HZ, Rng

_OCTAVES_HZ: Final = tuple(20.0 * 2**k for k in range(11))
_SLOPES_DB: Final = (0.0, -3.0, -6.0, 3.0)
"""Decibels per octave of white, pink, brown and blue noise."""
_MAINS_HZ: Final = (50.0, 60.0, 100.0, 120.0)
_N_HARMONICS: Final = 30
_WIND: Final = Spectrum((20.0, 60.0, 200.0, 500.0, 2_000.0), (0.0, -3.0, -20.0, -40.0, -60.0))
_RAIN: Final = Spectrum((20.0, 500.0, 2_000.0, 5_000.0, 12_000.0, 20_000.0), (-40.0, -18.0, -4.0, 0.0, -3.0, -12.0))
_DROP_SAMPLES: Final = 400


def modulated(samples: FloatArray, rng: Rng) -> FloatArray:
    """Let float32 [N_SAMPLES] swell and fade: not at all, at random by up to 6 dB, or evenly as a fan's blades do."""
    lot = rng.random()
    if lot < 0.4:
        return samples
    if lot < 0.8:
        depth_db = rng.uniform(1.0, 6.0)
        curve = 10 ** (depth_db / 20 * wander(rng, N_SAMPLES, hz=rng.uniform(0.1, 2.0)))
    else:
        turns = point_times_s(N_SAMPLES) * rng.uniform(0.5, 15.0) + rng.random()
        curve = 1.0 + rng.uniform(0.1, 0.6) * np.sin(2 * np.pi * turns)
    return samples * to_samples(curve.astype(np.float32), N_SAMPLES)


def of_rms_1(samples: FloatArray) -> FloatArray:
    """Bring samples to an RMS of 1."""
    return samples / np.float32(max(float(np.sqrt(np.mean(samples * samples, dtype=np.float64))), 1e-20))


def _sloped(rng: Rng, response: Spectrum) -> FloatArray:
    """White, pink, brown or blue noise, or noise that falls or rises by anything between."""
    slope_db = float(rng.choice(_SLOPES_DB)) if rng.random() < 0.6 else rng.uniform(-9.0, 4.5)
    ends = Spectrum((_OCTAVES_HZ[0], _OCTAVES_HZ[-1]), (0.0, slope_db * (len(_OCTAVES_HZ) - 1)))
    return coloured(rng, N_SAMPLES, ends.plus(response))


def _smooth(rng: Rng, response: Spectrum) -> FloatArray:
    """Noise whose spectrum wanders from octave to octave."""
    steps_db = rng.normal(rng.uniform(-6.0, 1.0), rng.uniform(2.0, 8.0), len(_OCTAVES_HZ))
    return coloured(rng, N_SAMPLES, Spectrum(_OCTAVES_HZ, tuple(np.cumsum(steps_db))).plus(response))


def _banded(rng: Rng, response: Spectrum) -> FloatArray:
    """Noise of one to four octaves, such as a vent's, over faint noise of all."""
    low_hz = float(np.exp(rng.uniform(*np.log((60.0, 4_000.0)))))
    shape = band(low_hz, low_hz * 2 ** rng.uniform(1.0, 4.0), slope_db=rng.uniform(6.0, 18.0))
    return coloured(rng, N_SAMPLES, shape.plus(response)) + _faint_noise(rng, response)


def _hum(rng: Rng, response: Spectrum) -> FloatArray:
    """Let a transformer or a ventilator run: steady harmonics over noise."""
    hz = float(rng.choice(_MAINS_HZ)) if rng.random() < 0.6 else rng.uniform(80.0, 400.0)
    orders = np.arange(1, _N_HARMONICS + 1)
    amplitudes = rng.random(_N_HARMONICS) ** 2 / orders ** rng.uniform(0.3, 1.5)
    amplitudes *= 10 ** (response.at(tuple(hz * orders)) / 20)
    return tone(harmonic_table(amplitudes), hz, N_SAMPLES, phase=rng.random()) + _faint_noise(rng, response)


def _wind(rng: Rng, response: Spectrum) -> FloatArray:
    """Let gusts press on the microphone, over a steady rustle."""
    gusts = np.clip(0.5 + 0.5 * wander(rng, N_SAMPLES, hz=rng.uniform(0.2, 1.5)), 0.05, 2.0) ** 2
    noise = coloured(rng, N_SAMPLES, _WIND.plus(response)) * to_samples(gusts.astype(np.float32), N_SAMPLES)
    return noise + _faint_noise(rng, response)


def _rain(rng: Rng, response: Spectrum) -> FloatArray:
    """Let it rain, with drops that are heard one by one."""
    steady = coloured(rng, N_SAMPLES, _RAIN.plus(response))
    n_drops = int(rng.integers(0, 400))
    fall = np.exp(np.arange(_DROP_SAMPLES, dtype=np.float32) / np.float32(-60))
    drop = coloured(rng, _DROP_SAMPLES, _RAIN.plus(response)) * fall
    starts = list(rng.uniform(0, CLIP_S - _DROP_SAMPLES / RATE_HZ, n_drops))
    return steady + overlay(N_SAMPLES, starts, list(rng.gamma(1.0, 1.0, n_drops)), [drop])


def _rumble(rng: Rng, response: Spectrum) -> FloatArray:
    """Traffic far away: low noise that never stops and hardly changes."""
    edge_hz, slope_db = rng.uniform(80.0, 400.0), rng.uniform(5.0, 12.0)
    octaves = np.log2(_OCTAVES_HZ[-1] / edge_hz)
    falling = Spectrum((_OCTAVES_HZ[0], edge_hz, _OCTAVES_HZ[-1]), (-3.0, 0.0, -slope_db * float(octaves)))
    swell = 10 ** (rng.uniform(0.5, 3.0) / 20 * wander(rng, N_SAMPLES, hz=0.15))
    return coloured(rng, N_SAMPLES, falling.plus(response)) * to_samples(swell.astype(np.float32), N_SAMPLES)


def _faint_noise(rng: Rng, response: Spectrum) -> FloatArray:
    return _sloped(rng, response) * np.float32(10 ** (rng.uniform(-30.0, -6.0) / 20))


KINDS: Final[dict[str, Callable[[Rng, Spectrum], FloatArray]]] = {
    "sloped": _sloped,
    "smooth": _smooth,
    "banded": _banded,
    "hum": _hum,
    "wind": _wind,
    "rain": _rain,
    "rumble": _rumble,
}
"""By name; the street of `scenes.background` is one more."""
