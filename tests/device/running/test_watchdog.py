"""The watchdog is fed by frames processed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sonyc_device.running.notify import ServiceManager
from sonyc_device.running.progress import Progress
from sonyc_device.running.watchdog import Watchdog
from support.service_manager import NotifySocket

PERIOD_S = 30.0


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[NotifySocket]:
    with NotifySocket(tmp_path / "notify") as opened:
        yield opened


class Now:
    """A clock that is set."""

    s = 1000.0

    def __call__(self) -> float:
        return self.s


@dataclass
class Bench:
    """A watchdog of 30 s, and all that decides whether it is fed."""

    socket: NotifySocket
    now: Now
    progress: Progress
    watchdog: Watchdog

    def look_every_second(self, n: int, *, samples: int) -> None:
        for _ in range(n):
            if samples:
                self.progress.took(samples)
            self.watchdog.look()
            self.now.s += 1


@pytest.fixture
def bench(socket: NotifySocket) -> Bench:
    now = Now()
    progress = Progress(monotonic=now)
    manager = ServiceManager(socket.address, watchdog_s=PERIOD_S)
    return Bench(socket, now, progress, Watchdog(manager, progress, monotonic=now))


def test_frames_feed_it_three_times_a_period(bench: Bench) -> None:
    bench.look_every_second(61, samples=48_000)
    assert bench.socket.told == [{"WATCHDOG": "1"}] * 7


def test_being_alive_does_not_feed_it(bench: Bench) -> None:
    bench.look_every_second(60, samples=0)
    assert not bench.socket.told
    bench.look_every_second(1, samples=1)
    bench.look_every_second(60, samples=0)
    assert len(bench.socket.told) == 1
    bench.look_every_second(1, samples=1)
    assert len(bench.socket.told) == 2


def test_clip_that_is_stuck_starves_it(bench: Bench) -> None:
    with bench.progress.working():
        bench.look_every_second(100, samples=1)
    assert len(bench.socket.told) == 3  # at 0, 10 and 20 s
    bench.look_every_second(1, samples=1)
    assert len(bench.socket.told) == 4


def test_it_is_fed_when_the_source_is_at_its_end(bench: Bench) -> None:
    bench.progress.is_over = True
    bench.look_every_second(31, samples=0)
    assert len(bench.socket.told) == 4


def test_without_a_watchdog_nothing_is_sent(socket: NotifySocket) -> None:
    progress = Progress()
    unwatched = Watchdog(ServiceManager(socket.address), progress)
    progress.took(1)
    unwatched.look()
    assert not socket.told


def test_progress_says_since_when_nothing_came() -> None:
    now = Now()
    progress = Progress(monotonic=now)
    assert progress.idle_s is None
    progress.took(10)
    now.s += 3
    assert progress.idle_s == 3
    assert (progress.n_samples, progress.busy_s) == (10, 0)
