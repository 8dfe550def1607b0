"""The agent: source -> ring -> plan -> clips -> encode, classify, store, label -> outbox -> publisher.

Three threads of ours besides the source's: one cuts, one labels, one publishes; the calling thread supervises. Every
queue is bounded. A microphone never waits: when labelling falls behind, the oldest clip in the queue is shed and
becomes a gap. Files wait instead, so that nothing of them is lost.
"""

import logging
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Final

from sonyc_contract.errors import ContractError
from sonyc_device.booking import Booking
from sonyc_device.capture.clips import Clip, Pause, TimedClip
from sonyc_device.capture.plan import Piece
from sonyc_device.capture.source import Block, End, Gap, GapCause
from sonyc_device.errors import CaptureError, CaptureStalledError, DeviceError
from sonyc_device.health import HealthReport
from sonyc_device.labeller import Labeller
from sonyc_device.minutes import MinuteReports
from sonyc_device.parts import Outcome, Parts
from sonyc_device.reports import Reports
from sonyc_device.running.progress import Progress
from sonyc_device.running.watchdog import Watchdog
from sonyc_device.supervision import TICK_S, Duty, Supervision

_LOGGER = logging.getLogger(__name__)

READ_S: Final = 1.0
MAX_WAITING_CLIPS: Final = 6
STOP_WITHIN_S: Final = 4.5
PUBLISH_ON_STOP_S: Final = 1.0
HANG_UP_S: Final = 1.0
"""What a link takes to close, at most; a connection that is only being made is not waited for."""
_POLL_S: Final = 0.2


