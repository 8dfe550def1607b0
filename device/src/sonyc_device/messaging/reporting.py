"""Reports that need no look at other parts: hours that changed, labels that were evicted, a clock that was set."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sonyc_contract.messages import ClockQuality, dump_message
from sonyc_contract.reports import ClockSet, Completeness, Evicted
from sonyc_device.errors import OutboxError
from sonyc_device.messaging import rows
from sonyc_device.messaging.books import Books, changed_hours, note_reported
from sonyc_device.messaging.holding import HoldingOutbox
from sonyc_device.messaging.outbox import CLOCK_SET_S, COMPLETENESS
from sonyc_device.messaging.rows import Draft, EvictedRange

CLOCK: Final = "clock"
EVICTED: Final = "evicted"
HOURS_AT_ONCE: Final = 48
RANGES_AT_ONCE: Final = 20
SETTLED_AFTER_S: Final = 120.0
"""When an hour is over, clips of it may still be in work."""
_DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class Reporter:
    """Who reports: the node, its session and its run."""

    node: str
    session: str
    run: str


class BookReports:
    """Keeps the books and reports what changed in them; one thread calls it."""

    def __init__(
        self, outbox: HoldingOutbox, books: Books, reporter: Reporter, *, now_s: Callable[[], float], keep_days: float
    ) -> None:
        self._outbox = outbox
        self._books = books
        self._reporter = reporter
        self._now_s = now_s
        self._keep_days = keep_days
        self._is_tidied = False

    def write(self) -> None:
        """Write what is noted in memory.

        Raises:
            OutboxError: the disk takes nothing; it stays noted.
        """
        if not self._is_tidied:  # of what earlier runs left
            self.tidy(0.0)
        self._outbox.write(lambda _connection: None)

    def tidy(self, run_s: float) -> None:
        """Give up on dating old runs without a clock, and forget hours of long ago.

        Raises:
            OutboxError: the disk takes nothing.
        """

        def tidy_all(connection: sqlite3.Connection) -> None:
            self._books.fold(connection, run_s=run_s)
            self._books.forget(connection, before_s=self._now_s() - self._keep_days * _DAY_S)

        self._outbox.write(tidy_all)
        self._is_tidied = True

    def send(self) -> None:
        """Report hours that are over and changed since they were last reported.

        Raises:
            OutboxError: the disk takes nothing; they are reported later.
        """
        before_s = self._now_s() - SETTLED_AFTER_S
        hours = self._outbox.read(lambda connection: changed_hours(connection, before_s=before_s, limit=HOURS_AT_ONCE))
        if hours:
            message = Completeness(node=self._reporter.node, session=self._reporter.session, hours=tuple(hours))
            draft = Draft(COMPLETENESS, dump_message(message))
            self._outbox.put_together(lambda connection: note_reported(connection, hours), draft)


class EvictionReports:
    """Reports which labels were evicted; one thread calls it, while the broker is there."""

    def __init__(self, outbox: HoldingOutbox, reporter: Reporter) -> None:
        self._outbox = outbox
        self._reporter = reporter

    def send(self) -> None:
        """Report ranges of evicted labels.

        Raises:
            OutboxError: the disk takes nothing; they are reported later.
        """
        for evicted in self._outbox.evicted_ranges(RANGES_AT_ONCE):
            self._send(evicted)

    def _send(self, evicted: EvictedRange) -> None:
        message = Evicted(
            node=self._reporter.node,
            session=evicted.session,
            first_seq=evicted.first_seq,
            last_seq=evicted.last_seq,
            n_labels=evicted.n_labels,
        )
        self._outbox.put_together(
            lambda connection: rows.forget_range(connection, evicted), Draft(EVICTED, dump_message(message))
        )


class RunTime:
    """When samples of the run were taken; a protocol that a timeline keeps, and a ring."""

    def __init__(
        self,
        *,
        newest_sample: Callable[[], int],
        utc: Callable[[int], datetime],
        quality: Callable[[], ClockQuality],
        rate_hz: int,
    ) -> None:
        self.newest_sample = newest_sample
        self.utc = utc
        self.quality = quality
        self.rate_hz = rate_hz


class ClockReports:
    """Watches for the clock to be set within the run, and dates what was recorded before; one thread calls it."""

    def __init__(self, outbox: HoldingOutbox, reporter: Reporter, time: RunTime) -> None:
        self._outbox = outbox
        self._reporter = reporter
        self._time = time
        self._was_unset = False
        self._start_s: float | None = None
        self._is_dated = False

    def look(self) -> None:
        """Report when the clock was set, and again when it was set anew by more than a minute."""
        if self._time.quality() is ClockQuality.UNSET:
            self._was_unset = True
            return
        sample = self._time.newest_sample()
        utc = self._time.utc(sample)
        start_s = utc.timestamp() - sample / self._time.rate_hz
        is_new = self._start_s is None
        if self._was_unset and not self._is_dated:
            self._date_run(start_s)
        if (is_new and self._was_unset) or abs(start_s - (self._start_s or start_s)) > CLOCK_SET_S:
            self._send(sample, utc)
            self._start_s = start_s
        elif is_new:
            self._start_s = start_s

    def _date_run(self, start_s: float) -> None:
        try:
            self._outbox.date_run(self._reporter.run, start_s)
        except OutboxError:  # which the outbox has logged; it is tried again
            return
        self._is_dated = True

    def _send(self, sample: int, utc: datetime) -> None:
        message = ClockSet(
            node=self._reporter.node,
            session=self._reporter.session,
            run=self._reporter.run,
            sample_index=sample,
            utc=utc,
            rate_hz=self._time.rate_hz,
        )
        self._outbox.put(Draft(CLOCK, dump_message(message)))
