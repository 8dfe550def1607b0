"""Clips of background that holds none of the eight classes: to learn from, and to count false alarms on.

One or two kinds of noise, a microphone, a level within 42 dB. In a share of the clips sounds of the eight classes are
added so far below the noise, in every octave band, that none of them should be detected.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray, to_int16
from sonyc_contract.labels import LABELS
from sonyc_trainer.scenes.background import background
from sonyc_trainer.scenes.background_kinds import KINDS, modulated, of_rms_1
from sonyc_trainer.scenes.noise import Spectrum, white
from sonyc_trainer.scenes.plan import KIND_WEIGHTS, Event, Proximity, draw_span, plan_clip
from sonyc_trainer.scenes.rendering import event_sound
from sonyc_trainer.scenes.sensors import Sensor, draw_sensor
from sonyc_trainer.scenes.settings import (
    N_SAMPLES,
    RATE_HZ,
    BackgroundConfig,
    Rng,
    ScenesConfig,
    Stream,
    random_stream,
)
from sonyc_trainer.scenes.street import N_FFT, Arrival, arriving, limited

_STREET_CHANCE: Final = 0.2
_SECOND_CHANCE: Final = 0.4
_RESPONSE_CHANCE: Final = 0.5
_TWO_SOUNDS_CHANCE: Final = 0.3
_LEVEL_DBFS: Final = (-62.0, -20.0)
_FLOOR_DBFS: Final = (-88.0, -72.0)
_N_SENSORS: Final = 100
_FLAT: Final = Spectrum((20.0, 20_000.0), (0.0, 0.0))
_EDGES_HZ: Final = (45.0, 89.0, 178.0, 355.0, 708.0, 1_413.0, 2_818.0, 5_623.0, 11_220.0, 22_050.0)
_PROBE: Final = 4_096
_QUIET_QUANTILE: Final = 0.1


def made_background(index: int, config: BackgroundConfig) -> NDArray[np.int16]:
    """Make clip `index`, the same whatever `config.hours` is: int16 [441000] at 44.1 kHz, about 40 ms of CPU time."""
    rng = random_stream(config.seed, Stream.MADE, index)
    sensor = draw_sensor(config.seed, int(rng.integers(_N_SENSORS)))
    noise = _noise(index, config, sensor, rng) * np.float32(10 ** (rng.uniform(*_LEVEL_DBFS) / 20))
    noise += white(rng, N_SAMPLES) * np.float32(10 ** (rng.uniform(*_FLOOR_DBFS) / 20))
    if rng.random() < config.faint_fraction:
        noise = noise + _faint_sounds(noise, config, sensor, rng)
    return to_int16(limited(noise))


def _noise(index: int, config: BackgroundConfig, sensor: Sensor, rng: Rng) -> FloatArray:
    """Give one kind of noise, or two, of RMS 1."""
    if rng.random() < _STREET_CHANCE:
        streets = ScenesConfig(n_sensors=_N_SENSORS, seed=config.seed, multi_label_fraction=0, none_fraction=1)
        return of_rms_1(background(plan_clip(index, streets), rng))
    response = sensor.response if rng.random() < _RESPONSE_CHANCE else _FLAT
    n_kinds = 2 if rng.random() < _SECOND_CHANCE else 1
    names = rng.choice(list(KINDS), n_kinds, replace=False)
    first, *others = (of_rms_1(modulated(KINDS[str(name)](rng, response), rng)) for name in names)
    for other in others:
        first = first + other * np.float32(10 ** (rng.uniform(-20.0, 0.0) / 20))
    return of_rms_1(first)


def _faint_sounds(noise: FloatArray, config: BackgroundConfig, sensor: Sensor, rng: Rng) -> FloatArray:
    """Give sounds of one or two classes as they arrive, far below float32 [N_SAMPLES] of noise."""
    import scipy.fft

    quiet = _quiet_powers(noise)
    total = np.zeros(N_FFT // 2 + 1, dtype=np.complex64)
    for label in rng.choice(LABELS, 2 if rng.random() < _TWO_SOUNDS_CHANCE else 1, replace=False):
        event = _event(str(label), rng.uniform(config.faint_low_db, config.faint_high_db), rng)
        arrival = arriving(event_sound(event, rng), event, sensor, rng)
        wanted = 10 ** (event.snr_db / 10) * float(np.min(quiet / _band_powers(arrival)))
        total += arrival.bins * np.float32(np.sqrt(wanted))
    return np.asarray(scipy.fft.irfft(total, N_FFT, overwrite_x=True)[:N_SAMPLES])


def _event(label: str, snr_db: float, rng: Rng) -> Event:
    weights = KIND_WEIGHTS[label]
    kind = str(rng.choice(list(weights), p=list(weights.values())))
    start_s, length_s = draw_span(label, rng)
    distance_m = float(np.exp(rng.uniform(*np.log((5.0, 150.0)))))
    return Event(label, kind, kind, Proximity.FAR, distance_m, False, start_s, length_s, snr_db)


def _quiet_powers(noise: FloatArray) -> NDArray[np.float64]:
    """Measure the power per sample in each octave band, in the quietest tenth of 40 frames spread over the clip."""
    import scipy.fft

    frames = np.lib.stride_tricks.sliding_window_view(noise, _PROBE)[:: (N_SAMPLES - _PROBE) // 39]
    bins = scipy.fft.rfft(frames * np.asarray(np.hanning(_PROBE), dtype=np.float32), axis=1)
    powers = np.square(bins.real) + np.square(bins.imag)
    # A Hann window lets 3/8 of the power through.
    in_bands = _summed(powers, _PROBE) * (2 / _PROBE / _PROBE / 0.375)
    return np.asarray(np.quantile(in_bands, _QUIET_QUANTILE, axis=0))


def _band_powers(arrival: Arrival) -> NDArray[np.float64]:
    """Measure the power per active sample in each octave band, above 0."""
    powers = np.square(arrival.bins.real) + np.square(arrival.bins.imag)
    energies = _summed(powers[np.newaxis], N_FFT)[0] * (2 / N_FFT)
    return np.asarray(np.maximum(energies / (arrival.active_s * RATE_HZ), 1e-30))


def _summed(powers: FloatArray, n_fft: int) -> NDArray[np.float64]:
    """Sum powers [n, n_fft // 2 + 1] over octave bands: float64 [n, n_bands]."""
    edges = np.round(np.asarray(_EDGES_HZ) * n_fft / RATE_HZ).astype(int)
    return np.add.reduceat(powers[:, : edges[-1]], edges[:-1], axis=1, dtype=np.float64)
