"""Duties: at their own pace, after a failure too."""

import logging

import pytest

from sonyc_device.errors import OutboxError
from sonyc_device.supervision import Duty, Supervision


class Times:
    """A clock to be set, and what was done when."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.done: list[tuple[str, float]] = []

    def duty(self, name: str, every_s: float, *, is_last: bool = False) -> Duty:
        return Duty(name, every_s, lambda: self.done.append((name, self.now_s - 100)), is_last)

    def pass_until(self, supervision: Supervision, end_s: float) -> None:
        while self.now_s - 100 < end_s:
            self.now_s += 1
            supervision.run_due()


def test_each_duty_has_its_own_pace() -> None:
    times = Times()
    supervision = Supervision([times.duty("fast", 2), times.duty("slow", 5)], monotonic=lambda: times.now_s)
    supervision.run_due()
    times.pass_until(supervision, 10)
    assert times.done == [
        *(("fast", 2), ("fast", 4), ("slow", 5), ("fast", 6), ("fast", 8), ("fast", 10), ("slow", 10)),
    ]


def test_missed_times_are_not_made_up_for() -> None:
    times = Times()
    supervision = Supervision([times.duty("fast", 2)], monotonic=lambda: times.now_s)
    times.now_s += 11
    supervision.run_due()
    supervision.run_due()
    times.pass_until(supervision, 13)
    assert times.done == [("fast", 11), ("fast", 12)]


def test_duty_that_fails_is_counted_and_comes_again(caplog: pytest.LogCaptureFixture) -> None:
    times = Times()

    def fail() -> None:
        raise ValueError("no thermometer")

    duties = [Duty("broken", 1, fail), times.duty("other", 1)]
    supervision = Supervision(duties, monotonic=lambda: times.now_s)
    with caplog.at_level(logging.ERROR):
        times.pass_until(supervision, 3)
    assert supervision.n_failures == {"broken": 3}
    (record,) = caplog.records
    assert (record.message, bool(record.exc_info)) == ("duty 'broken' failed: no thermometer", True)
    assert len(times.done) == 3


def test_some_duties_are_done_once_more_at_the_end() -> None:
    times = Times()
    supervision = Supervision([times.duty("a", 60), times.duty("b", 60, is_last=True)], monotonic=lambda: times.now_s)
    supervision.run_last()
    assert times.done == [("b", 0)]


def test_expected_failure_is_one_line_each_time_that_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    times, reasons = Times(), ["disk full", "disk full", "", "disk full", "read-only"]

    def fail() -> None:
        if reason := reasons.pop(0):
            raise OutboxError(reason)

    supervision = Supervision([Duty("books", 1, fail)], monotonic=lambda: times.now_s)
    with caplog.at_level(logging.ERROR):
        times.pass_until(supervision, 5)
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == ["disk full", "disk full", "read-only"]
    assert not any(record.exc_info for record in caplog.records)
    assert supervision.n_failures == {"books": 4}
