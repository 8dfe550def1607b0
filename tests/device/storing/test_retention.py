"""Retention: clips go when they are too old, by a clock that can be relied on, and never because a clock is wrong."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sonyc_contract.messages import ClockQuality
from sonyc_device.storing.eviction import Limits
from sonyc_device.storing.sealing import Clear
from sonyc_device.storing.space import Space
from sonyc_device.storing.steady_clock import SteadyClock
from sonyc_device.storing.store import ClipStore, Place
from support.stored_clips import NOON, FakeClock, check_store, mp3, numbers, sidecar_of

DAY_S = 86_400.0
HOUR_S = 3_600.0


class Node:
    """A store that keeps clips for ten days, and its clock."""

    def __init__(self, folder: Path) -> None:
        (folder / "state").mkdir()
        self.place = Place(folder / "clips", folder / "state")
        self.clock = FakeClock()
        self.seq = 0
        self.restart()

    def restart(self) -> None:
        """As after a power cut."""
        limits = Limits(max_bytes=10**9, reserve_bytes=0, retention_s=10 * DAY_S)
        self.store = ClipStore(self.place, limits, self.clock, form=Clear(), space=Space(lambda: 10**12, lambda: 0))

    def record(self) -> None:
        """Write a clip of now."""
        self.seq += 1
        self.store.write(sidecar_of(mp3(), self.seq, clock=self.clock.state, start_utc=self.clock.now), mp3())

    def pass_days(self, days: float) -> None:
        """Let time pass, with the supervisor coming by every minute or so of it that matters."""
        for _ in range(4):
            self.clock.go_on(days * DAY_S / 4)
            for _ in range(3):
                self.clock.go_on(60)
                self.store.age()

    @property
    def kept(self) -> list[int]:
        check_store(self.place.store)
        return numbers(self.place.store)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node whose clock is set."""
    node = Node(tmp_path)
    yield node
    node.store.close()


def test_clips_go_after_so_many_days_and_are_counted(node: Node) -> None:
    for _ in range(3):
        node.record()
        node.pass_days(4)
    assert node.kept == [2, 3]
    node.pass_days(3)
    assert node.kept == [3]
    node.pass_days(30)
    assert node.kept == []
    assert {cause: found.n_clips for cause, found in node.store.status().evicted.items()} == {"retention": 3}
    assert list(node.place.store.iterdir()) == []  # the days' folders go too


def test_clips_of_an_earlier_run_go_too_though_nothing_is_written_any_more(node: Node) -> None:
    node.record()
    node.store.close()
    node.clock.go_on(11 * DAY_S)
    node.restart()
    for _ in range(3):
        node.store.age()
    assert node.kept == []


def test_a_clock_that_is_a_year_ahead_for_a_minute_costs_nothing(node: Node) -> None:
    for _ in range(3):
        node.record()
    for days in (365, -365, 30, -30):
        node.clock.now += timedelta(days=days)
        for _ in range(20):
            node.clock.go_on(60)
            node.store.age()
    node.record()
    assert node.kept == [1, 2, 3, 4]
    node.pass_days(11)
    assert node.kept == []


def test_without_a_clock_nothing_is_too_old(node: Node) -> None:
    node.record()
    node.clock.state = ClockQuality.UNSET
    node.clock.now = datetime(1970, 1, 1, tzinfo=NOON.tzinfo)
    node.record()
    node.pass_days(40)
    assert node.kept == [1, 2]
    node.clock.now, node.clock.state = NOON + timedelta(days=40), ClockQuality.SYNCED
    node.record()
    node.pass_days(1)
    assert node.kept == [2, 3]  # of 2 nobody knows when it was, only that 3 came later
    node.pass_days(10)
    assert node.kept == []


def test_holdover_goes_on(node: Node) -> None:
    node.record()
    node.clock.state = ClockQuality.HOLDOVER
    node.record()
    node.pass_days(11)
    assert node.kept == []


def test_a_clip_from_the_future_goes_with_the_next_that_is_not(node: Node) -> None:
    node.clock.now += timedelta(days=3000)
    node.record()
    node.clock.now -= timedelta(days=3000)
    node.record()
    node.record()
    node.pass_days(9)
    assert node.kept == [1, 2, 3]
    node.pass_days(2)
    assert node.kept == []


def test_one_clip_with_a_stamp_from_long_ago_takes_no_other_with_it(node: Node) -> None:
    node.record()
    node.clock.now -= timedelta(days=3000)
    node.record()
    node.clock.now += timedelta(days=3000)
    node.record()
    for _ in range(3):
        node.clock.go_on(HOUR_S)
        node.store.age()
    assert node.kept == [1, 2, 3]


@pytest.mark.parametrize("step_s", [61.0, -61.0, 3e7, -3e7])
def test_steady_clock_waits_an_hour_after_a_step(step_s: float) -> None:
    clock = FakeClock()
    steady = SteadyClock(clock)
    assert steady.now_s() == NOON.timestamp()
    clock.now += timedelta(seconds=step_s)
    assert steady.now_s() is None
    clock.go_on(HOUR_S - 1)
    assert steady.now_s() is None
    clock.go_on(1)
    assert steady.now_s() == clock.now.timestamp()


def test_steady_clock_heeds_quality_and_overlooks_slewing() -> None:
    clock = FakeClock(state=ClockQuality.UNSET)
    steady = SteadyClock(clock)
    assert steady.now_s() is None
    clock.state = ClockQuality.HOLDOVER
    assert steady.now_s() is not None
    for _ in range(100):
        clock.go_on(600)
        clock.now += timedelta(seconds=0.3)  # 500 ppm
        assert steady.now_s() is not None


def test_many_old_clips_go_in_small_portions(node: Node) -> None:
    """Each look at the clock takes 50 ms here: a portion is 0.2 s of it, and a clip to be written waits no longer."""
    for _ in range(30):
        node.record()
    node.store.age()
    node.clock.go_on(20 * DAY_S)
    node.clock.each_look_s = 0.05
    left = [len(numbers(node.place.store))]
    while left[-1]:
        node.clock.go_on(1)
        node.store.age()
        left.append(len(numbers(node.place.store)))
        assert left[-2] - left[-1] <= 4
        assert len(left) < 100
    assert left[0] == 30
