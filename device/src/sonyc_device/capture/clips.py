"""Clips as they go from the cutter to the classifier."""

from dataclasses import dataclass
from datetime import datetime

from sonyc_contract.messages import ClockQuality
from sonyc_device.capture.source import Int16Array


@dataclass(frozen=True)
class Clip:
    """Contiguous samples of one recording: int16 [n], the first of which has index `start_sample` within the run."""

    start_sample: int
    samples: Int16Array


@dataclass(frozen=True)
class TimedClip:
    """A clip, and when it began by a clock of known quality."""

    clip: Clip
    start_utc: datetime
    clock: ClockQuality
