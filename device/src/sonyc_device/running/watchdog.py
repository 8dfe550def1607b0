"""Feeds the service manager's watchdog with frames processed, not with being alive."""

import time
from collections.abc import Callable
from typing import Final

from sonyc_device.running.notify import ServiceManager

FEEDS_PER_PERIOD: Final = 3
"""A watchdog is fed more often than it must be, so that one late feed does not end the agent."""


class Watchdog:
    """Feeds while samples are processed and no clip is stuck; otherwise lets the manager restart the agent."""

    def __init__(self, manager: ServiceManager, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._manager = manager
        self._monotonic = monotonic
        self._fed_s = -float("inf")
        self._n_fed_with = 0

    def look(self, *, n_samples: int, busy_s: float) -> None:
        """Feed, if that is due and deserved.

        Args:
            n_samples: How many samples the run has processed; none since the last feed, and there is no other.
            busy_s: For how long the clip in work has been worked on; 0 where there is none.
        """
        if self._is_due() and n_samples > self._n_fed_with and busy_s < (self._manager.watchdog_s or 0.0):
            self._feed(n_samples)

    def look_away(self) -> None:
        """Feed, where no samples are to be expected any more: the source is at its end, and labels are still sent."""
        if self._is_due():
            self._feed(self._n_fed_with)

    def _is_due(self) -> bool:
        period_s = self._manager.watchdog_s
        return period_s is not None and self._monotonic() >= self._fed_s + period_s / FEEDS_PER_PERIOD

    def _feed(self, n_samples: int) -> None:
        self._manager.tell(WATCHDOG=1)
        self._fed_s, self._n_fed_with = self._monotonic(), n_samples
