"""Slow curves, drawn at 100 points a second and brought to the rate of the samples."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.settings import RATE_HZ, Rng

CONTROL_HZ: Final = 100
_STEP: Final = RATE_HZ // CONTROL_HZ


def n_points(n_samples: int) -> int:
    """How many points a curve over `n_samples` has."""
    return -(-n_samples // _STEP) + 1


def point_times_s(n_samples: int) -> FloatArray:
    """Times of a curve's points: float32 [n_points]."""
    return np.arange(n_points(n_samples), dtype=np.float32) / np.float32(CONTROL_HZ)


def course(n_samples: int) -> FloatArray:
    """Run from 0 at the first point of a curve to 1 at its last: float32 [n_points]."""
    return np.linspace(0, 1, n_points(n_samples), dtype=np.float32)


def to_samples(points: FloatArray, n_samples: int) -> FloatArray:
    """Interpolate a curve linearly to float32 [n_samples]."""
    ramp = np.arange(_STEP, dtype=np.float32) / np.float32(_STEP)
    points = np.asarray(points, dtype=np.float32)
    return np.asarray((points[:-1, None] + np.diff(points)[:, None] * ramp).ravel()[:n_samples])


def wander(rng: Rng, n_samples: int, *, hz: float) -> FloatArray:
    """Draw a smooth random curve of mean 0 and variance about 1 that changes about `hz` times a second."""
    times_s = point_times_s(n_samples)
    knots_s = np.arange(-1.0, times_s[-1] + 2.0 / hz, 0.5 / hz)
    values = np.interp(times_s, knots_s, rng.standard_normal(len(knots_s)))
    # Linear interpolation of independent values has two thirds of their variance.
    return np.asarray(values * np.sqrt(1.5), dtype=np.float32)


def breakpoints(times_s: Sequence[float], values: Sequence[float], n_samples: int) -> FloatArray:
    """Draw straight lines between points: float32 [n_points]; level before the first and after the last."""
    return np.asarray(np.interp(point_times_s(n_samples), times_s, values), dtype=np.float32)


def gates(spans_s: Sequence[tuple[float, float]], n_samples: int, *, edge_s: float = 0.02) -> FloatArray:
    """Draw 1 within the spans (start, end) and 0 outside, with edges of `edge_s`: float32 [n_points]."""
    times_s = point_times_s(n_samples)
    level = np.zeros(len(times_s), dtype=np.float32)
    for start_s, end_s in spans_s:
        inside = np.minimum(times_s - start_s, end_s - times_s) / edge_s
        np.maximum(level, np.clip(inside, 0, 1), out=level)
    return level


def on_off(rng: Rng, n_samples: int, *, on_s: tuple[float, float], off_s: tuple[float, float]) -> FloatArray:
    """Draw work and pauses of random length, beginning with work: float32 [n_points] of 0 ... 1."""
    spans, time_s, end_s = [], 0.0, n_samples / RATE_HZ
    while time_s < end_s:
        length_s = rng.uniform(*on_s)
        spans.append((time_s - 0.1 * (time_s == 0.0), time_s + length_s))
        time_s += length_s + rng.uniform(*off_s)
    return gates(spans, n_samples, edge_s=0.05)


def faded(samples: FloatArray, fade_s: float) -> FloatArray:
    """Fade both ends in and out, each at most half of the samples."""
    n = min(round(fade_s * RATE_HZ), len(samples) // 2)
    if n:
        ramp = np.asarray(0.5 - 0.5 * np.cos(np.pi * np.arange(n) / n), dtype=np.float32)
        samples = samples.copy()
        samples[:n] *= ramp
        samples[-n:] *= ramp[::-1]
    return samples
