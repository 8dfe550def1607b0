"""A low-pass without delay, so that clips of datasets with different band widths look alike."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray

TRANSITION: Final = 0.1
"""Width of the transition band as a share of the limit; it lies below the limit."""

_STOP_BAND_DB = 80.0


def band_limited(samples: FloatArray, rate_hz: int, *, limit_hz: float) -> FloatArray:
    """Remove what is at or above `limit_hz`; below nine tenths of it nothing changes.

    Linear-phase FIR (windowed sinc, Kaiser window, 80 dB), its delay taken out.

    Args:
        samples: float32 [n], n >= 1.
        rate_hz: Their rate.
        limit_hz: Where the stop band begins; at or over half the rate the samples come back as they are.

    Returns:
        float32 [n], aligned with the input.
    """
    if limit_hz >= rate_hz / 2:
        return samples
    import scipy.fft

    taps = _low_pass(rate_hz, limit_hz)
    n_full = len(samples) + len(taps) - 1
    n_fft = scipy.fft.next_fast_len(n_full, real=True)
    spectrum = scipy.fft.rfft(samples, n_fft) * scipy.fft.rfft(taps, n_fft)
    delay = len(taps) // 2
    return np.ascontiguousarray(scipy.fft.irfft(spectrum, n_fft)[delay : delay + len(samples)], dtype=np.float32)


@lru_cache(maxsize=8)
def _low_pass(rate_hz: int, limit_hz: float) -> NDArray[np.float32]:
    """Taps by Kaiser's formulas (Oppenheim and Schafer, Discrete-Time Signal Processing, 7.5.3); float32 [odd]."""
    width = 2.0 * np.pi * TRANSITION * limit_hz / rate_hz
    half = int(np.ceil((_STOP_BAND_DB - 7.95) / (2.285 * width) / 2.0))
    cut_off = (1.0 - TRANSITION / 2.0) * limit_hz / rate_hz
    n = np.arange(-half, half + 1)
    taps = 2.0 * cut_off * np.sinc(2.0 * cut_off * n) * np.kaiser(len(n), 0.1102 * (_STOP_BAND_DB - 8.7))
    return np.asarray(taps / taps.sum(), dtype=np.float32)
