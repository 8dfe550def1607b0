"""Records a few seconds, and says whether they can be what a microphone hears."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from sonyc_contract.audio import from_int16, leq_dbfs
from sonyc_device.capture.ring import Ring
from sonyc_device.capture.source import AudioSource, Block, End, Gap, Int16Array
from sonyc_device.errors import CaptureError

LISTEN_S: Final = 3.0
WAIT_S: Final = 10.0
"""What a device may take until its first sample; measured, 1.6 s through a sound server."""

FAINT_DBFS: Final = -80.0
"""Quieter than the noise of a 16-bit microphone: unplugged, muted or without power."""
CLIPPED_SHARE: Final = 0.01
OFFSET_SHARE: Final = 0.1
_FULL_SCALE: Final = 32_767


@dataclass(frozen=True)
class Heard:
    """What was recorded.

    Attributes:
        n_samples: How many samples came.
        leq_dbfs: Their equivalent level without the constant part; minus infinity where all are the same.
        clipped_share: Which part of them is at full scale.
        offset_share: Their mean, as a part of full scale.
        n_gaps: How often samples were lost in between.
    """

    n_samples: int
    leq_dbfs: float
    clipped_share: float
    offset_share: float
    n_gaps: int

    def __str__(self) -> str:
        """The figures, for a person."""
        return f"{self.n_samples} samples, {self.leq_dbfs:.1f} dBFS"


def listen(source: AudioSource, rate_hz: int, *, seconds: float = LISTEN_S, wait_s: float = WAIT_S) -> Heard:
    """Record for a few seconds.

    Raises:
        CaptureError: the device cannot be opened, or no sample comes for `wait_s`.
    """
    ring = Ring(round(2 * seconds * rate_hz), stalled_after_s=wait_s)
    source.start(ring)
    try:
        return _heard(ring, round(seconds * rate_hz))
    finally:
        source.stop()


def what_is_wrong(heard: Heard) -> str:
    """Say why this cannot be what a microphone hears, and what to do; empty where it can."""
    if heard.leq_dbfs == -math.inf:
        return "every sample is the same: is the microphone plugged in, powered and not muted?"
    if heard.leq_dbfs < FAINT_DBFS:
        return "hardly anything: is it the right input, and its gain up (alsamixer)?"
    if heard.clipped_share > CLIPPED_SHARE:
        return f"{100 * heard.clipped_share:.0f} % of the samples are at full scale: turn the gain down (alsamixer)"
    if abs(heard.offset_share) > OFFSET_SHARE:
        return (
            f"the samples' mean is {100 * heard.offset_share:.0f} % of full scale: the microphone or its input is bad"
        )
    return ""


def _heard(ring: Ring, n_wanted: int) -> Heard:
    blocks: list[Int16Array] = []
    n_gaps = 0
    while n_wanted > 0:
        item = ring.read(n_wanted)
        if isinstance(item, Block):
            blocks.append(item.samples)
            n_wanted -= len(item.samples)
        elif isinstance(item, Gap):
            n_gaps += 1
        elif isinstance(item, End):
            raise item.error or CaptureError("the device stopped to deliver")
    return _figures(np.concatenate(blocks), n_gaps)


def _figures(samples: Int16Array, n_gaps: int) -> Heard:
    mean = float(samples.mean())
    varying = from_int16(samples) - np.float32(mean / 32_768)
    is_constant = bool((samples == samples[0]).all())
    return Heard(
        n_samples=len(samples),
        leq_dbfs=-math.inf if is_constant else leq_dbfs(varying),
        clipped_share=float((np.abs(samples.astype(np.int32)) >= _FULL_SCALE).mean()),
        offset_share=mean / 32_768,
        n_gaps=n_gaps,
    )
