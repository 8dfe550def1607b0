"""Audio as files bring it: read, checked, mixed to mono, resampled. The same for trainer, node and tools."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.errors import AudioError

_LOGGER = logging.getLogger(__name__)

MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 192_000

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Audio:
    """One piece of mono audio.

    Attributes:
        samples: float32 [n_samples], nominally within -1 ... 1.
        rate_hz: Samples per second.
        n_channels: How many channels the source had before they were averaged.
        is_cut: Whether the file promised more samples than it held.
    """

    samples: FloatArray
    rate_hz: int
    n_channels: int = 1
    is_cut: bool = False

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz

    @property
    def is_silent(self) -> bool:
        """Whether every sample is zero."""
        return not bool(np.any(self.samples))


def read_audio(path: Path) -> Audio:
    """Read whatever libsndfile reads, averaged to mono.

    Args:
        path: A file of 8 to 192 kHz, any number of channels, integer or float samples.

    Raises:
        AudioError: the file is missing, empty, not audio, has a cut header, a rate out of range, no samples, or NaN
            or infinite ones. The message names the file and what is wrong.
    """
    import soundfile

    if not path.is_file():
        raise AudioError(f"{path}: {'is a folder, not an audio file' if path.is_dir() else 'no such file'}")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); record or copy it again")
    try:
        with soundfile.SoundFile(path) as file:
            rate_hz, n_promised = file.samplerate, file.frames
            frames = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        reason = str(error).rpartition(": ")[2].strip()
        raise AudioError(f"{path}: not readable as audio: {reason}") from error
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise AudioError(f"{path}: sample rate {rate_hz} Hz; accepted are {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    if len(frames) == 0:
        raise AudioError(f"{path}: holds no samples")
    samples = frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1, dtype=np.float32)
    check_finite(samples, str(path))
    return Audio(np.ascontiguousarray(samples), rate_hz, frames.shape[1], len(frames) < n_promised)


def check_finite(samples: FloatArray, name: str) -> None:
    """Refuse NaN and infinity, which a codec would silently write as silence or full scale.

    Raises:
        AudioError: naming `name`, the first offending index and its value.
    """
    finite = np.isfinite(samples)
    if not finite.all():
        index = int(np.argmin(finite))
        raise AudioError(f"{name}: sample {index} is {samples[index]}; repair or leave out the recording")


def resample(samples: FloatArray, from_hz: int, to_hz: int) -> FloatArray:
    """Resample with soxr HQ; returns its input where the rates are equal.

    Args:
        samples: float32 [n].
        from_hz: Rate of `samples`.
        to_hz: Rate wanted.

    Returns:
        float32 [round(n * to_hz / from_hz)], aligned with the input.
    """
    if from_hz == to_hz:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, from_hz, to_hz, quality="HQ"), dtype=np.float32)


def to_int16(samples: FloatArray) -> NDArray[np.int16]:
    """Quantise float32 [n] within -1 ... 1 to int16, clipping what is over full scale."""
    return np.asarray(np.clip(np.rint(samples * 32768.0), -32768, 32767), dtype=np.int16)


def from_int16(samples: NDArray[np.int16]) -> FloatArray:
    """Give int16 [n] as float32 [n] within -1 ... 1; the inverse of `to_int16`."""
    return samples.astype(np.float32) / np.float32(32768.0)


def leq_dbfs(samples: FloatArray) -> float:
    """Equivalent level of float32 [n] in dB re a full-scale square wave; -inf is given as -200.0.

    The mean is of energy, 10 log10(mean(x^2)), not of decibels.
    """
    energy = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return max(10.0 * float(np.log10(energy)), -200.0) if energy > 0.0 else -200.0
