"""The agent with a source, a broker and a model that do what a test tells them."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonyc_contract.audio import FloatArray
from sonyc_contract.bundle import EMBEDDING, Bundle, read_bundle
from sonyc_contract.errors import ModelError
from sonyc_contract.levels import Level
from sonyc_contract.messages import ClockQuality
from sonyc_contract.recognise import Embedder
from sonyc_contract.runtime import Interpreter, open_interpreter
from sonyc_device.agent import Agent
from sonyc_device.capture.faults import FaultDetector
from sonyc_device.capture.plan import RecordingPlan
from sonyc_device.capture.ring import Ring
from sonyc_device.capture.schedule import Schedule
from sonyc_device.capture.source import GapCause, SampleSink
from sonyc_device.capture.starts import Continuous
from sonyc_device.capture.timeline import LiveTimeline
from sonyc_device.classification import Classifier
from sonyc_device.clock import SystemClock
from sonyc_device.config import FaultSettings, NodeConfig, StoreMode, StoreSettings
from sonyc_device.errors import CaptureError, CaptureStalledError
from sonyc_device.labelling import NodeFacts
from sonyc_device.level.calibration import FULL_SCALE
from sonyc_device.level.watch import LevelWatch
from sonyc_device.messaging.books import Books
from sonyc_device.messaging.holding import HoldingOutbox
from sonyc_device.messaging.outbox import Bounds, Outbox
from sonyc_device.messaging.publisher import Publisher, PublisherSettings
from sonyc_device.parts import Outcome, Parts
from sonyc_device.storing.eviction import Limits
from sonyc_device.storing.sealing import Clear
from sonyc_device.storing.store import ClipStore, Place
from support.desks import make_desk
from support.messengers import FakeMessenger
from support.processes import wait_until

RATE_HZ = 16_000
LIMITS = Limits(max_bytes=10**9, reserve_bytes=0, retention_s=1e9)
CLIP_S = 2


class FakeSource:
    """A microphone whose samples the test makes up."""

    def __init__(self, *, is_live: bool = True) -> None:
        self.is_live = is_live
        self.sink: SampleSink | None = None

    def start(self, sink: SampleSink) -> None:
        self.sink = sink

    def stop(self) -> None:
        self.opened.end()

    @property
    def opened(self) -> SampleSink:
        assert self.sink is not None
        return self.sink

    def hear(self, duration_s: float, *, value: int = 100) -> None:
        self.opened.write(np.full(round(duration_s * RATE_HZ), value, np.int16))


class GatedInterpreter:
    """A model that waits for its gate, and can be told to fail once."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self.gate = threading.Event()
        self.gate.set()
        self.n_waiting = 0
        self.fails_next = False

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self._interpreter.input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self._interpreter.output_shape

    def run(self, batch: FloatArray) -> FloatArray:
        self.n_waiting += 1
        self.gate.wait(30)
        if self.fails_next:
            self.fails_next = False
            raise ModelError("told to fail")
        return self._interpreter.run(batch)


@dataclass
class Bench:
    """An agent and all that a test reaches into."""

    parts: Parts
    agent: Agent
    source: FakeSource
    messenger: FakeMessenger
    model: GatedInterpreter
    outcomes: list[Outcome] = field(default_factory=list)
    thread: threading.Thread | None = None

    def start(self, drain_timeout_s: float = 10) -> None:
        self.thread = threading.Thread(
            target=lambda: self.outcomes.append(self.agent.run(drain_timeout_s=drain_timeout_s))
        )
        self.thread.start()
        wait_until(lambda: self.source.sink is not None, what="the source to be opened")

    def finish(self) -> Outcome:
        """Wait for the agent's end."""
        assert self.thread is not None
        self.thread.join(30)
        (outcome,) = self.outcomes
        return outcome

    @property
    def labels(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.messenger.payloads_of("label")]

    @property
    def spans_s(self) -> list[tuple[float, float]]:
        """Start and duration of each label, in seconds of the sample counter."""
        return [(label["sample_index"] / RATE_HZ, label["duration_s"]) for label in self.labels]


@pytest.fixture(scope="module")
def bundle(default_bundle: Path) -> Bundle:
    """The shipped bundle."""
    return read_bundle(default_bundle)


