"""Measures whether this machine keeps up with what its configuration asks of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_device.classification import Classifier, encode_and_score
from sonyc_device.config import CaptureMode, CaptureSettings, NodeConfig
from sonyc_device.errors import TooSlowError

MAX_LOAD: Final = 0.8
"""Levels, storing and everything else on the machine need the rest."""
EASY_LOAD: Final = 0.2
N_TRIES: Final = 3
"""The best counts: the first one imports what it needs, and others may be busy for a moment."""


@dataclass(frozen=True)
class Speed:
    """What a clip costs here.

    Attributes:
        clip_s: Its length.
        took_s: How long encoding, decoding and recognising took.
        recorded_share: Which part of the time is recorded, 0 to 1.
    """

    clip_s: float
    took_s: float
    recorded_share: float

    @property
    def load(self) -> float:
        """Which part of the time is spent on it: above 1, clips are shed for ever."""
        return self.took_s / self.clip_s * self.recorded_share

    def __str__(self) -> str:
        """The figures, for a person."""
        return f"{self.clip_s:g} s of audio take {self.took_s:.3g} s, {100 * self.load:.1f} % of the time"


def measure_speed(
    classifier: Classifier, config: NodeConfig, *, clock_s: Callable[[], float] = time.perf_counter
) -> Speed:
    """Process a clip of noise, which is the hardest to encode, as the agent would.

    Args:
        classifier: The node's.
        config: Level, rate and length of clips, and how often they are recorded.
        clock_s: Measures.
    """
    capture = config.capture
    samples = _noise(round(capture.clip_s * capture.rate_hz))
    best = Speed(capture.clip_s, float("inf"), recorded_share(capture))
    for _ in range(N_TRIES):
        started_s = clock_s()
        encode_and_score(classifier, samples, capture.rate_hz, config)
        best = Speed(best.clip_s, min(best.took_s, clock_s() - started_s), best.recorded_share)
        if best.load <= EASY_LOAD:
            break
    return best


def require_speed(speed: Speed, config: NodeConfig) -> None:
    """See that the machine keeps up, with something to spare.

    Raises:
        TooSlowError: it does not; says the figures.
    """
    if speed.load > MAX_LOAD:
        raise TooSlowError(
            f"this machine cannot keep up: at level '{config.store.level}' {speed}, and at most {100 * MAX_LOAD:.0f} % "
            "is allowed: choose a smaller bundle, more threads or longer gaps between clips"
        )


def recorded_share(capture: CaptureSettings) -> float:
    """Say which part of the time is recorded, 0 to 1, while a schedule permits it."""
    if capture.mode is CaptureMode.SAMPLED:
        return capture.clip_s / (capture.clip_s + capture.mean_pause_s)
    return 1.0


def _noise(n_samples: int) -> FloatArray:
    return (0.1 * np.random.default_rng(1).standard_normal(n_samples)).astype(np.float32)
