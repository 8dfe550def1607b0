"""The watch on a microphone, with one that hangs, ends, is missing or floods as a test tells it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from sonyc_device.capture.ladder import Ladder, Patience
from sonyc_device.capture.liveness import Liveness, MicrophoneState, WatchedSource
from sonyc_device.capture.ring import Ring
from sonyc_device.capture.source import Block, End, Gap, GapCause, SampleSink
from sonyc_device.errors import CaptureError, CaptureStalledError
from support.processes import wait_until

RATE_HZ = 1000
BLOCK = np.arange(100, dtype=np.int16)
# The watch looks at its clock every 10 ms, and that only moves when a test says so.
PATIENCE = Patience(0.01, give_up_after_s=3.0, opening_s=0.0, first_pause_s=0.01, max_pause_s=0.02)


@dataclass
class FakeMicrophone:
    """One opening of the microphone."""

    fails_with: CaptureError | None = None
    is_live: bool = True
    sink: SampleSink | None = None
    is_stopped: bool = False

    def start(self, sink: SampleSink) -> None:
        if self.fails_with is not None:
            raise self.fails_with
        self.sink = sink

    def stop(self) -> None:
        self.is_stopped = True
        if self.sink is not None:
            self.sink.end()  # as a microphone does

    @property
    def opened(self) -> SampleSink:
        assert self.sink is not None
        return self.sink


@dataclass
class FakeSystem:
    """A sound system with one socket.

    Attributes:
        microphones: All that were opened.
        is_missing: Whether opening fails.
        n_rescans: How often it looked anew.
        may_open: Whether opening returns; else it hangs.
        is_opening: Whether it was asked to open one.
    """

    microphones: list[FakeMicrophone] = field(default_factory=list)
    is_missing: bool = False
    n_rescans: int = 0
    is_abandoned: bool = False
    may_open: threading.Event = field(default_factory=threading.Event)
    is_opening: threading.Event = field(default_factory=threading.Event)
    on_rescan: Callable[[], None] = lambda: None

    def open(self) -> FakeMicrophone:
        self.is_opening.set()
        self.may_open.wait(30)
        self.microphones.append(FakeMicrophone(CaptureError("no such microphone") if self.is_missing else None))
        return self.microphones[-1]

    def rescan(self) -> None:
        self.n_rescans += 1
        self.on_rescan()

    def abandon(self) -> None:
        self.is_abandoned = True


@dataclass
class Bench:
    """A watched microphone into a ring, with a clock that only the test moves."""

    now_s: float = 100.0
    patience: Patience = PATIENCE
    system: FakeSystem = field(default_factory=FakeSystem)
    liveness: Liveness = field(default_factory=lambda: Liveness("'street'"))

    def __post_init__(self) -> None:
        self.system.may_open.set()
        self.ring = Ring(100 * RATE_HZ)
        ladder = Ladder(self.patience)
        self.source = WatchedSource(
            self.system, ladder, rate_hz=RATE_HZ, liveness=self.liveness, monotonic=lambda: self.now_s
        )

    def wait_for_opening(self, n: int) -> FakeMicrophone:
        wait_until(lambda: len(self.system.microphones) >= n, what=f"opening {n}")
        microphone = self.system.microphones[n - 1]
        wait_until(lambda: microphone.sink is not None or microphone.fails_with is not None, what="its sink")
        return microphone

    def read_all(self) -> list[Block | Gap | End]:
        """Everything up to the end."""
        items: list[Block | Gap | End] = []
        while not items or not isinstance(items[-1], End):
            items.append(self.ring.read(len(BLOCK)))
        return items


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A bench whose source is stopped at the end."""
    made = Bench()
    yield made
    made.system.may_open.set()
    made.source.stop()


def spans(items: list[Block | Gap | End]) -> list[tuple[str, int, int]]:
    """What came, where it began, and how long it was."""
    return [
        ("block", item.start_sample, len(item.samples))
        if isinstance(item, Block)
        else (item.cause.value, item.start_sample, item.n_samples)
        for item in items
        if not isinstance(item, End)
    ]