@pytest.fixture
def make_bench(tmp_path: Path, bundle: Bundle) -> Iterator[Callable[..., Bench]]:
    """Makes agents; their outboxes are closed at the end."""
    outboxes: list[HoldingOutbox] = []

    def make(
        *,
        is_live: bool = True,
        ring_s: float = 30,
        store: Path | None = None,
        stalled_after_s: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        levels: LevelWatch | None = None,
    ) -> Bench:
        books = Books("a" * 16)
        outbox = HoldingOutbox(
            lambda: Outbox(tmp_path / "outbox.sqlite", Bounds(1000, 10**9, 1e9), books=books, now_s=lambda: 1e9), books
        )
        outboxes.append(outbox)
        source, messenger = FakeSource(is_live=is_live), FakeMessenger()
        classifier = Classifier(bundle)
        spec = bundle.manifest.embedding
        model = GatedInterpreter(open_interpreter(bundle.members[EMBEDDING]))
        classifier.recogniser = replace(classifier.recogniser, embedder=Embedder(spec, model))
        clock = SystemClock(is_disciplined=lambda: True)
        ring = Ring(
            round(ring_s * RATE_HZ), waits_when_full=not is_live, stalled_after_s=stalled_after_s, monotonic=monotonic
        )
        timeline = LiveTimeline(lambda: ring.arrival, rate_hz=RATE_HZ, clock=clock)
        always = Continuous(Schedule(), timeline, rate_hz=RATE_HZ)
        config = NodeConfig(node_id="node-1", state_folder=tmp_path, store=_settings(storing=store is not None))
        desk = make_desk(tmp_path / "commands.json", config, outbox.put)
        parts = Parts(
            source=source,
            ring=ring,
            plan=RecordingPlan(always, clip_samples=CLIP_S * RATE_HZ, min_samples=RATE_HZ),
            timeline=timeline,
            faults=FaultDetector(FaultSettings(), timeline, rate_hz=RATE_HZ),
            classifier=classifier,
            store=ClipStore(Place(store or tmp_path / "none", tmp_path / "state"), LIMITS, clock, form=Clear()),
            outbox=outbox,
            books=books,
            publisher=Publisher(outbox, messenger, PublisherSettings("t", 60, 0.05)),
            clock=clock,
            facts=NodeFacts("node-1", outbox.session, "a" * 16, classifier.storage_rate_hz, RATE_HZ),
            in_effect=desk.in_effect,
            desk=desk,
            levels=levels,
        )
        return Bench(parts, Agent(parts), source, messenger, model)

    yield make
    for outbox in outboxes:
        outbox.close()


def _settings(*, storing: bool) -> StoreSettings:
    return StoreSettings(level=Level.V9, mode=StoreMode.ALL if storing else StoreMode.NONE, clear=True)


