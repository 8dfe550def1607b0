"""Clips as they go from the recording plan to the classifier, and what the plan left out."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sonyc_contract.messages import ClockQuality, Levels
from sonyc_device.capture.source import Int16Array


@dataclass(frozen=True)
class Clip:
    """Contiguous samples of one recording: int16 [n], the first of which has index `start_sample` within the run."""

    start_sample: int
    samples: Int16Array


class PauseCause(StrEnum):
    """Why samples were not to be recorded."""

    NOT_SCHEDULED = "not-scheduled"
    """The schedule was closed."""
    BETWEEN_CLIPS = "between-clips"
    """The schedule was open, but no sampled clip was due."""


@dataclass(frozen=True)
class Pause:
    """Samples that were not to be recorded: not lost, and neither classified nor encoded nor kept.

    Attributes:
        start_sample: Index of the first of them.
        n_samples: How many there are.
        cause: Why.
    """

    start_sample: int
    n_samples: int
    cause: PauseCause


@dataclass(frozen=True)
class TimedClip:
    """A clip, when it began by a clock of known quality, and how loud it was where that is measured."""

    clip: Clip
    start_utc: datetime
    clock: ClockQuality
    levels: Levels | None = None
