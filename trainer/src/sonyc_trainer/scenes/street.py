"""From the source to the microphone: air, corners, walls, and the level over the background."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.noise import Spectrum, white
from sonyc_trainer.scenes.plan import Event
from sonyc_trainer.scenes.sensors import Sensor
from sonyc_trainer.scenes.settings import N_SAMPLES, RATE_HZ, Rng

N_FFT: Final = 466_560
"""A clip and half a second of reverberation, of small prime factors."""

_ABSORPTION_DB_PER_M: Final = 0.0047
"""At 1 kHz, 20 degrees and 50 % humidity: ISO 9613-1; it grows about as the frequency to the power 1.5."""
_ABSORPTION_HZ: Final = (20.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0, 11_000.0, 16_000.0, 22_050.0)
_CORNER: Final = Spectrum((20.0, 200.0, 800.0, 3_000.0, 20_000.0), (0.0, 0.0, -5.0, -12.0, -18.0))
_WEIGHT_HZ: Final = 200.0
_FRAME: Final = 2_205
_PROBE: Final = 4_096
_ACTIVE_DB: Final = 15.0
_LOUDEST_DBFS: Final = -18.0
_KNEE: Final = 0.7


@dataclass(frozen=True)
class Arrival:
    """An event as it reaches the sensor.

    Attributes:
        bins: complex64 [N_FFT // 2 + 1], its real FFT before it is brought to its level.
        active_s: How long it sounds within 15 dB of its loudest 50 ms.
    """

    bins: NDArray[np.complex64]
    active_s: float


def arriving(sound: FloatArray, event: Event, sensor: Sensor, rng: Rng) -> Arrival:
    """Carry a sound through the street.

    Args:
        sound: float32 [n] at the source, which begins at `event.start_s`.
        event: Where and when it is.
        sensor: Its street and microphone.
        rng: Where walls and their echoes are drawn from.
    """
    import scipy.fft

    placed = np.zeros(N_FFT, dtype=np.float32)
    start = round(event.start_s * RATE_HZ)
    sound = sound[: N_SAMPLES - start]
    placed[start : start + len(sound)] = sound
    bins = scipy.fft.rfft(placed, overwrite_x=True)
    bins *= scipy.fft.rfft(echoes(sensor, event, rng), N_FFT)
    bins *= _path(event).plus(sensor.response).gains(N_FFT)
    return Arrival(bins, active_s(sound))


def mixed_over(background: FloatArray, arrivals: list[tuple[Arrival, float]]) -> FloatArray:
    """Mix events over a background: float32 [N_SAMPLES].

    Args:
        background: float32 [N_SAMPLES].
        arrivals: Each with its signal-to-noise ratio in dB, its active level over the background's median one, both
            weighted by a first-order high-pass at 200 Hz, below which every street rumbles. An event that would be
            louder than -18 dBFS comes at that level.
    """
    import scipy.fft

    if not arrivals:
        return background
    weights = _weights(N_FFT)
    noise = _median_power(background)
    total = np.zeros(N_FFT // 2 + 1, dtype=np.complex64)
    for arrival, snr_db in arrivals:
        loudest = 10 ** (_LOUDEST_DBFS / 20) / np.sqrt(_active_power(arrival, np.float32(1)))
        wanted = np.sqrt(noise / _active_power(arrival, weights)) * 10 ** (snr_db / 20)
        total += arrival.bins * np.float32(min(wanted, loudest))
    return np.asarray(background + scipy.fft.irfft(total, N_FFT, overwrite_x=True)[:N_SAMPLES])


def echoes(sensor: Sensor, event: Event, rng: Rng) -> FloatArray:
    """Draw an impulse response: the direct sound, reflections of walls within 60 ms, a dying tail."""
    n = round(min(0.5, sensor.reverberation_s) * RATE_HZ)
    times_s = np.arange(n, dtype=np.float32) / np.float32(RATE_HZ)
    # The farther the source, the more of what arrives has been reflected.
    reflected = min(0.8, 0.15 + event.distance_m / 150)
    tail = white(rng, n) * np.exp(times_s * np.float32(-6.91 / sensor.reverberation_s))
    response = tail * np.float32(0.6 * reflected / np.sqrt(float(np.sum(tail**2))))
    for delay_s in rng.uniform(0.003, 0.06, 5):
        response[round(delay_s * RATE_HZ)] += rng.choice((-1, 1)) * reflected * rng.uniform(0.2, 0.6)
    response[0] += 1.0
    return np.asarray(response, dtype=np.float32)


def active_s(sound: FloatArray) -> float:
    """Measure how long a sound is within 15 dB of its loudest 50 ms; at least 50 ms."""
    frames = sound[: len(sound) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if not len(frames):
        return _FRAME / RATE_HZ
    powers = np.mean(frames * frames, axis=1)
    return float(np.count_nonzero(powers >= powers.max() * 10 ** (-_ACTIVE_DB / 10))) * _FRAME / RATE_HZ


def limited(samples: FloatArray) -> FloatArray:
    """Let the microphone saturate softly: what is over 0.7 of full scale is bent to stay below 1."""
    over = np.abs(samples) > _KNEE
    if over.any():
        samples = samples.copy()
        peaks = samples[over]
        bent = _KNEE + (1 - _KNEE) * np.tanh((np.abs(peaks) - _KNEE) / (1 - _KNEE))
        samples[over] = np.sign(peaks) * np.minimum(bent, 0.999)
    return samples


def _path(event: Event) -> Spectrum:
    hz = np.array(_ABSORPTION_HZ)
    loss_db = _ABSORPTION_DB_PER_M * (hz / 1_000) ** 1.5 * event.distance_m
    air = Spectrum(_ABSORPTION_HZ, tuple(-np.minimum(loss_db, 80.0)))
    return air.plus(_CORNER) if event.is_hidden else air


def _weights(n_fft: int) -> FloatArray:
    """Give the power response of a first-order high-pass: float32 [n_fft // 2 + 1]."""
    square_hz = (np.arange(n_fft // 2 + 1, dtype=np.float32) * np.float32(RATE_HZ / n_fft)) ** 2
    return np.asarray(square_hz / (square_hz + np.float32(_WEIGHT_HZ**2)), dtype=np.float32)


def _active_power(arrival: Arrival, weights: FloatArray | np.float32) -> float:
    """Measure the weighted power per active sample, above 0."""
    powers = (np.square(arrival.bins.real) + np.square(arrival.bins.imag)) * weights
    energy = float(np.sum(powers, dtype=np.float64)) * 2 / N_FFT
    return max(energy / (arrival.active_s * RATE_HZ), 1e-30)


def _median_power(background: FloatArray) -> float:
    """Measure the weighted power per sample of the median of 40 frames spread over the clip."""
    import scipy.fft

    frames = np.lib.stride_tricks.sliding_window_view(background, _PROBE)[:: (N_SAMPLES - _PROBE) // 39]
    bins = scipy.fft.rfft(frames * np.asarray(np.hanning(_PROBE), dtype=np.float32), axis=1)
    powers = np.sum((np.square(bins.real) + np.square(bins.imag)) * _weights(_PROBE), axis=1)
    # A Hann window lets 3/8 of the power through.
    return float(np.median(powers)) * 2 / _PROBE / _PROBE / 0.375
