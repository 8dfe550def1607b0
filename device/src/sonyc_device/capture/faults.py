"""Faults of a microphone that its samples show: dead, stuck, clipping, or far from zero."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np

from sonyc_device.capture.source import Block, End, Gap, Int16Array
from sonyc_device.capture.timeline import Timeline
from sonyc_device.config import FaultSettings

_LOGGER = logging.getLogger(__name__)

_FULL_SCALE = 32_768.0
_CLIPPED = 32_767


class FaultKind(StrEnum):
    """What is wrong with a microphone."""

    DEAD = "dead"
    """Nothing but zeros, or less than any microphone's own noise."""
    STUCK = "stuck"
    """The same value all the time, which is not zero."""
    CLIPPING = "clipping"
    """Too many samples at full scale."""
    DC_OFFSET = "dc-offset"
    """The mean of all samples is far from zero."""


@dataclass(frozen=True)
class MicrophoneFault:
    """One fault, and since when it shows."""

    kind: FaultKind
    since_utc: datetime


class FaultDetector:
    """Looks at each second, and says what is wrong for long.

    A fault appears when its seconds outweigh the others by `after_s`, and goes when the others have made up for that:
    single seconds of either kind change nothing.
    """

    def __init__(self, settings: FaultSettings, timeline: Timeline, *, rate_hz: int) -> None:
        """Take thresholds, what gives samples their times, and samples per second."""
        self._settings = settings
        self._timeline = timeline
        self._rate_hz = rate_hz
        self._pending: list[Int16Array] = []
        self._start_sample = 0
        self._weights = {kind: _Weight() for kind in FaultKind}
        self._shown: tuple[tuple[FaultKind, int], ...] = ()

    def current(self) -> tuple[MicrophoneFault, ...]:
        """Give what is wrong now; any thread may ask."""
        return tuple(MicrophoneFault(kind, self._timeline.utc(sample)) for kind, sample in self._shown)

    def push(self, item: Block | Gap | End) -> None:
        """Take what the ring gave next."""
        if not isinstance(item, Block):
            self._pending = []
            return
        if not self._pending:
            self._start_sample = item.start_sample
        self._pending.append(item.samples)
        joined = np.concatenate(self._pending) if len(self._pending) > 1 else item.samples
        n_whole = len(joined) - len(joined) % self._rate_hz
        for start in range(0, n_whole, self._rate_hz):
            self._take_second(joined[start : start + self._rate_hz], self._start_sample + start)
        self._pending = [joined[n_whole:]] if n_whole < len(joined) else []
        self._start_sample += n_whole

    def _take_second(self, samples: Int16Array, start_sample: int) -> None:
        for kind, is_bad in findings(samples, self._settings).items():
            weight = self._weights[kind]
            if weight.add(start_sample, is_bad=is_bad, limit=round(self._settings.after_s)):
                self._say(kind, is_there=weight.is_there)
        self._shown = tuple((kind, weight.since) for kind, weight in self._weights.items() if weight.is_there)

    def _say(self, kind: FaultKind, *, is_there: bool) -> None:
        if is_there:
            _LOGGER.warning("microphone fault", extra={"fault": kind.value})
        else:
            _LOGGER.info("microphone fault is over", extra={"fault": kind.value})


def findings(samples: Int16Array, settings: FaultSettings) -> Mapping[FaultKind, bool]:
    """Say of one second, int16 [n], which faults it shows.

    Its level is the standard deviation, which holds no constant part, in dB re a full-scale square wave.
    """
    lowest, highest = int(samples.min()), int(samples.max())
    mean = float(samples.mean()) / _FULL_SCALE
    is_stuck = lowest == highest != 0
    floor = 10.0 ** (settings.dead_below_dbfs / 20.0)
    clips = max(highest, -lowest) >= _CLIPPED
    n_clipped = int(np.count_nonzero((samples >= _CLIPPED) | (samples <= -_CLIPPED))) if clips else 0
    return {
        FaultKind.DEAD: not is_stuck and float(samples.std()) / _FULL_SCALE < floor,
        FaultKind.STUCK: is_stuck,
        FaultKind.CLIPPING: n_clipped >= settings.clipping_share * len(samples),
        FaultKind.DC_OFFSET: abs(mean) >= settings.dc_offset,
    }


@dataclass
class _Weight:
    """By how many seconds a fault outweighs its absence, from 0 up to a limit."""

    seconds: int = 0
    since: int = 0
    is_there: bool = False

    def add(self, start_sample: int, *, is_bad: bool, limit: int) -> bool:
        """Count one more second, and say whether the fault has come or gone with it."""
        if is_bad and self.seconds == 0:
            self.since = start_sample
        self.seconds = min(self.seconds + 1, limit) if is_bad else max(self.seconds - 1, 0)
        was_there = self.is_there
        self.is_there = self.seconds == limit or (was_there and self.seconds > 0)
        return self.is_there != was_there
