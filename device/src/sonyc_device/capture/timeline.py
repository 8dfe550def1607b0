"""When a sample was taken: by the node's clock for a microphone, by its position for files."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sonyc_contract.messages import ClockQuality
from sonyc_device.capture.ring import Arrival
from sonyc_device.clock import Clock, utc_of_sample


class Timeline(Protocol):
    """Gives the samples of one run their times."""

    def utc(self, sample: int) -> datetime:
        """When the sample of this index was taken, or will be, in UTC."""

    def quality(self) -> ClockQuality:
        """How far that can be trusted."""


class LiveTimeline:
    """Counts back from the newest sample, by the wall clock as it stands when it is asked."""

    def __init__(self, arrival: Callable[[], Arrival], *, rate_hz: int, clock: Clock) -> None:
        """Take where to look.

        Args:
            arrival: Gives how many samples had come, and when.
            rate_hz: Samples per second.
            clock: The node's clocks.
        """
        self._arrival = arrival
        self._rate_hz = rate_hz
        self._clock = clock

    def utc(self, sample: int) -> datetime:
        """When the sample of this index was taken, or will be, in UTC."""
        arrival = self._arrival()
        return utc_of_sample(
            sample,
            n_arrived=arrival.n_samples,
            arrived_s=arrival.monotonic_s,
            samples_per_s=self._rate_hz,
            clock=self._clock,
        )

    def quality(self) -> ClockQuality:
        """How far the wall clock can be trusted."""
        return self._clock.quality()


class ReplayTimeline:
    """Counts on from the first sample, however fast files are replayed."""

    def __init__(self, start_utc: datetime, *, rate_hz: int, quality: ClockQuality) -> None:
        """Take the time of the first sample, and how far it can be trusted."""
        self._start_utc = start_utc.astimezone(UTC)
        self._rate_hz = rate_hz
        self._quality = quality

    def utc(self, sample: int) -> datetime:
        """When the sample of this index would have been taken, in UTC."""
        return self._start_utc + timedelta(seconds=sample / self._rate_hz)

    def quality(self) -> ClockQuality:
        """How far the time of the first sample can be trusted."""
        return self._quality
