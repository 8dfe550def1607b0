"""The agent: source -> ring -> plan -> clips -> encode, classify, store, label -> outbox -> publisher.

Three threads of ours besides the source's: one cuts, one labels, one publishes; the calling thread supervises. Every
queue is bounded. A microphone never waits: when labelling falls behind, the oldest clip in the queue is shed and
becomes a gap. Files wait instead, so that nothing of them is lost.
"""

import logging
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sonyc_contract.audio import FloatArray, from_int16, leq_dbfs
from sonyc_contract.errors import ContractError
from sonyc_contract.messages import AudioReason, AudioRecord, LabelEvent, SoundLevel, dump_message
from sonyc_contract.messages import Clip as ClipFacts
from sonyc_contract.recognise import Scores
from sonyc_device.booking import Booking
from sonyc_device.capture.clips import Clip, Pause, TimedClip
from sonyc_device.capture.faults import FaultDetector
from sonyc_device.capture.liveness import Liveness
from sonyc_device.capture.plan import Piece, RecordingPlan
from sonyc_device.capture.ring import Ring
from sonyc_device.capture.source import AudioSource, Block, End, Gap, GapCause
from sonyc_device.capture.timeline import Timeline
from sonyc_device.classification import Classifier, encode_and_score
from sonyc_device.clock import Clock
from sonyc_device.config import StoreSettings
from sonyc_device.effective import InEffect
from sonyc_device.errors import CaptureError, CaptureStalledError, DeviceError, OutboxError, StoreError, StoreFullError
from sonyc_device.health import HealthReport
from sonyc_device.labelling import (
    NodeFacts,
    Verdict,
    detected_at,
    label_event,
    stored_clip,
    thresholds_in_effect,
)
from sonyc_device.messaging.books import Books
from sonyc_device.messaging.commands import Desk
from sonyc_device.messaging.holding import HoldingOutbox
from sonyc_device.messaging.outbox import LABEL
from sonyc_device.messaging.publisher import Publisher
from sonyc_device.messaging.rows import Draft, Identity
from sonyc_device.minutes import MinuteReports
from sonyc_device.reports import Reports
from sonyc_device.running.notify import ServiceManager
from sonyc_device.running.progress import Progress
from sonyc_device.running.reloading import Reloader
from sonyc_device.running.watchdog import Watchdog
from sonyc_device.storing.policy import decide
from sonyc_device.storing.store import ClipStore
from sonyc_device.supervision import TICK_S, Duty, Supervision

if TYPE_CHECKING:  # loaded only where levels are wanted
    from sonyc_device.level.watch import LevelWatch

_LOGGER = logging.getLogger(__name__)

READ_S: Final = 1.0
MAX_WAITING_CLIPS: Final = 6
STOP_WITHIN_S: Final = 4.5
PUBLISH_ON_STOP_S: Final = 1.0
HANG_UP_S: Final = 1.0
"""What a link takes to close, at most; a connection that is only being made is not waited for."""
_POLL_S: Final = 0.2


@dataclass
class Counters:
    """What one run did; each field is written by one thread."""

    clips_recorded: int = 0
    clips_stored: int = 0
    clips_not_stored: int = 0
    clips_vetoed: int = 0
    clips_failed: int = 0
    labels_written: int = 0
    samples_captured: int = 0
    gaps: int = 0
    clips_shed: int = 0
    samples_lost: int = 0
    samples_paused: int = 0
    files_refused: int = 0

    @property
    def n_failures(self) -> int:
        """What went wrong and was passed over."""
        return self.clips_failed + self.clips_not_stored + self.files_refused

    def count_gap(self, gap: Gap) -> None:
        """Count and log samples that are missing."""
        self.gaps += 1
        self.samples_lost += gap.n_samples
        self.clips_shed += gap.cause is GapCause.SHED
        _LOGGER.warning(
            "gap", extra={"start_sample": gap.start_sample, "n_samples": gap.n_samples, "cause": gap.cause.value}
        )

    def count_refused(self, _path: object) -> None:
        """Count a file that was left out."""
        self.files_refused += 1


