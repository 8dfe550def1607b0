"""Spectra for the reader's eye: a clip's spectrogram in decibels, and where a codec cuts off."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_contract.codec import round_trip
from sonyc_contract.levels import Level

FLOOR_DB: Final = -80.0
N_ROWS: Final = 96
N_COLUMNS: Final = 96

_N_FFT = 2048
_PROBE_S = 4.0
_PROBE_RMS = 0.1
# LAME's low-pass falls over some 500 Hz; half the amplitude is where its own log puts the edge within 0.2 kHz.
_EDGE_DB = -6.0
_SMOOTHING_HZ = 200.0


@dataclass(frozen=True)
class Spectrogram:
    """Levels over time and frequency.

    Attributes:
        decibels: float64 [n_rows, n_columns], the lowest frequency first, re the reference power, at least -80.
        frequencies_hz: float64 [n_rows], the middle of each row.
        times_s: float64 [n_columns], the middle of each column.
    """

    decibels: NDArray[np.float64]
    frequencies_hz: NDArray[np.float64]
    times_s: NDArray[np.float64]


def power_of(samples: FloatArray, n_columns: int = N_COLUMNS) -> NDArray[np.float64]:
    """Give the power spectrum of Hann windows of 2048 samples, float64 [1025, n_columns], spread over the clip."""
    from scipy import fft

    padded = np.pad(samples, (0, max(0, _N_FFT - len(samples))))
    starts = np.linspace(0, len(padded) - _N_FFT, n_columns).round().astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[starts]
    return np.asarray(np.abs(fft.rfft(frames * np.hanning(_N_FFT), axis=1)).T ** 2, dtype=np.float64)


def spectrogram(samples: FloatArray, rate_hz: int, *, max_hz: float, reference: float) -> Spectrogram:
    """Give a clip's spectrogram on a linear frequency axis.

    Args:
        samples: float32 [n].
        rate_hz: Their rate.
        max_hz: The upper edge of the highest row, at most half the rate.
        reference: Power that is 0 dB, of `peak_power`.
    """
    power = power_of(samples)
    frequencies_hz = np.arange(len(power)) * rate_hz / _N_FFT
    edges_hz = np.linspace(0, max_hz, N_ROWS + 1)
    rows = np.clip(np.digitize(frequencies_hz, edges_hz) - 1, 0, N_ROWS)
    pooled = np.stack([power[rows == k].mean(axis=0) if (rows == k).any() else power[0] * 0 for k in range(N_ROWS)])
    floor = reference * 10 ** (FLOOR_DB / 10)
    decibels = np.round(10 * np.log10(np.maximum(pooled, floor) / reference), 1)
    middle_s = (np.linspace(0, max(0, len(samples) - _N_FFT), N_COLUMNS) + _N_FFT / 2) / rate_hz
    return Spectrogram(decibels, (edges_hz[:-1] + edges_hz[1:]) / 2, middle_s)


def peak_power(samples: FloatArray) -> float:
    """Give the largest power of any window and frequency, as a reference; 1 for silence."""
    return float(power_of(samples).max()) or 1.0


def cutoff_hz(level: Level, rate_hz: int, *, seed: int = 0) -> float | None:
    """Find where the codec cuts off, from the spectrum of white noise that went through it.

    Noise has something at every frequency; a clip that ends lower would hide the edge.

    Returns:
        The highest frequency that keeps half of its amplitude; None where all up to 98 % of half the rate does.
    """
    probe = np.random.default_rng(seed).normal(0, _PROBE_RMS, round(_PROBE_S * rate_hz)).astype(np.float32)
    before, after = (_mean_power(samples) for samples in (probe, round_trip(probe, rate_hz, level=level)))
    width = max(1, round(_SMOOTHING_HZ * _N_FFT / rate_hz))
    kernel = np.ones(width) / width
    ratio_db = 10 * np.log10(np.convolve(after, kernel, "same") / np.convolve(before, kernel, "same") + 1e-12)
    edge_hz = float(np.flatnonzero(ratio_db > _EDGE_DB)[-1]) * rate_hz / _N_FFT
    return None if edge_hz > 0.98 * rate_hz / 2 else round(edge_hz, -1)


def _mean_power(samples: FloatArray) -> NDArray[np.float64]:
    return np.asarray(power_of(samples, n_columns=len(samples) // _N_FFT).mean(axis=1))
