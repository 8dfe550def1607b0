"""Test signals with seeds, and WAV files of them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import to_int16

FloatArray = NDArray[np.float32]


def noise(duration_s: float, rate_hz: int, *, seed: int = 1, level: float = 0.1) -> FloatArray:
    """White noise: float32 [n]."""
    generator = np.random.default_rng(seed)
    return (level * generator.standard_normal(round(duration_s * rate_hz))).astype(np.float32)


def write_wav(path: Path, samples: FloatArray, rate_hz: int) -> Path:
    """Write float32 [n] or [n, n_channels] as 16-bit WAV, and give the path."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, to_int16(samples), rate_hz, subtype="PCM_16")  # libsndfile itself would not round
    return path
