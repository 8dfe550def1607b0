"""The built-in scenes: a minute of made street sound, the same on every machine.

They cost what street sound costs to code and to recognise. Nothing can be recognised in them: no accuracy is measured
on them.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray

RATE_HZ: Final = 48_000
CLIP_S: Final = 10.0
N_SCENES: Final = 6

_SEED = 20_264
_N_PARTIALS = 8
_PEAK = 0.5


def built_in_scenes() -> FloatArray:
    """Make the scenes, one after the other: float32 [n_samples] at `RATE_HZ`, within -0.5 ... 0.5."""
    generator = np.random.default_rng(_SEED)
    return np.concatenate([_scene(generator, loudness) for loudness in np.linspace(0.1, 1.0, N_SCENES)])


def _scene(generator: np.random.Generator, loudness: float) -> FloatArray:
    n_samples = round(CLIP_S * RATE_HZ)
    time_s = np.arange(n_samples) / RATE_HZ
    scene = _traffic(generator, n_samples) + _engine(generator, time_s) + _knocks(generator, time_s)
    return np.asarray(scene * (loudness * _PEAK / np.abs(scene).max()), dtype=np.float32)


def _traffic(generator: np.random.Generator, n_samples: int) -> NDArray[np.float64]:
    """Noise that falls by 6 dB an octave from 200 Hz on, swelling as cars pass."""
    spectrum = np.fft.rfft(generator.standard_normal(n_samples))
    spectrum /= 1 + np.fft.rfftfreq(n_samples, 1 / RATE_HZ) / 200
    noise = np.fft.irfft(spectrum, n_samples)
    passing = 1 + 0.8 * np.sin(2 * np.pi * (np.arange(n_samples) / n_samples + generator.random()))
    return np.asarray(noise / noise.std() * passing)


def _engine(generator: np.random.Generator, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Partials of a note that drifts."""
    base_hz = generator.uniform(40, 400)
    phase = 2 * np.pi * base_hz * (time_s + 0.02 * np.sin(2 * np.pi * 0.3 * time_s))
    return np.asarray(sum(np.sin(k * phase) / k for k in range(1, _N_PARTIALS + 1)))


def _knocks(generator: np.random.Generator, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twenty short bursts of noise, as of a hammer."""
    knocks = np.zeros(len(time_s))
    for start_s in generator.uniform(0, time_s[-1], 20):
        since_s = np.clip(time_s - start_s, 0, None)
        knocks += 4 * np.exp(-since_s / 0.02) * (since_s > 0)
    return np.asarray(knocks * generator.standard_normal(len(time_s)))
