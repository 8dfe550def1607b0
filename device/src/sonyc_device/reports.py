"""Hangs a node's reports into its supervision: how it is, what it covered, what it evicted, when its clock was set."""

from collections.abc import Iterator
from typing import Final

from sonyc_contract.messages import dump_message
from sonyc_device.health import HealthReport
from sonyc_device.messaging.outbox import HEALTH
from sonyc_device.messaging.reporting import BookReports, ClockReports, EvictionReports, Reporter, RunTime
from sonyc_device.messaging.rows import Draft
from sonyc_device.parts import Parts
from sonyc_device.supervision import TICK_S, Duty

OUTBOX_EVERY_S: Final = 10.0
BOOKS_EVERY_S: Final = 60.0
COMPLETENESS_EVERY_S: Final = 900.0
TIDY_EVERY_S: Final = 3_600.0


class Reports:
    """Says what is to be reported when; the supervising thread calls it."""

    def __init__(self, parts: Parts, health: HealthReport) -> None:
        self._parts = parts
        self._health = health
        reporter = Reporter(parts.facts.node, parts.facts.session, parts.facts.run)
        self._settings = parts.in_effect.now.config.health
        self._books = BookReports(
            parts.outbox,
            parts.books,
            reporter,
            now_s=lambda: parts.clock.utc().timestamp(),
            keep_days=self._settings.keep_days,
        )
        self._evictions = EvictionReports(parts.outbox, reporter)
        run_time = RunTime(
            newest_sample=lambda: parts.ring.arrival.n_samples,
            utc=parts.timeline.utc,
            quality=parts.timeline.quality,
            rate_hz=parts.facts.rate_hz,
        )
        self._clock = ClockReports(parts.outbox, reporter, run_time)

    def duties(self) -> Iterator[Duty]:
        """Give what is to be done, and how often."""
        yield Duty("clock", TICK_S, self._clock.look)
        yield Duty("asked health", TICK_S, self._send_asked_health)
        yield Duty("health", self._settings.every_s, self._send_health)
        yield Duty("outbox", OUTBOX_EVERY_S, self._parts.outbox.maintain)
        yield Duty("evictions", OUTBOX_EVERY_S, self._send_evictions)
        yield Duty("books", BOOKS_EVERY_S, self._write_books, is_last=True)
        yield Duty("completeness", COMPLETENESS_EVERY_S, self._send_completeness, is_last=True)
        yield Duty("tidy books", TIDY_EVERY_S, lambda: self._books.tidy(self._health.run_s))

    def _send_asked_health(self) -> None:
        if self._health.is_asked_for:
            self._health.is_asked_for = False
            self._send_health()

    def _send_health(self) -> None:
        self._parts.outbox.put(Draft(HEALTH, dump_message(self._health.document())))
        self._parts.publisher.wake()

    def _write_books(self) -> None:
        if not self._parts.outbox.problem:  # it is told already, and tried again by the outbox
            self._books.write()

    def _send_evictions(self) -> None:
        if self._parts.publisher.is_connected and not self._parts.outbox.problem:
            self._evictions.send()
            self._parts.publisher.wake()

    def _send_completeness(self) -> None:
        if not self._parts.outbox.problem:
            self._books.send()
            self._parts.publisher.wake()
