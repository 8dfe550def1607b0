"""Periodic waves from tables of one period, which a fixed-point phase runs through."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.settings import RATE_HZ, Rng

_TABLE_BITS: Final = 12
TABLE_SIZE: Final = 1 << _TABLE_BITS
MAX_HARMONIC_HZ: Final = 18_000.0


def harmonic_table(amplitudes: Sequence[float] | FloatArray | NDArray[np.complex128]) -> FloatArray:
    """Build one period from its harmonics.

    Args:
        amplitudes: Of harmonics 1, 2, ..., real (all in sine phase) or complex.

    Returns:
        float32 [TABLE_SIZE] of RMS 1.
    """
    spectrum = np.zeros(TABLE_SIZE // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(amplitudes) + 1] = -1j * np.asarray(amplitudes)
    period = np.fft.irfft(spectrum, TABLE_SIZE)
    return np.asarray(period / np.sqrt(np.mean(period**2)), dtype=np.float32)


def falling_table(rng: Rng, *, hz: float, slope: float, roughness: float = 0.0) -> FloatArray:
    """Build a period whose harmonics fall by `1 / k ** slope`, each up to `roughness` (in nepers) off that.

    Harmonics end at 18 kHz for the highest frequency `hz` that the table is played at.
    """
    k = np.arange(1, max(2, int(min(MAX_HARMONIC_HZ / hz, TABLE_SIZE // 8))) + 1)
    phases = np.exp(2j * np.pi * rng.random(len(k)) * min(roughness, 1.0))
    return harmonic_table(k**-slope * np.exp(roughness * rng.standard_normal(len(k))) * phases)


def pulse_table(*, decay: float) -> FloatArray:
    """Build a period of 1 falling to 0 exponentially, `decay` of the period long; not of RMS 1, not centred."""
    return np.asarray(np.exp(-np.arange(TABLE_SIZE) / (TABLE_SIZE * decay)), dtype=np.float32)


def tone(table: FloatArray, hz: float | FloatArray, n_samples: int, *, phase: float = 0.0) -> FloatArray:
    """Play a period.

    Args:
        table: float32 [TABLE_SIZE].
        hz: Frequency, or float32 [n_samples] of frequencies.
        n_samples: How many samples.
        phase: Where in the period to begin, 0 ... 1.

    Returns:
        float32 [n_samples].
    """
    steps_per_hz = 2.0**32 / RATE_HZ
    start = np.uint32(int(phase * 2**32) % 2**32)
    if isinstance(hz, np.ndarray):
        steps = (hz[:n_samples].astype(np.float64) * steps_per_hz).astype(np.uint32)
        phases = np.cumsum(steps, dtype=np.uint32) + start
    else:
        phases = np.arange(n_samples, dtype=np.uint32) * np.uint32(hz * steps_per_hz) + start
    return np.asarray(table[phases >> np.uint32(32 - _TABLE_BITS)])
