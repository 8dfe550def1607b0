"""Time of samples, and how far the clock is trusted."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from sonyc_contract.messages import ClockQuality
from sonyc_device.clock import SystemClock, kernel_clock_is_disciplined, utc_of_sample

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self, monotonic_s: float) -> None:
        self._monotonic_s = monotonic_s

    def utc(self) -> datetime:
        return NOON

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def quality(self) -> ClockQuality:
        return ClockQuality.SYNCED


def test_quality_follows_the_kernel() -> None:
    answers = iter([False, True, False, True])
    clock = SystemClock(is_disciplined=lambda: next(answers))
    assert [clock.quality() for _ in range(4)] == ["unset", "synced", "holdover", "synced"]


def test_the_kernel_answers() -> None:
    assert kernel_clock_is_disciplined() in (True, False)
    assert SystemClock().utc().tzinfo is UTC


@pytest.mark.parametrize(("samples_per_s", "age_s"), [(48_000, 12.5), (480_000, 3.5), (math.inf, 2.5)])
def test_a_sample_is_dated_back_from_the_newest(samples_per_s: float, age_s: float) -> None:
    # The newest sample came 2.5 s ago; the sample in question lies 480,000 before it.
    start = utc_of_sample(
        20_000, n_arrived=500_000, arrived_s=97.5, samples_per_s=samples_per_s, clock=SetClock(monotonic_s=100.0)
    )
    assert start == NOON - timedelta(seconds=age_s)