@dataclass(frozen=True)
class Parts:
    """What an agent is made of.

    Attributes:
        source: The microphone, or files.
        ring: Where the source delivers.
        plan: Cuts what the ring gives into clips, and leaves out what is not to be recorded.
        timeline: Says when a sample was taken.
        classifier: Encodes and scores clips.
        store: Where clips are written, if the settings in effect keep them.
        outbox: Where labels wait.
        books: Where the seconds of each hour are added up.
        publisher: Sends them.
        clock: The node's clocks.
        facts: What is the same in every label.
        in_effect: The settings that may change between two clips.
        desk: Decides on commands, and on changes of the node's file.
        levels: Measures how loud it is; None where that is not wanted.
        duties: What the calling thread does meanwhile.
        faults: Looks for faults of the microphone.
        liveness: Whether it delivers.
        counters: What happens is counted here.
        manager: Who started us, and wants to know how we are.
        reloader: Reads the configuration again; None where it came from no file.
    """

    source: AudioSource
    ring: Ring
    plan: RecordingPlan
    timeline: Timeline
    faults: FaultDetector
    classifier: Classifier
    store: ClipStore
    outbox: HoldingOutbox
    books: Books
    publisher: Publisher
    clock: Clock
    facts: NodeFacts
    in_effect: InEffect
    desk: Desk
    levels: "LevelWatch | None" = None
    duties: Sequence[Duty] = ()
    liveness: Liveness = field(default_factory=Liveness)
    counters: Counters = field(default_factory=Counters)
    manager: ServiceManager = field(default_factory=ServiceManager)
    reloader: Reloader | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        n_waiting: Labels that are not published yet; they stay in the outbox.
        n_failures: Clips without a label, clips not stored that were to be, and files left out.
        was_stopped: Whether it was asked to end before its source was exhausted.
        error: Why it ended, if it was not to.
    """

    n_waiting: int
    n_failures: int
    was_stopped: bool
    error: DeviceError | None = None


class Agent:
    """Runs the pipeline until its source is exhausted, fails, or `stop` is called."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._counters = parts.counters
        self._booking = Booking(parts.books, parts.facts, parts.timeline)
        self._progress = Progress()
        self._lag_s: float | None = None
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
        return self._lag_s

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
        _LOGGER.info("finished", extra=self._summary())
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
                    self._label(timed)
            except (ContractError, DeviceError) as error:
                self._counters.clips_failed += 1
                _LOGGER.error("clip at sample %d has no label: %s", timed.clip.start_sample, error)
            except Exception:
                self._counters.clips_failed += 1
                _LOGGER.exception("clip at sample %d has no label", timed.clip.start_sample)
        self._all_labelled.set()
        self._news.put(None)

    def _label(self, timed: TimedClip) -> None:
        parts, effective = self._parts, self._parts.in_effect.now
        span, identity = self._booking.clip(timed), parts.outbox.identify(LABEL)
        clip = parts.facts.clip(identity, timed, level=effective.config.store.level)
        samples = from_int16(timed.clip.samples)
        data, scores = encode_and_score(parts.classifier, samples, parts.facts.rate_hz, effective.config)
        thresholds = thresholds_in_effect(parts.classifier.bundle.manifest.heads[scores.head], effective.thresholds)
        scores = detected_at(scores, thresholds)
        classified = effective.config.classify.what.value
        verdict = Verdict(scores, classified, self._sound_level(timed, samples), thresholds, effective.config_hash)
        audio = self._keep(clip, data, scores, effective.config.store)
        labels: list[LabelEvent] = []

        def make(known: Identity) -> Draft:
            named = clip if known == identity else parts.facts.clip(known, timed, level=clip.level)
            labels.append(label_event(named, parts.classifier.bundle, verdict, audio))
            return Draft(LABEL, dump_message(labels[-1]), identity=known, span=span, is_stored=audio.kept)

        parts.outbox.put_as(LABEL, identity, make)
        self._counters.labels_written += 1
        if parts.source.is_live:
            n_since = parts.ring.arrival.n_samples - timed.clip.start_sample - len(timed.clip.samples)
            self._lag_s = max(0.0, n_since / parts.facts.rate_hz)
        parts.publisher.wake()
        _log_label(labels[-1])

    def _sound_level(self, timed: TimedClip, samples: FloatArray) -> SoundLevel:
        leq, levels = leq_dbfs(samples), self._parts.levels
        return SoundLevel(leq=leq, unit="dBFS") if levels is None else levels.sound_level(leq, timed.levels)

    def _keep(self, clip: ClipFacts, data: bytes, scores: Scores, settings: StoreSettings) -> AudioRecord:
        """Store the clip where it is to be stored; it is on the disk before its label is in the outbox."""
        decision = decide(settings, clip.clip_id, scores)
        if not decision.is_kept:
            self._counters.clips_vetoed += decision.reason is AudioReason.VETO
            return AudioRecord(kept=False, reason=decision.reason, n_bytes=len(data))
        try:
            # Files are named by the number, which must never come twice.
            self._parts.outbox.secure(LABEL, Identity(clip.session, clip.seq))
            bundle = self._parts.classifier.bundle
            sidecar = stored_clip(clip, data, scores, bundle=bundle, reason=decision.reason)
            self._parts.store.write(sidecar, data)
        except (StoreError, OutboxError) as error:
            self._counters.clips_not_stored += 1
            _LOGGER.error("audio not kept: %s", error)
            is_full = isinstance(error, StoreFullError)
            reason = AudioReason.NO_SPACE if is_full else AudioReason.WRITE_FAILED
            return AudioRecord(kept=False, reason=reason, n_bytes=len(data))
        self._counters.clips_stored += 1
        return AudioRecord(kept=True, reason=decision.reason, n_bytes=len(data))

    def status(self) -> dict[str, object]:
        """Say what it is doing, which is its health and what only this machine is told; any thread may ask."""
        return {
            "last_samples_s_ago": self._progress.idle_s,
            "clip_in_work_s": self._progress.busy_s,
            **self.health.document().model_dump(mode="json", by_alias=True),
            "counts": self._summary(),
        }

    def _summary(self) -> dict[str, object]:
        counters, rate_hz = self._counters, self._parts.facts.rate_hz
        return {
            "clips_recorded": counters.clips_recorded,
            "clips_stored": counters.clips_stored,
            "clips_not_stored": counters.clips_not_stored,
            "clips_vetoed": counters.clips_vetoed,
            "clips_evicted": self._parts.store.status().n_evicted,
            "clips_failed": counters.clips_failed,
            "labels_written": counters.labels_written,
            "labels_published": self._parts.publisher.n_published,
            "labels_waiting": self._parts.outbox.n_rows,
            "labels_evicted": self._parts.outbox.counts.evicted.get(LABEL, 0),
            "labels_lost": self._parts.outbox.lost[LABEL],
            "broker": self._parts.publisher.state,
            "broker_failures": self._parts.publisher.counts.n_failures,
            "gaps": counters.gaps,
            "clips_shed": counters.clips_shed,
            "seconds_captured": counters.samples_captured / rate_hz,
            "seconds_lost": counters.samples_lost / rate_hz,
            "seconds_paused": counters.samples_paused / rate_hz,
            "microphone_reopened": self._parts.liveness.n_reopened,
            "microphone_rescanned": self._parts.liveness.n_rescanned,
            "files_refused": counters.files_refused,
        }


def _shed(clip: Clip) -> Gap:
    return Gap(clip.start_sample, len(clip.samples), GapCause.SHED)


def _log_label(label: LabelEvent) -> None:
    _LOGGER.info(
        "label",
        extra={"clip_id": label.clip_id, "detections": label.detections, "leq": round(label.sound_level.leq, 1)},
    )
