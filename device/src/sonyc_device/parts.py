"""What an agent is made of, what it counts, and how a run of it ends."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sonyc_device.capture.faults import FaultDetector
from sonyc_device.capture.liveness import Liveness
from sonyc_device.capture.plan import RecordingPlan
from sonyc_device.capture.ring import Ring
from sonyc_device.capture.source import AudioSource, Gap, GapCause
from sonyc_device.capture.timeline import Timeline
from sonyc_device.classification import Classifier
from sonyc_device.clock import Clock
from sonyc_device.effective import InEffect
from sonyc_device.errors import DeviceError
from sonyc_device.labelling import NodeFacts
from sonyc_device.messaging.books import Books
from sonyc_device.messaging.commands import Desk
from sonyc_device.messaging.holding import HoldingOutbox
from sonyc_device.messaging.outbox import LABEL
from sonyc_device.messaging.publisher import Publisher
from sonyc_device.running.notify import ServiceManager
from sonyc_device.running.reloading import Reloader
from sonyc_device.storing.store import ClipStore
from sonyc_device.supervision import Duty

if TYPE_CHECKING:  # loaded only where levels are wanted
    from sonyc_device.level.watch import LevelWatch

_LOGGER = logging.getLogger(__name__)


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

    def summary(self) -> dict[str, object]:
        """Give what the run did so far, for the log and for who asks."""
        counters, rate_hz = self.counters, self.facts.rate_hz
        return {
            "clips_recorded": counters.clips_recorded,
            "clips_stored": counters.clips_stored,
            "clips_not_stored": counters.clips_not_stored,
            "clips_vetoed": counters.clips_vetoed,
            "clips_evicted": self.store.status().n_evicted,
            "clips_failed": counters.clips_failed,
            "labels_written": counters.labels_written,
            "labels_published": self.publisher.n_published,
            "labels_waiting": self.outbox.n_rows,
            "labels_evicted": self.outbox.counts.evicted.get(LABEL, 0),
            "labels_lost": self.outbox.lost[LABEL],
            "broker": self.publisher.state,
            "broker_failures": self.publisher.counts.n_failures,
            "gaps": counters.gaps,
            "clips_shed": counters.clips_shed,
            "seconds_captured": counters.samples_captured / rate_hz,
            "seconds_lost": counters.samples_lost / rate_hz,
            "seconds_paused": counters.samples_paused / rate_hz,
            "microphone_reopened": self.liveness.n_reopened,
            "microphone_rescanned": self.liveness.n_rescanned,
            "files_refused": counters.files_refused,
        }


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
