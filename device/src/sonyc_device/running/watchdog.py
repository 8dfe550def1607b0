"""Feeds the service manager's watchdog with frames processed, not with being alive."""

import math
import time
from collections.abc import Callable
from typing import Final

from sonyc_device.running.notify import ServiceManager
from sonyc_device.running.progress import Progress

FEEDS_PER_PERIOD: Final = 3
"""A watchdog is fed more often than it must be, so that one late feed does not end the agent."""


class Watchdog:
    """Feeds while samples are processed and no clip is stuck; otherwise lets the manager restart the agent."""

    def __init__(
        self, manager: ServiceManager, progress: Progress, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._manager = manager
        self._progress = progress
        self._monotonic = monotonic
        self._fed_s = -math.inf
        self._fed_with = 0

    def look(self) -> None:
        """Feed, if that is due and deserved."""
        period_s = self._manager.watchdog_s
        if period_s is None or self._monotonic() < self._fed_s + period_s / FEEDS_PER_PERIOD:
            return
        n_samples = self._progress.n_samples
        # Where the source is at its end, labels are still sent; nothing else can be expected then.
        gets_on = self._progress.is_over or n_samples > self._fed_with
        if gets_on and self._progress.busy_s < period_s:
            self._manager.tell(WATCHDOG=1)
            self._fed_s, self._fed_with = self._monotonic(), n_samples
