"""Struck bodies and resonating spaces: modes, resonators, and spectra that change with time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.settings import RATE_HZ, Rng

FRAME: Final = 1_024
HOP: Final = FRAME // 2


@dataclass(frozen=True)
class Modes:
    """What a struck body rings with.

    Attributes:
        hz: Frequency of each mode.
        decay_s: Time in which each falls by 60 dB.
        gain: Amplitude of each.
    """

    hz: tuple[float, ...]
    decay_s: tuple[float, ...]
    gain: tuple[float, ...]


def draw_modes(rng: Rng, n: int, *, hz: tuple[float, float], decay_s: tuple[float, float], tilt: float) -> Modes:
    """Draw modes spread over a band; decay falls from its second to its first value with frequency.

    Gains fall with frequency to the power `tilt`.
    """
    frequencies = np.sort(np.exp(rng.uniform(np.log(hz[0]), np.log(hz[1]), n)))
    height = np.log(frequencies / hz[0]) / np.log(hz[1] / hz[0])
    decays = decay_s[1] * (decay_s[0] / decay_s[1]) ** height * rng.uniform(0.7, 1.3, n)
    gains = (frequencies / hz[0]) ** -tilt * rng.uniform(0.3, 1.0, n)
    return Modes(tuple(frequencies), tuple(decays), tuple(gains))


def ringing(rng: Rng, modes: Modes, n_samples: int) -> FloatArray:
    """Strike a body once: a sum of damped sines, float32 [n_samples]."""
    times_s = np.arange(n_samples, dtype=np.float32) / np.float32(RATE_HZ)
    total = np.zeros(n_samples, dtype=np.float32)
    for hz, decay_s, gain in zip(modes.hz, modes.decay_s, modes.gain, strict=True):
        phase = np.float32(rng.uniform(0, 2 * np.pi))
        cycle = times_s * np.float32(hz)
        cycle -= np.floor(cycle)
        wave = np.sin(cycle * np.float32(2 * np.pi) + phase)
        total += wave * np.exp(times_s * np.float32(-6.91 / decay_s)) * np.float32(gain)
    return total


def overlay(
    n_samples: int, starts_s: Sequence[float], gains: Sequence[float], pieces: Sequence[FloatArray]
) -> FloatArray:
    """Add short pieces into silence, the i-th piece (in turn) at the i-th time: float32 [n_samples]."""
    total = np.zeros(n_samples, dtype=np.float32)
    for index, (start_s, gain) in enumerate(zip(starts_s, gains, strict=True)):
        start = round(start_s * RATE_HZ)
        if 0 <= start < n_samples:
            piece = pieces[index % len(pieces)][: n_samples - start]
            total[start : start + len(piece)] += np.float32(gain) * piece
    return total


def resonated(samples: FloatArray, resonances: Sequence[tuple[float, float, float]]) -> FloatArray:
    """Raise resonances (frequency in Hz, quality, gain in dB) in float32 [n].

    The filters are the peaking equalisers of R. Bristow-Johnson's audio EQ cookbook.
    """
    import scipy.signal

    sections = np.array([_peak(hz, q, gain_db) for hz, q, gain_db in resonances])
    return np.asarray(scipy.signal.sosfilt(sections, samples), dtype=np.float32)


def _peak(hz: float, q: float, gain_db: float) -> list[float]:
    root_gain = 10 ** (gain_db / 40)
    angle = 2 * np.pi * hz / RATE_HZ
    alpha, middle = np.sin(angle) / (2 * q), -2 * np.cos(angle)
    a0 = 1 + alpha / root_gain
    numerator = (1 + alpha * root_gain, middle, 1 - alpha * root_gain)
    return [*(value / a0 for value in numerator), 1.0, middle / a0, (1 - alpha / root_gain) / a0]


def bins_hz() -> FloatArray:
    """Frequencies of the bins of `filtered_over_time`: float32 [FRAME // 2 + 1]."""
    return np.arange(FRAME // 2 + 1, dtype=np.float32) * np.float32(RATE_HZ / FRAME)


def formant_gains(hz: FloatArray, formants_hz: NDArray[np.float64], bandwidths_hz: NDArray[np.float64]) -> FloatArray:
    """Amplitude response of formants in parallel, float32 [n_targets, len(hz)].

    Args:
        hz: float32 [n_bins].
        formants_hz: [n_targets, n_formants].
        bandwidths_hz: [n_formants].
    """
    total = np.zeros((len(formants_hz), len(hz)), dtype=np.float32)
    for column, bandwidth_hz in enumerate(bandwidths_hz):
        centre_hz = formants_hz[:, column, None].astype(np.float32)
        offset = (hz - centre_hz) / np.float32(bandwidth_hz / 2)
        # Higher formants are weaker: 6 dB an octave over the first.
        weight = (formants_hz[:, 0] / formants_hz[:, column]).astype(np.float32)
        total += np.sqrt(weight)[:, None] / np.sqrt(1 + offset * offset)
    return total


def filtered_over_time(samples: FloatArray, times_s: FloatArray, gains: FloatArray) -> FloatArray:
    """Filter with a response that changes from target to target, without delay.

    Args:
        samples: float32 [n].
        times_s: [n_targets], rising: when each target is reached; between them gains are interpolated.
        gains: float32 [n_targets, FRAME // 2 + 1], smooth over frequency, as `formant_gains` gives.

    Returns:
        float32 [n].
    """
    import scipy.fft

    # Formants ring for less than 10 ms, so that what wraps around within a frame's faded ends is inaudible.
    n = len(samples)
    n_frames = -(-n // HOP) + 1
    padded = np.pad(samples, (HOP, n_frames * HOP - n))
    view = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    bins = scipy.fft.rfft(view * np.asarray(np.hanning(FRAME + 1)[:-1], dtype=np.float32), axis=1, overwrite_x=True)
    bins *= _interpolated(times_s, gains, n_frames)
    pieces = scipy.fft.irfft(bins, FRAME, axis=1, overwrite_x=True)
    total = np.zeros((n_frames + 1, HOP), dtype=np.float32)
    total[:-1] += pieces[:, :HOP]
    total[1:] += pieces[:, HOP:]
    return total.ravel()[HOP : HOP + n]


def _interpolated(times_s: FloatArray, gains: FloatArray, n_frames: int) -> FloatArray:
    frame_times_s = np.arange(n_frames) * (HOP / RATE_HZ)
    position = np.interp(frame_times_s, times_s, np.arange(len(times_s)))
    before = np.minimum(position.astype(np.int32), len(times_s) - 1)
    after = np.minimum(before + 1, len(times_s) - 1)
    share = (position - before).astype(np.float32)[:, None]
    steps = gains[after]
    steps -= gains[before]
    steps *= share
    steps += gains[before]
    return np.asarray(steps)
