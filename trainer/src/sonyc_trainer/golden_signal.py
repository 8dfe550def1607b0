"""The sound of a bundle's self-test: made, because clips of people must not travel with a model."""

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import to_int16

_LEVEL = 0.2


def golden_signal(rate_hz: int, *, duration_s: float, seed: int) -> NDArray[np.int16]:
    """Make a rising harmonic tone over noise, with knocks, so that all bands and both steady and short sounds occur.

    Args:
        rate_hz: Samples per second.
        duration_s: Length.
        seed: Of noise and knocks.

    Returns:
        int16 [round(duration_s * rate_hz)].
    """
    rng = np.random.default_rng(seed)
    times_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    phase = 2 * np.pi * (150 * times_s + 200 * times_s**2)
    tone = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 9))
    since_knock_s = np.mod(times_s, 0.23)
    knocks = np.exp(-40 * since_knock_s) * rng.standard_normal(len(times_s))
    noise = rng.standard_normal(len(times_s)) * np.linspace(0.05, 0.4, len(times_s))
    return to_int16((_LEVEL * (0.6 * tone + knocks + noise)).astype(np.float32))
