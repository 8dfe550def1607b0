"""Write the front ends' golden data again: `.venv/bin/python tests/golden/regenerate.py`.

Only after a front end was changed on purpose, and with a line in CHANGELOG.md that says why.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.frontend import PRESETS, Frontend, FrontendSpec

FRONTEND_GOLDEN = Path(__file__).with_name("frontend.npz")

_DURATION_S = 0.25
_FRAME_STEP = 5


def signal(rate_hz: int) -> NDArray[np.float32]:
    """A chirp from 60 Hz to 0.45 of the rate over noise 30 dB below it: float32 [n_samples], whole 16-bit steps."""
    time_s = np.arange(round(_DURATION_S * rate_hz)) / rate_hz
    phase = 2 * np.pi * (60 * time_s + (0.45 * rate_hz - 60) / (2 * _DURATION_S) * time_s**2)
    noise = np.random.default_rng(2019).integers(-300, 301, len(time_s))
    return np.asarray((np.rint(8_000 * np.sin(phase)) + noise) / 32_768, dtype=np.float32)


def log_mel(spec: FrontendSpec) -> NDArray[np.float32]:
    """Every fifth frame of a front end over its signal: float32 [n_frames, n_mels]."""
    return Frontend(spec).log_mel(signal(spec.rate_hz))[::_FRAME_STEP]


def main() -> None:
    """Write the file."""
    arrays: dict[str, Any] = {name: log_mel(spec) for name, spec in PRESETS.items()}
    np.savez_compressed(FRONTEND_GOLDEN, ids=np.array([spec.id for spec in PRESETS.values()]), **arrays)


if __name__ == "__main__":
    main()
