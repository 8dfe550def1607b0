"""Dogs: short barks whose pitch glides down, rough and rich in noise, and whines."""

from dataclasses import dataclass

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.envelopes import course, to_samples
from sonyc_trainer.scenes.noise import white
from sonyc_trainer.scenes.oscillators import falling_table, tone
from sonyc_trainer.scenes.resonance import formant_gains, overlay
from sonyc_trainer.scenes.settings import RATE_HZ, Rng

_N_VARIANTS = 3


@dataclass(frozen=True)
class Dog:
    """A dog and what it does.

    Attributes:
        pitch_hz: Highest pitch of its bark.
        bark_s: Length of a bark.
        fall: Share of the pitch that is lost by the end of a bark.
        roughness: Share of noise.
        formants_hz: Resonances of its muzzle.
        starts_s: When it barks.
        whines: Whether it whines instead.
    """

    pitch_hz: float
    bark_s: float
    fall: float
    roughness: float
    formants_hz: tuple[float, ...]
    starts_s: tuple[float, ...]
    whines: bool = False


def draw_dog(n_samples: int, rng: Rng) -> Dog:
    """Draw a dog between a large (0) and a small (1) one, and its barks within `n_samples`."""
    size = rng.random()
    whines = bool(rng.random() < 0.1)
    bark_s = rng.uniform(0.5, 1.1) if whines else rng.uniform(0.09, 0.16) + 0.14 * (1 - size)
    return Dog(
        pitch_hz=240.0 * 4.0**size * rng.uniform(0.85, 1.2),
        bark_s=bark_s,
        fall=rng.uniform(0.3, 0.6),
        roughness=rng.uniform(0.15, 0.5),
        formants_hz=(520 * 1.9**size * rng.uniform(0.9, 1.1), 1300 * 1.7**size, 2800 * 1.4**size, 5200.0, 9500.0),
        starts_s=_bouts(n_samples / RATE_HZ, bark_s, rng),
        whines=whines,
    )


def barking(dog: Dog, n_samples: int, rng: Rng) -> FloatArray:
    """Let a dog bark or whine: float32 [n_samples]."""
    pieces = [_bark(dog, rng) for _ in range(_N_VARIANTS)]
    return overlay(n_samples, dog.starts_s, list(rng.uniform(0.55, 1.0, len(dog.starts_s))), pieces)


def _bouts(length_s: float, bark_s: float, rng: Rng) -> tuple[float, ...]:
    """Draw bouts of one to four barks in quick succession, with pauses between."""
    starts, time_s = [], 0.02
    while time_s < max(0.03, length_s - bark_s):
        for _ in range(int(rng.integers(1, 5))):
            starts.append(time_s)
            time_s += bark_s + rng.uniform(0.06, 0.3)
        time_s += rng.uniform(0.2, 1.8)
    return tuple(time for time in starts if time < max(0.03, length_s - bark_s))


def _bark(dog: Dog, rng: Rng) -> FloatArray:
    n = round(dog.bark_s * rng.uniform(0.85, 1.15) * RATE_HZ)
    points = course(n)
    hz = dog.pitch_hz * rng.uniform(0.92, 1.08) * _glide(dog, points)
    level = _swell(points) if dog.whines else _burst(points)
    slope = 1.3 if dog.whines else 0.75
    voiced = tone(falling_table(rng, hz=dog.pitch_hz, slope=slope, roughness=0.3), to_samples(hz, n), n)
    noise = white(rng, n) * np.float32((0.1 if dog.whines else 1.0) * dog.roughness * 2.0)
    # A bark's voice is chaotic: its amplitude trembles at a fraction of its pitch.
    tremble = np.float32(1.0) + np.float32(0.5 * dog.roughness) * tone(
        falling_table(rng, hz=200.0, slope=1.0, roughness=0.5), to_samples(hz / 2, n), n
    )
    return _through_muzzle(dog, (voiced * tremble + noise) * to_samples(level, n))


def _glide(dog: Dog, points: FloatArray) -> FloatArray:
    rise = 0.75 + 0.25 * np.clip(points / 0.2, 0, 1)
    return np.asarray(rise * (1.0 - dog.fall * np.clip((points - 0.2) / 0.8, 0, 1) ** 1.3), dtype=np.float32)


def _burst(points: FloatArray) -> FloatArray:
    return np.asarray(
        np.clip(points / 0.12, 0, 1) * np.exp(-2.2 * points) * np.clip((1 - points) / 0.3, 0, 1), dtype=np.float32
    )


def _swell(points: FloatArray) -> FloatArray:
    return np.asarray(np.sin(np.pi * points), dtype=np.float32)


def _through_muzzle(dog: Dog, samples: FloatArray) -> FloatArray:
    import scipy.fft

    n_fft = scipy.fft.next_fast_len(len(samples) + 1_024, real=True)
    hz = np.arange(n_fft // 2 + 1, dtype=np.float32) * np.float32(RATE_HZ / n_fft)
    gains = formant_gains(hz, np.array([dog.formants_hz]), np.array([260.0, 420.0, 900.0, 1800.0, 4500.0]))[0]
    return np.asarray(scipy.fft.irfft(scipy.fft.rfft(samples, n_fft) * gains, n_fft)[: len(samples)], dtype=np.float32)