def test_microphone_that_delivers_is_left_alone(bench: Bench) -> None:
    bench.source.start(bench.ring)
    microphone = bench.wait_for_opening(1)
    for _ in range(5):
        bench.now_s += 0.1
        microphone.opened.write(BLOCK)
    wait_until(lambda: bench.liveness.state is MicrophoneState.DELIVERING, what="the state")
    bench.source.stop()
    assert spans(bench.read_all()) == [("block", 100 * n, 100) for n in range(5)]
    assert microphone.is_stopped
    assert (len(bench.system.microphones), bench.system.n_rescans, bench.liveness.n_reopened) == (1, 0, 0)


def test_row_12_microphone_that_hangs_is_reopened_and_what_was_lost_is_a_gap(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.source.start(bench.ring)
    first = bench.wait_for_opening(1)
    first.opened.write(BLOCK)
    bench.now_s += 2.0
    second = bench.wait_for_opening(2)
    assert first.is_stopped
    first.opened.write(BLOCK)  # a stream that was given up is not heard any more
    bench.now_s += 0.5
    second.opened.write(BLOCK)
    wait_until(lambda: bench.liveness.state is MicrophoneState.DELIVERING, what="the state")
    bench.source.stop()
    assert spans(bench.read_all()) == [("block", 0, 100), ("stalled", 100, 2400), ("block", 2500, 100)]
    assert (bench.liveness.n_reopened, bench.liveness.n_rescanned) == (1, 0)
    assert [record.step for record in caplog.records if "delivers nothing" in record.message] == ["reopen"]  # type: ignore[attr-defined]


def test_row_12_when_reopening_does_not_help_devices_are_looked_for_anew(bench: Bench) -> None:
    bench.source.start(bench.ring)
    bench.wait_for_opening(1).opened.write(BLOCK)
    bench.now_s += 0.5
    bench.wait_for_opening(2)
    bench.now_s += 0.5
    third = bench.wait_for_opening(3)
    assert bench.system.n_rescans == 1
    bench.now_s += 0.3
    third.opened.write(BLOCK)
    bench.source.stop()
    items = spans(bench.read_all())
    assert items[0] == ("block", 0, 100)
    assert items[-1] == ("block", 1300, 100)
    assert sum(length for cause, _, length in items if cause == "stalled") == 1200


def test_row_12_microphone_that_never_comes_back_ends_the_source(bench: Bench) -> None:
    bench.source.start(bench.ring)
    bench.wait_for_opening(1).opened.write(BLOCK)
    bench.system.is_missing = True
    bench.now_s += 1.0
    bench.wait_for_opening(4)  # reopened, and rescanned twice
    bench.now_s += 2.5
    items = bench.read_all()
    assert isinstance(items[-1], End)
    assert isinstance(items[-1].error, CaptureStalledError)
    assert str(items[-1].error) == "no sample has come from 'street' for 4 s; no such microphone"
    assert sum(length for cause, _, length in spans(items) if cause == "stalled") == 3500
    assert bench.system.n_rescans >= 2


def test_row_11_microphone_that_is_missing_at_the_start_is_waited_for(bench: Bench) -> None:
    bench.system.is_missing = True
    bench.source.start(bench.ring)
    bench.wait_for_opening(3)
    assert (bench.liveness.state, bench.liveness.detail) == (MicrophoneState.MISSING, "no such microphone")
    assert bench.ring.arrival.n_samples == 0
    bench.now_s += 1.5

    def plug_in() -> None:
        bench.system.is_missing = False

    bench.system.on_rescan = plug_in
    wait_until(lambda: bench.system.microphones[-1].sink is not None, what="the microphone to be opened")
    bench.now_s += 0.1
    bench.system.microphones[-1].opened.write(BLOCK)
    bench.source.stop()
    items = bench.read_all()
    assert spans(items)[-1] == ("block", 1500, 100)
    assert {cause for cause, _, _ in spans(items)[:-1]} == {"stalled"}


def test_microphone_that_starts_slowly_has_lost_nothing(bench: Bench) -> None:
    bench.system.may_open.clear()
    bench.source.start(bench.ring)
    bench.now_s += 1.6
    bench.system.may_open.set()
    bench.wait_for_opening(1).opened.write(BLOCK)
    bench.source.stop()
    assert spans(bench.read_all()) == [("block", 0, 100)]


def test_row_13_stream_that_ends_by_itself_is_opened_again_at_once(bench: Bench) -> None:
    bench.source.start(bench.ring)
    first = bench.wait_for_opening(1)
    first.opened.write(BLOCK)
    first.opened.skip(7, GapCause.DEVICE_OVERFLOW)
    bench.now_s += 0.05
    first.opened.end(CaptureError("the sound system ended the stream"))
    second = bench.wait_for_opening(2)
    assert bench.liveness.detail == "the sound system ended the stream"
    bench.now_s += 0.2
    second.opened.write(BLOCK)
    bench.source.stop()
    assert spans(bench.read_all()) == [
        ("block", 0, 100),
        ("device-overflow", 100, 7),
        ("stalled", 107, 150),
        ("block", 257, 100),
    ]


def test_outage_that_lasts_to_the_end_is_a_gap_to_the_end(bench: Bench) -> None:
    bench.source.start(bench.ring)
    bench.wait_for_opening(1).opened.write(BLOCK)
    bench.now_s += 1.0
    bench.wait_for_opening(2)
    bench.now_s += 1.0
    bench.source.stop()
    assert sum(length for cause, _, length in spans(bench.read_all()) if cause == "stalled") == 2000


def test_sound_system_that_hangs_does_not_keep_the_agent_from_leaving(bench: Bench) -> None:
    bench.system.may_open.clear()
    bench.source.start(bench.ring)
    assert bench.system.is_opening.wait(20)
    bench.source.stop()
    assert bench.system.is_abandoned
    assert isinstance(bench.ring.read(1), End)


def test_row_12_sound_system_that_hangs_ends_the_source_with_all_that_was_lost() -> None:
    bench = Bench(patience=Patience(0.01, give_up_after_s=0.05, opening_s=0.0, hung_s=0.2))
    bench.source.start(bench.ring)
    bench.wait_for_opening(1).opened.write(BLOCK)
    bench.system.may_open.clear()
    bench.now_s += 0.02
    wait_until(lambda: bench.liveness.state is MicrophoneState.MISSING, what="the silence to be noticed")
    bench.now_s += 5.0
    items = bench.read_all()
    assert isinstance(items[-1], End)
    assert str(items[-1].error) == "no sample has come from 'street' for 0 s; the sound system hangs"
    assert sum(length for cause, _, length in spans(items) if cause == "stalled") == 5020
    bench.system.may_open.set()
    bench.source.stop()


def test_guard_against_a_hanging_sound_system_lets_one_alone_that_delivers() -> None:
    bench = Bench(patience=Patience(30.0, give_up_after_s=0.05, opening_s=0.0, hung_s=0.05))
    bench.source.start(bench.ring)
    microphone = bench.wait_for_opening(1)
    microphone.opened.write(BLOCK)
    wait_until(lambda: bench.liveness.state is MicrophoneState.DELIVERING, what="the state")
    guards = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    wait_until(lambda: not any(guard.is_alive() for guard in guards), what="the guard to be gone")
    microphone.opened.write(BLOCK)
    bench.source.stop()
    assert spans(bench.read_all()) == [("block", 0, 100), ("block", 100, 100)]


def test_sound_system_that_cannot_look_anew_is_tried_again(bench: Bench) -> None:
    def fail() -> None:
        raise CaptureError("PortAudio cannot be started anew")

    bench.system.on_rescan, bench.system.is_missing = fail, True
    bench.source.start(bench.ring)
    wait_until(lambda: bench.system.n_rescans >= 3, what="three attempts")


def test_what_nobody_expected_ends_the_source_with_an_error(bench: Bench) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    bench.system.on_rescan, bench.system.is_missing = fail, True
    bench.source.start(bench.ring)
    end = bench.read_all()[-1]
    assert isinstance(end, End)
    assert str(end.error) == "watching the microphone failed: ZeroDivisionError()"
