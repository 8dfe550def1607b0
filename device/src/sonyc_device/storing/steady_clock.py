"""Tells the time only while it can be relied on: clips are deleted by it."""

from typing import Final

from sonyc_contract.messages import ClockQuality
from sonyc_device.clock import Clock

STEP_S: Final = 60.0
"""The wall clock was set, not slewed, when it gained or lost more than this on the monotonic one between two looks."""
STEADY_AFTER_S: Final = 3600.0


class SteadyClock:
    """The wall clock, unless it was never set, or was stepped within the last hour: a step may be a mistake.

    A time server that is a year ahead for a minute must not cost a node its clips.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_s = self._offset()
        self._stepped_s = float("-inf")

    def now_s(self) -> float | None:
        """Give seconds of UTC; None while they cannot be relied on. To be asked every few minutes, to see steps."""
        offset_s, monotonic_s = self._offset(), self._clock.monotonic_s()
        if abs(offset_s - self._offset_s) > STEP_S:
            self._stepped_s = monotonic_s
        self._offset_s = offset_s
        is_steady = monotonic_s - self._stepped_s >= STEADY_AFTER_S
        return offset_s + monotonic_s if is_steady and self._clock.quality() is not ClockQuality.UNSET else None

    def _offset(self) -> float:
        return self._clock.utc().timestamp() - self._clock.monotonic_s()