class Agent:
    """Runs the pipeline until its source is exhausted, fails, or `stop` is called."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._counters = parts.counters
        self._booking = Booking(parts.books, parts.facts, parts.timeline)
        self._progress = Progress()
        self._labeller = Labeller(parts, self._booking)
        self.health = HealthReport(parts, self)
        self._supervision = Supervision([*parts.duties, *self._own_duties()])
        self._clips: queue.Queue[TimedClip | None] = queue.Queue(MAX_WAITING_CLIPS)
        self._stop_requested = False
        self._all_labelled = threading.Event()
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._error: DeviceError | None = None

    @property
    def n_waiting_clips(self) -> int:
        """How many clips are recorded and not classified yet."""
        return self._clips.qsize()

    @property
    def lag_s(self) -> float | None:
        """How long the last label came after the end of its clip; None where none did, or files are replayed."""
        return self._labeller.lag_s

    @property
    def failed_duties(self) -> Mapping[str, int]:
        """How often duties failed."""
        return self._supervision.n_failures

    def _own_duties(self) -> Iterator[Duty]:
        parts = self._parts
        yield from Reports(parts, self.health).duties()
        yield Duty("watchdog", TICK_S, Watchdog(parts.manager, self._progress).look)
        if parts.reloader is not None:
            yield Duty("reload", TICK_S, parts.reloader.look)
        if parts.levels is not None:
            minutes = MinuteReports(
                parts.levels, facts=parts.facts, timeline=parts.timeline, outbox=parts.outbox, publisher=parts.publisher
            )
            yield Duty("levels", TICK_S, minutes.send, is_last=True)

    def stop(self) -> None:
        """Ask the agent to finish the clip in work and leave, within 5 s; a signal handler may call this."""
        self._stop_requested = True
        self._news.put(None)  # re-entrant, which an Event's `set` is not

    def reload(self) -> None:
        """Ask the agent to read its configuration again; a signal handler may call this."""
        if self._parts.reloader is not None:
            self._parts.reloader.request()

    def run(self, *, drain_timeout_s: float) -> Outcome:
        """Record, label and publish.

        Args:
            drain_timeout_s: For how long to go on publishing when the source is exhausted.

        Raises:
            CaptureError: the source cannot be opened.
        """
        parts = self._parts
        parts.source.start(parts.ring)
        parts.publisher.start()
        for target, name in ((self._cut_all, "cutter"), (self._label_all, "labeller")):
            threading.Thread(target=target, name=name, daemon=True).start()
        self._supervise()
        if not self._stop_requested and self._error is None:  # what supervises us may restart a lost microphone
            self._drain(drain_timeout_s)
        self._leave(time.monotonic() + STOP_WITHIN_S)
        _LOGGER.info("finished", extra=self._parts.summary())
        return Outcome(parts.outbox.n_rows, self._counters.n_failures, self._stop_requested, self._error)

    def _supervise(self) -> None:
        """Do the duties until all is labelled, or until it is time to stop."""
        while True:
            try:
                self._news.get(timeout=TICK_S)
            except queue.Empty:
                self._supervision.run_due()
            else:
                return

    def _drain(self, timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        while not self._stop_requested and time.monotonic() < until_s:
            self._supervision.run_due()
            if self._parts.publisher.wait_until_empty(_POLL_S):
                return

    def _leave(self, leave_by_s: float) -> None:
        """Finish the clip in work, give its label a moment to go out, and hang up; unsent labels stay in the outbox."""
        parts = self._parts
        parts.manager.tell(STOPPING=1, STATUS="finishing the clip in work")
        parts.source.stop()
        self._all_labelled.wait(max(0.0, leave_by_s - PUBLISH_ON_STOP_S - time.monotonic()))
        for timed in self._abandoned():
            self._lose(_shed(timed.clip))
        self._supervision.run_last()
        parts.publisher.wait_until_empty(min(PUBLISH_ON_STOP_S, max(0.0, leave_by_s - time.monotonic())))
        parts.publisher.stop(timeout_s=min(HANG_UP_S, max(0.0, leave_by_s - time.monotonic())))

    def _abandoned(self) -> Iterator[TimedClip]:
        while not self._all_labelled.is_set():
            try:
                timed = self._clips.get_nowait()
            except queue.Empty:
                return
            if timed is not None:
                yield timed

    def _cut_all(self) -> None:
        """Thread: cut what comes from the ring."""
        try:
            for item in self._captured():
                self._parts.faults.push(item)
                if self._parts.levels is not None:
                    self._parts.levels.push(item)
                for piece in self._parts.plan.push(item):
                    self._hand_over(piece)
                if isinstance(item, End):
                    self._error = item.error
        except Exception as error:
            _LOGGER.exception("cutting failed")
            self._error = CaptureError(f"cutting failed: {error!r}")
        finally:
            self._progress.is_over = True
            self._clips.put(None)

    def _captured(self) -> Iterator[Block | Gap | End]:
        """Give what the ring gives, up to the end of capture."""
        item: Block | Gap | End | None = None
        is_recording = False
        while not isinstance(item, End):
            item = self._read()
            if isinstance(item, Block) and not is_recording:
                is_recording = True
                self._say_recording(item)
            yield item
            if isinstance(item, Block):
                self._progress.took(len(item.samples))

    def _say_recording(self, first: Block) -> None:
        """Say that samples have come, and how many; not before, because a device may open and stay mute."""
        facts = self._parts.facts
        _LOGGER.info("recording", extra={"run": facts.run, "seconds_taken": len(first.samples) / facts.rate_hz})
        self._parts.manager.tell(READY=1, STATUS="recording")

    def _read(self) -> Block | Gap | End:
        try:
            return self._parts.ring.read(round(READ_S * self._parts.facts.rate_hz))
        except CaptureStalledError as error:
            return End(error)

    def _hand_over(self, piece: Piece) -> None:
        if isinstance(piece, Pause):
            self._counters.samples_paused += piece.n_samples
            self._booking.pause(piece)
            return
        if isinstance(piece, Gap):
            self._lose(piece)
            return
        timed = self._timed(piece)
        while self._parts.source.is_live:
            try:
                self._clips.put_nowait(timed)
                return
            except queue.Full:
                self._shed_oldest()
        self._clips.put(timed)

    def _shed_oldest(self) -> None:
        try:
            timed = self._clips.get_nowait()
        except queue.Empty:
            return
        if timed is not None:
            self._lose(_shed(timed.clip))

    def _lose(self, gap: Gap) -> None:
        self._counters.count_gap(gap)
        self._booking.gap(gap)

    def _timed(self, clip: Clip) -> TimedClip:
        timeline, levels = self._parts.timeline, self._parts.levels
        measured = None if levels is None else levels.levels_of(clip.start_sample, len(clip.samples))
        return TimedClip(clip, timeline.utc(clip.start_sample), timeline.quality(), measured)

    def _label_all(self) -> None:
        """Thread: classify, store and label what was cut. A clip that fails is counted, and the next one goes on."""
        while (timed := self._clips.get()) is not None:
            self._counters.clips_recorded += 1
            self._counters.samples_captured += len(timed.clip.samples)
            try:
                with self._progress.working():
                    self._labeller.label(timed)
            except (ContractError, DeviceError) as error:
                self._counters.clips_failed += 1
                _LOGGER.error("clip at sample %d has no label: %s", timed.clip.start_sample, error)
            except Exception:
                self._counters.clips_failed += 1
                _LOGGER.exception("clip at sample %d has no label", timed.clip.start_sample)
        self._all_labelled.set()
        self._news.put(None)

    def status(self) -> dict[str, object]:
        """Say what it is doing, which is its health and what only this machine is told; any thread may ask."""
        return {
            "last_samples_s_ago": self._progress.idle_s,
            "clip_in_work_s": self._progress.busy_s,
            **self.health.document().model_dump(mode="json", by_alias=True),
            "counts": self._parts.summary(),
        }


def _shed(clip: Clip) -> Gap:
    return Gap(clip.start_sample, len(clip.samples), GapCause.SHED)