def test_labels_count_samples_and_say_when(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.start()
    bench.source.hear(5.0)
    bench.source.stop()
    outcome = bench.finish()
    assert outcome == Outcome(n_waiting=0, n_failures=0, was_stopped=False, error=None)
    assert [(label["sample_index"], label["duration_s"]) for label in bench.labels] == [
        (0, 2),
        (32_000, 2),
        (64_000, 1),
    ]
    assert {label["clock"] for label in bench.labels} == {ClockQuality.SYNCED}
    leq = pytest.approx(20 * math.log10(100 / 32768))
    assert bench.labels[0]["sound_level"] == {"leq": leq, "unit": "dBFS", "calibration": None, "levels": None}


def test_overrun_becomes_a_gap_and_capture_goes_on(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(ring_s=3)
    bench.start()
    bench.source.hear(7.0)  # at once: the ring has room for three seconds
    wait_until(lambda: bench.parts.counters.gaps == 1, what="the gap")
    bench.source.hear(2.0)
    bench.source.stop()
    bench.finish()
    assert [(label["sample_index"] / RATE_HZ, label["duration_s"]) for label in bench.labels] == [
        (0, 2),
        (2, 1),
        (7, 2),
    ]
    counters = bench.parts.counters
    assert (counters.gaps, counters.samples_lost, counters.samples_captured) == (1, 4 * RATE_HZ, 5 * RATE_HZ)
    (record,) = [record for record in caplog.records if record.message == "gap"]
    assert (record.start_sample, record.n_samples, record.cause) == (3 * RATE_HZ, 4 * RATE_HZ, "ring-full")  # type: ignore[attr-defined]


def test_samples_that_the_device_lost_end_a_clip(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.start()
    bench.source.hear(1.5)
    bench.source.opened.skip(100, GapCause.DEVICE_OVERFLOW)
    bench.source.hear(0.5)
    bench.source.opened.skip(50, GapCause.DEVICE_OVERFLOW)
    bench.source.hear(2.0)
    bench.source.stop()
    bench.finish()
    assert [label["sample_index"] for label in bench.labels] == [0, 2 * RATE_HZ + 150]
    counters = bench.parts.counters
    assert (counters.gaps, counters.samples_lost) == (3, 150 + RATE_HZ // 2)


def test_levels_of_a_minute_say_how_much_of_it_came(make_bench: Callable[..., Bench]) -> None:
    levels = LevelWatch(RATE_HZ, with_bands=False, with_minutes=True, keep_s=CLIP_S, reference=FULL_SCALE)
    bench = make_bench(levels=levels)
    tone = np.rint(1_000 * np.sin(2 * np.pi * 1_000 * np.arange(4 * RATE_HZ) / RATE_HZ)).astype(np.int16)
    level = pytest.approx(20 * math.log10(1_000 / 32_768) - 3.01, abs=0.05)
    bench.start()
    bench.source.opened.write(tone)
    bench.source.opened.skip(50 * RATE_HZ, GapCause.DEVICE_OVERFLOW)
    for _ in range(2):
        bench.source.opened.write(tone)
    bench.source.stop()
    bench.finish()
    minutes = [json.loads(payload) for payload in bench.messenger.payloads_of("spl")]
    assert len(bench.labels) == 6
    assert all(label["sound_level"]["levels"]["laeq"] == level for label in bench.labels)
    assert [(minute["sample_index"], minute["covered_s"]) for minute in minutes] == [(0, 10), (60 * RATE_HZ, 2)]
    assert all(minute["levels"]["lafmax"] == level for minute in minutes)


def test_microphone_does_not_wait_for_a_slow_model(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.model.gate.clear()
    bench.start()
    bench.source.hear(2.0, value=0)
    wait_until(lambda: bench.model.n_waiting == 1, what="the first clip in the model")
    for value in range(1, 10):  # six wait; the three oldest of them are shed
        bench.source.hear(2.0, value=value)
    wait_until(lambda: bench.parts.counters.clips_shed == 3, what="three clips to be shed")
    bench.model.gate.set()
    bench.source.stop()
    bench.finish()
    assert [label["sample_index"] // (2 * RATE_HZ) for label in bench.labels] == [0, 4, 5, 6, 7, 8, 9]
    counters = bench.parts.counters
    assert (counters.clips_recorded, counters.samples_lost) == (7, 6 * RATE_HZ)


def test_files_wait_for_a_slow_model(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(is_live=False, ring_s=3)
    bench.model.gate.clear()
    bench.start()

    def replay() -> None:
        for _ in range(15):
            bench.source.hear(2.0)
        bench.source.stop()

    writer = threading.Thread(target=replay)
    writer.start()
    wait_until(lambda: bench.model.n_waiting == 1, what="the first clip in the model")
    bench.model.gate.set()
    writer.join(30)
    bench.finish()
    assert len(bench.labels) == 15
    assert bench.parts.counters.gaps == 0


def test_one_clip_that_fails_is_counted_and_the_next_goes_on(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.model.fails_next = True
    bench.start()
    bench.source.hear(4.0)
    bench.source.stop()
    outcome = bench.finish()
    assert (outcome.n_failures, outcome.error) == (1, None)
    counters = bench.parts.counters
    assert (counters.clips_recorded, counters.clips_failed, counters.labels_written) == (2, 1, 1)
    assert [label["seq"] for label in bench.labels] == [2]


def test_label_says_when_audio_could_not_be_written(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("in the way")
    bench = make_bench(store=tmp_path / "clips")
    bench.start()
    bench.source.hear(2.0)
    bench.source.stop()
    assert bench.finish().n_failures == 1
    (label,) = bench.labels
    assert (label["audio"]["kept"], label["audio"]["reason"]) == (False, "write-failed")
    assert label["audio"]["n_bytes"] > 0


def test_stop_flushes_the_clip_in_work_and_publishes_it(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    bench = make_bench(store=tmp_path / "clips")
    bench.start()
    bench.source.hear(2.7)
    bench.agent.stop()
    assert bench.finish().was_stopped
    assert [label["duration_s"] for label in bench.labels] == [2, 0.7]
    assert bench.labels[1]["short"]
    assert all(label["audio"]["kept"] for label in bench.labels)


def test_stop_does_not_wait_for_an_absent_broker(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.messenger.refusal = "absent"
    bench.start()
    bench.source.hear(2.0)
    bench.agent.stop()
    outcome = bench.finish()
    assert (outcome.n_waiting, outcome.was_stopped) == (1, True)


def test_exhausted_source_without_a_broker_leaves_its_labels(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.messenger.refusal = "absent"
    bench.start(drain_timeout_s=0.1)
    bench.source.hear(4.0)
    bench.source.stop()
    outcome = bench.finish()
    assert (outcome.n_waiting, outcome.was_stopped) == (2, False)


def test_error_of_the_source_ends_the_run_after_its_clips(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.start()
    bench.source.hear(2.5)
    error = CaptureError("the microphone is gone")
    bench.source.opened.end(error)
    assert bench.finish().error is error
    assert len(bench.labels) == 2


def test_device_that_delivers_nothing_ends_the_run(make_bench: Callable[..., Bench]) -> None:
    now_s = 0.0
    bench = make_bench(stalled_after_s=0.2, monotonic=lambda: now_s)
    bench.start()
    bench.source.hear(0.5)
    now_s = 0.2
    assert isinstance(bench.finish().error, CaptureStalledError)
    assert [label["duration_s"] for label in bench.labels] == [0.5]
