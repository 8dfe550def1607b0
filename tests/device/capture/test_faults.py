"""Faults of a microphone: each is found in time, goes again, and none is seen in real recordings."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_contract.audio import read_audio, to_int16
from sonyc_contract.messages import ClockQuality
from sonyc_device.capture.faults import FaultDetector, FaultKind, MicrophoneFault, findings
from sonyc_device.capture.source import Block, Gap, GapCause, Int16Array
from sonyc_device.capture.timeline import ReplayTimeline
from sonyc_device.config import FaultSettings
from support.signals import noise

RATE_HZ = 8_000
START = datetime(2026, 5, 4, 6, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Bench:
    """A detector, and the samples that it was given."""

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        timeline = ReplayTimeline(START, rate_hz=rate_hz, quality=ClockQuality.SYNCED)
        self.detector = FaultDetector(FaultSettings(), timeline, rate_hz=rate_hz)
        self.n = 0

    def hear(self, samples: Int16Array) -> None:
        self.detector.push(Block(self.n, samples))
        self.n += len(samples)

    @property
    def kinds(self) -> set[FaultKind]:
        return {fault.kind for fault in self.detector.current()}


def street(duration_s: float, *, level: float = 0.01) -> Int16Array:
    return to_int16(noise(duration_s, RATE_HZ, level=level))


def constant(duration_s: float, value: int) -> Int16Array:
    return np.full(round(duration_s * RATE_HZ), value, np.int16)


FAULTY = {
    "zeros": (constant(1, 0), {FaultKind.DEAD}),
    "almost zeros": ((np.arange(RATE_HZ) % 1000 == 0).astype(np.int16), {FaultKind.DEAD}),
    "a constant": (constant(1, -7), {FaultKind.STUCK}),
    "a constant far from zero": (constant(1, 9_000), {FaultKind.STUCK, FaultKind.DC_OFFSET}),
    "full scale": (constant(1, -32_768), {FaultKind.STUCK, FaultKind.CLIPPING, FaultKind.DC_OFFSET}),
    "an offset": ((street(1) + 2_000).astype(np.int16), {FaultKind.DC_OFFSET}),
    "too loud": (to_int16(noise(1, RATE_HZ, level=0.4)), {FaultKind.CLIPPING}),
}


@pytest.mark.parametrize("name", FAULTY)
def test_fault_is_seen_after_ten_seconds_and_gone_after_ten_others(name: str) -> None:
    second, kinds = FAULTY[name]
    bench = Bench()
    bench.hear(street(30))
    for n in range(1, 21):
        bench.hear(second)
        assert bench.kinds == (kinds if n >= 10 else set()), n
    assert {fault.since_utc for fault in bench.detector.current()} == {START + 30 * SECOND}
    for n in range(1, 11):
        bench.hear(street(1))
        assert bench.kinds == (kinds if n < 10 else set()), n
    assert bench.detector.current() == ()


def test_single_seconds_change_nothing() -> None:
    bench = Bench()
    for _ in range(50):
        bench.hear(constant(1, 0))
        bench.hear(street(1))
    assert bench.kinds == set()
    bench.hear(constant(20, 0))
    for _ in range(50):
        bench.hear(street(1))
        bench.hear(constant(1, 0))
    assert bench.kinds == {FaultKind.DEAD}


def test_loud_moment_is_no_fault_and_being_too_loud_most_of_the_time_is() -> None:
    quiet, loud = street(2), to_int16(noise(1, RATE_HZ, level=0.4))
    bench = Bench()
    for _ in range(60):
        bench.hear(quiet)
        bench.hear(loud)
    assert bench.kinds == set()
    for _ in range(60):
        bench.hear(loud)
        bench.hear(loud)
        bench.hear(quiet[:RATE_HZ])
    assert bench.kinds == {FaultKind.CLIPPING}


def test_seconds_do_not_reach_over_a_gap() -> None:
    bench = Bench()
    for _ in range(30):
        bench.hear(constant(0.9, 0))
        bench.detector.push(Gap(bench.n, 100, GapCause.RING_FULL))
        bench.n += 100
    assert bench.kinds == set()


@given(st.lists(st.integers(1, 3 * RATE_HZ), min_size=1, max_size=40))
def test_seconds_do_not_depend_on_the_blocks(lengths: list[int]) -> None:
    samples = np.concatenate([street(5), constant(40, 0), street(12), constant(60, 5)])[: sum(lengths)]
    whole, pieces = Bench(), Bench()
    whole.hear(samples)
    for length in lengths:
        pieces.hear(samples[pieces.n : pieces.n + length])
    assert pieces.detector.current() == whole.detector.current()


def test_what_is_reported_says_what_and_since_when() -> None:
    bench = Bench()
    bench.hear(np.concatenate([street(3.5), constant(12, 0)]))
    assert bench.detector.current() == (MicrophoneFault(FaultKind.DEAD, START + 4 * SECOND),)


def test_changes_stand_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench = Bench()
    bench.hear(np.concatenate([constant(12, 0), street(12)]))
    assert [(record.message, record.fault) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("microphone fault", "dead"),
        ("microphone fault is over", "dead"),
    ]


def test_no_second_of_real_street_recordings_shows_a_fault(shared_data: Path) -> None:
    paths = sorted((shared_data / "sonyc").glob("*.wav"))
    assert paths
    for path in paths:
        audio = read_audio(path)
        for gain_db in (0.0, -40.0):  # the quietest second has -42 dBFS
            samples = to_int16(audio.samples * np.float32(10 ** (gain_db / 20)))
            for start in range(0, len(samples) - audio.rate_hz + 1, audio.rate_hz):
                seen = findings(samples[start : start + audio.rate_hz], FaultSettings())
                assert not any(seen.values()), (path.name, gain_db, start, seen)
