"""The watchdog is fed by frames processed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sonyc_device.running.notify import ServiceManager
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


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def watchdog(socket: NotifySocket, now: Now) -> Watchdog:
    return Watchdog(ServiceManager(socket.address, watchdog_s=PERIOD_S), monotonic=now)


def test_frames_feed_it_three_times_a_period(watchdog: Watchdog, socket: NotifySocket, now: Now) -> None:
    for second in range(61):
        now.s = 1000.0 + second
        watchdog.look(n_samples=48_000 * (second + 1), busy_s=0.0)
    assert socket.told == [{"WATCHDOG": "1"}] * 7


def test_being_alive_does_not_feed_it(watchdog: Watchdog, socket: NotifySocket, now: Now) -> None:
    watchdog.look(n_samples=0, busy_s=0.0)
    assert not socket.told
    watchdog.look(n_samples=1, busy_s=0.0)
    for second in range(100):
        now.s = 1000.0 + second
        watchdog.look(n_samples=1, busy_s=0.0)
    assert len(socket.told) == 1
    watchdog.look(n_samples=2, busy_s=0.0)
    assert len(socket.told) == 2


def test_clip_that_is_stuck_starves_it(watchdog: Watchdog, socket: NotifySocket, now: Now) -> None:
    for second in range(100):
        now.s = 1000.0 + second
        watchdog.look(n_samples=second + 1, busy_s=float(second))
    assert len(socket.told) == 3  # at 0, 10 and 20 s


def test_it_is_fed_while_nothing_is_expected(watchdog: Watchdog, socket: NotifySocket, now: Now) -> None:
    watchdog.look_away()
    now.s += PERIOD_S
    watchdog.look_away()
    assert len(socket.told) == 2


def test_without_a_watchdog_nothing_is_sent(socket: NotifySocket) -> None:
    unwatched = Watchdog(ServiceManager(socket.address))
    unwatched.look(n_samples=1, busy_s=0.0)
    unwatched.look_away()
    assert not socket.told
