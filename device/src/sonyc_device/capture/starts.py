"""When clips begin: one after the other, or at random, and only while the schedule is open."""

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import numpy as np

from sonyc_contract.messages import ClockQuality
from sonyc_device.capture.clips import PauseCause
from sonyc_device.capture.schedule import Schedule
from sonyc_device.capture.timeline import Timeline
from sonyc_device.config import CaptureMode, CaptureSettings, GapShape, WithoutClock


class ScheduleState(StrEnum):
    """Whether the schedule allows clips."""

    OPEN = "open"
    CLOSED = "closed"
    CLOCK_UNSET = "clock-unset"
    """The clock was never set, so that nobody knows; the configuration says whether clips begin meanwhile."""


class ClipStarts(Protocol):
    """Chooses where clips begin; it is asked about each sample once, in order."""

    def first_in(self, start_sample: int, end_sample: int) -> int | None:
        """Give the first index from `start_sample` to before `end_sample` at which a clip begins; None: nowhere."""

    def pause_cause(self, sample: int) -> PauseCause:
        """Say why no clip begins at `sample`."""

    def state(self, sample: int) -> ScheduleState:
        """Say what the schedule holds of a clip that would begin at `sample`."""


class Continuous:
    """Clips begin wherever no other is in work, while the schedule is open."""

    def __init__(
        self, schedule: Schedule, timeline: Timeline, *, rate_hz: int, without_clock: WithoutClock = WithoutClock.RECORD
    ) -> None:
        """Take the schedule and what it goes by.

        Args:
            schedule: When clips may begin.
            timeline: Says when a sample was taken.
            rate_hz: Samples per second.
            without_clock: Whether clips begin while the clock was never set.
        """
        self._schedule = schedule
        self._timeline = timeline
        self._rate_hz = rate_hz
        self._without_clock = without_clock

    def first_in(self, start_sample: int, end_sample: int) -> int | None:
        """Give the first index at which the schedule is open."""
        if self._schedule.is_always:
            return start_sample
        if self._timeline.quality() is ClockQuality.UNSET:
            return start_sample if self._without_clock is WithoutClock.RECORD else None
        start, end = self._timeline.utc(start_sample), self._timeline.utc(end_sample)
        opening = self._schedule.first_open(start, end)
        if opening is None:
            return None
        sample = start_sample + math.ceil((opening - start).total_seconds() * self._rate_hz)
        return sample if sample < end_sample else None

    def pause_cause(self, _sample: int) -> PauseCause:
        """Say that the schedule is closed: nothing else keeps a clip from beginning."""
        return PauseCause.NOT_SCHEDULED

    def state(self, sample: int) -> ScheduleState:
        """Say what the schedule holds of a clip that would begin at `sample`."""
        if self._schedule.is_always:
            return ScheduleState.OPEN
        if self._timeline.quality() is ClockQuality.UNSET:
            return ScheduleState.CLOCK_UNSET
        return ScheduleState.OPEN if self._schedule.is_open(self._timeline.utc(sample)) else ScheduleState.CLOSED


class Sampled:
    """Clips with a random gap before each, while the schedule is open: SONYC's own way to record.

    When the schedule opens, the first gap begins. A start that it does not allow is drawn anew at its next opening.
    """

    def __init__(self, allowed: Continuous, *, draw_gap: Callable[[], int]) -> None:
        """Take where a clip may begin, and what gives the length of the next gap in samples."""
        self._allowed = allowed
        self._draw_gap = draw_gap
        self._drawn: int | None = None

    def first_in(self, start_sample: int, end_sample: int) -> int | None:
        """Give the start that was drawn, when its time has come."""
        while True:
            if self._drawn is None:
                opening = self._allowed.first_in(start_sample, end_sample)
                if opening is None:
                    return None
                self._drawn = opening + self._draw_gap()
            start_sample = max(start_sample, self._drawn)
            if start_sample >= end_sample:
                return None
            self._drawn = None
            if self._is_allowed(start_sample):
                return start_sample

    def pause_cause(self, sample: int) -> PauseCause:
        """Say whether it is a gap's length or the schedule that keeps a clip from beginning at `sample`."""
        return PauseCause.BETWEEN_CLIPS if self._is_allowed(sample) else PauseCause.NOT_SCHEDULED

    def state(self, sample: int) -> ScheduleState:
        """Say what the schedule holds of a clip that would begin at `sample`."""
        return self._allowed.state(sample)

    def _is_allowed(self, sample: int) -> bool:
        return self._allowed.first_in(sample, sample + 1) is not None


class StartsInEffect:
    """Clips begin as the settings in effect say; a change of them counts from the next clip on."""

    def __init__(self, settings: Callable[[], CaptureSettings], make: Callable[[CaptureSettings], ClipStarts]) -> None:
        """Take what gives the settings in effect, and what makes starts of them."""
        self._settings = settings
        self._make = make
        self._made_of = settings()
        self._starts = make(self._made_of)

    def first_in(self, start_sample: int, end_sample: int) -> int | None:
        """Give the first index at which a clip begins."""
        return self._in_effect().first_in(start_sample, end_sample)

    def pause_cause(self, sample: int) -> PauseCause:
        """Say why no clip begins at `sample`."""
        return self._starts.pause_cause(sample)

    def state(self, sample: int) -> ScheduleState:
        """Say what the schedule holds of a clip that would begin at `sample`."""
        return self._starts.state(sample)

    def _in_effect(self) -> ClipStarts:
        settings = self._settings()
        if settings != self._made_of:
            self._made_of, self._starts = settings, self._make(settings)
        return self._starts


def starts_of(settings: CaptureSettings, timeline: Timeline, *, generator: np.random.Generator) -> ClipStarts:
    """Choose what the settings ask for."""
    allowed = Continuous(
        Schedule(settings.schedule, time_zone=settings.time_zone),
        timeline,
        rate_hz=settings.rate_hz,
        without_clock=settings.without_clock,
    )
    if settings.mode is CaptureMode.CONTINUOUS:
        return allowed
    mean_samples = settings.mean_pause_s * settings.rate_hz
    return Sampled(allowed, draw_gap=gap_drawer(generator, mean_samples=mean_samples, shape=settings.gap_shape))


def gap_drawer(generator: np.random.Generator, *, mean_samples: float, shape: GapShape) -> Callable[[], int]:
    """Give what draws gaps of a mean length, in samples.

    Exponential gaps make starts that know nothing of each other, so that nothing periodic in the street keeps in step
    with them; uniform ones, from 0 to twice the mean, never grow long.
    """
    if shape is GapShape.UNIFORM:
        return lambda: round(generator.uniform(0.0, 2.0 * mean_samples))
    return lambda: round(generator.exponential(mean_samples))
