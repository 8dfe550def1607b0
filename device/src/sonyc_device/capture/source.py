"""What a source of samples is to the agent, and what it says when samples are lost."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sonyc_device.errors import CaptureError

Int16Array = NDArray[np.int16]


class GapCause(StrEnum):
    """Why samples are missing."""

    RING_FULL = "ring-full"
    """The agent fell behind, and the ring had no room."""
    DEVICE_OVERFLOW = "device-overflow"
    """The sound system dropped samples before the agent had them; their number is an estimate from the clock."""
    STALLED = "stalled"
    """The device hung or was gone; their number is an estimate from the clock."""
    FRAGMENT = "fragment"
    """Captured, but between two gaps too short for a label."""
    SHED = "shed"
    """Captured as a whole clip, which was dropped because classifying fell behind."""


@dataclass(frozen=True)
class Gap:
    """Samples that are missing.

    Attributes:
        start_sample: Index of the first missing sample.
        n_samples: How many are missing.
        cause: Why.
    """

    start_sample: int
    n_samples: int
    cause: GapCause


@dataclass(frozen=True)
class Block:
    """Samples without a gap in between: int16 [n], the first of which has index `start_sample`."""

    start_sample: int
    samples: Int16Array


@dataclass(frozen=True)
class End:
    """No more samples will come: the source was stopped or is exhausted, or failed with `error`."""

    error: CaptureError | None = None


class SampleSink(Protocol):
    """Where a source delivers; one thread at a time calls it."""

    def write(self, samples: Int16Array) -> None:
        """Take int16 [n]; the samples are copied before this returns."""

    def skip(self, n_samples: int, cause: GapCause) -> None:
        """Note that `n_samples` were lost between the last `write` and the next."""

    def end(self, error: CaptureError | None = None) -> None:
        """Note that nothing more will come; later calls change nothing."""


class AudioSource(Protocol):
    """A microphone, or what stands in for one."""

    @property
    def is_live(self) -> bool:
        """Whether samples come when they come: then they are dropped, with a gap record, when nobody takes them."""

    def start(self, sink: SampleSink) -> None:
        """Begin to deliver to `sink`, from another thread.

        Raises:
            CaptureError: the device cannot be opened.
        """

    def stop(self) -> None:
        """Deliver no more, and end the sink."""
