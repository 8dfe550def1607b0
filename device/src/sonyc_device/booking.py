"""Writes into the books what became of the samples of a run."""

from sonyc_contract.messages import ClockQuality
from sonyc_device.capture.clips import Pause, TimedClip
from sonyc_device.capture.source import Gap
from sonyc_device.capture.timeline import Timeline
from sonyc_device.labelling import NodeFacts
from sonyc_device.messaging.books import CAPTURED, UNSCHEDULED, Books, Span, lost


class Booking:
    """Tells the books of clips, gaps and pauses; each is told by one thread."""

    def __init__(self, books: Books, facts: NodeFacts, timeline: Timeline) -> None:
        self._books = books
        self._facts = facts
        self._timeline = timeline

    def clip(self, timed: TimedClip) -> Span:
        """Book a clip as captured, and give its span."""
        seconds = timed.start_utc.timestamp()
        span = self._span(timed.clip.start_sample, len(timed.clip.samples), seconds, timed.clock)
        self._books.add(span, CAPTURED)
        return span

    def gap(self, gap: Gap) -> None:
        """Book what was lost."""
        self._books.add(self._now(gap.start_sample, gap.n_samples), lost(gap.cause.value))

    def pause(self, pause: Pause) -> None:
        """Book what was left out on purpose."""
        self._books.add(self._now(pause.start_sample, pause.n_samples), UNSCHEDULED)

    def _now(self, start_sample: int, n_samples: int) -> Span:
        timeline = self._timeline
        return self._span(start_sample, n_samples, timeline.utc(start_sample).timestamp(), timeline.quality())

    def _span(self, start_sample: int, n_samples: int, start_s: float, clock: ClockQuality) -> Span:
        rate_hz = self._facts.rate_hz
        is_dated = clock is not ClockQuality.UNSET
        return Span(self._facts.run, start_sample / rate_hz, start_s, is_dated, n_samples / rate_hz)
