"""Wall-clock time with a statement of how far it can be trusted."""

import ctypes
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sonyc_contract.messages import ClockQuality


class Clock(Protocol):
    """The node's clocks."""

    def utc(self) -> datetime:
        """The wall clock, in UTC."""

    def monotonic_s(self) -> float:
        """A clock that never jumps, in seconds from any origin."""

    def quality(self) -> ClockQuality:
        """How far `utc` can be trusted."""


class SystemClock:
    """The kernel's clocks. The wall clock is `synced` while the kernel says that a time daemon disciplines it.

    It is in `holdover` when that was so earlier in this run, and `unset` when it never was: a node without a
    battery-backed clock comes up with the time of its last shutdown, which looks as good as any.
    """

    def __init__(self, *, is_disciplined: Callable[[], bool] | None = None) -> None:
        self._is_disciplined = is_disciplined or kernel_clock_is_disciplined
        self._was_synced = False

    def utc(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """The kernel's monotonic clock."""
        return time.monotonic()

    def quality(self) -> ClockQuality:
        """How far `utc` can be trusted."""
        if self._is_disciplined():
            self._was_synced = True
            return ClockQuality.SYNCED
        return ClockQuality.HOLDOVER if self._was_synced else ClockQuality.UNSET


def utc_of_sample(sample: int, *, n_arrived: int, arrived_s: float, samples_per_s: float, clock: Clock) -> datetime:
    """Say when a sample was taken, counting back from the newest one.

    Counting back, instead of on from the start of the run, leaves no drift between sound card and clock: a crystal that
    is 50 ppm off gains 4 s a day.

    Args:
        sample: The sample's index.
        n_arrived: How many samples had come ...
        arrived_s: ... at this time of the monotonic clock.
        samples_per_s: How fast they come; infinity where they come as fast as they are taken.
        clock: The node's clocks.
    """
    age_s = clock.monotonic_s() - arrived_s + (n_arrived - sample) / samples_per_s
    return clock.utc() - timedelta(seconds=age_s)


class _TimeValue(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _TimeValue),
        ("rest", ctypes.c_byte * 256),
    )


_STA_UNSYNC = 0x40


def kernel_clock_is_disciplined() -> bool:
    """Whether the kernel holds its clock for synchronised, by adjtimex(2), which anybody may read."""
    state = _Timex()
    result = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state))
    return result >= 0 and not state.status & _STA_UNSYNC
