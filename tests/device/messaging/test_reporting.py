"""Reports of hours, of evicted labels, and of a clock that was set."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sonyc_contract.messages import ClockQuality
from sonyc_device.messaging.books import CAPTURED, Books, read_hours
from sonyc_device.messaging.holding import HoldingOutbox
from sonyc_device.messaging.outbox import LABEL, Bounds, Outbox
from sonyc_device.messaging.reporting import BookReports, ClockReports, EvictionReports, Reporter, RunTime
from support.drafts import RUN, START_S, label_draft, span

RATE_HZ = 100


class Node:
    """An outbox with books, and a clock to be set."""

    def __init__(self, path: Path, *, max_rows: int = 1_000) -> None:
        self.now_s = START_S
        self.monotonic_s = 0.0
        self.quality = ClockQuality.SYNCED
        self.books = Books(RUN)
        self.box = HoldingOutbox(
            lambda: Outbox(
                path,
                Bounds(max_rows, 10**9, 1e9),
                books=self.books,
                now_s=lambda: self.now_s,
                monotonic=lambda: self.monotonic_s,
            ),
            self.books,
        )
        self.reporter = Reporter("node-1", self.box.session, RUN)
        run_time = RunTime(
            newest_sample=lambda: round(self.monotonic_s * RATE_HZ),
            utc=lambda sample: (
                datetime.fromtimestamp(self.now_s, UTC) - timedelta(seconds=self.monotonic_s - sample / RATE_HZ)
            ),
            quality=lambda: self.quality,
            rate_hz=RATE_HZ,
        )
        self.clock = ClockReports(self.box, self.reporter, run_time)

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.monotonic_s += seconds

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """What waits to be sent of a kind, and forget it."""
        messages = [message for message in self.box.oldest(1_000) if message.kind == kind]
        self.box.delete([message.row_id for message in messages])
        return [json.loads(message.payload) for message in messages]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path / "outbox.sqlite")
    yield made
    made.box.close()


def test_hours_are_reported_when_they_are_over_and_when_they_change(node: Node) -> None:
    reports = BookReports(node.box, node.books, node.reporter, now_s=lambda: node.now_s, keep_days=400)
    for n in range(360):
        node.books.add(span(10.0 * n), CAPTURED)
    node.pass_s(3_601.0)
    reports.write()
    reports.send()
    assert node.sent("completeness") == [], "a clip of it may still be in work"
    node.pass_s(120.0)
    reports.send()
    (message,) = node.sent("completeness")
    assert (message["schema"], message["node"], message["session"]) == (
        "sonyc.completeness/1", "node-1", node.box.session,
    )  # fmt: skip
    (hour,) = message["hours"]
    assert (hour["start_utc"], hour["captured_s"], hour["dated"]) == ("2027-01-15T08:00:00.000000Z", 3_600.0, True)
    reports.send()
    assert node.sent("completeness") == []


def test_many_hours_are_reported_in_parts(node: Node) -> None:
    reports = BookReports(node.box, node.books, node.reporter, now_s=lambda: node.now_s, keep_days=400)
    for n in range(100):
        node.books.add(span(3_600.0 * n), CAPTURED)
    node.pass_s(200 * 3_600.0)
    reports.write()
    for _ in range(4):
        reports.send()
    assert [len(message["hours"]) for message in node.sent("completeness")] == [48, 48, 4]


def test_hours_of_long_ago_are_forgotten(node: Node) -> None:
    reports = BookReports(node.box, node.books, node.reporter, now_s=lambda: node.now_s, keep_days=1)
    for n in range(50):
        node.books.add(span(3_600.0 * n), CAPTURED)
    node.pass_s(50 * 3_600.0)
    reports.write()
    reports.tidy(0.0)
    hours = node.box.read(lambda connection: read_hours(connection, from_s=0, until_s=1e12))
    assert len(hours) == 24


def test_evicted_labels_are_reported_as_ranges(tmp_path: Path) -> None:
    node = Node(tmp_path / "outbox.sqlite", max_rows=3)
    reports = EvictionReports(node.box, node.reporter)
    for seq in range(1, 8):
        node.box.put(label_draft(seq, node.box.session))
    reports.send()
    reports.send()
    # The report itself took the place of one more label, which is reported the next time.
    told = [(one["first_seq"], one["last_seq"], one["n_labels"]) for one in node.sent("evicted")]
    assert told == [(1, 4, 4), (5, 5, 1)]
    node.box.close()


def test_clock_that_was_good_from_the_start_is_not_worth_a_word(node: Node) -> None:
    for _ in range(100):
        node.clock.look()
        node.pass_s(1.0)
    assert node.sent("clock") == []


def test_clock_that_is_set_dates_the_run(node: Node) -> None:
    """Years behind at first, as a node without a battery is."""
    node.quality, node.now_s = ClockQuality.UNSET, 100_000.0
    for _ in range(50):
        node.clock.look()
        node.pass_s(1.0)
    about = span(0.0, is_dated=False)
    node.box.put(label_draft(1, node.box.session, about=about))
    node.quality, node.now_s = ClockQuality.SYNCED, START_S + 50.0
    node.clock.look()
    node.clock.look()
    (message,) = node.sent("clock")
    assert (message["schema"], message["run"], message["rate_hz"]) == ("sonyc.clock/1", RUN, RATE_HZ)
    assert (message["sample_index"], message["utc"]) == (5_000, "2027-01-15T08:00:50.000000Z")
    began = datetime.fromisoformat(message["utc"]) - timedelta(seconds=message["sample_index"] / message["rate_hz"])
    assert began == datetime.fromtimestamp(START_S, UTC), "which dates sample 0"
    assert [one.kind for one in node.box.oldest(10)] == [LABEL]
    (hour,) = node.box.read(lambda connection: read_hours(connection, from_s=0, until_s=1e12))
    assert (hour.dated, hour.start_utc.year) == (True, 2027)


@pytest.mark.parametrize("jump_s", [3_600.0, 365 * 86_400.0, -3_600.0, -365 * 86_400.0])
def test_clock_that_jumps_later_is_told_again(node: Node, jump_s: float) -> None:
    node.clock.look()
    node.pass_s(10.0)
    node.now_s += jump_s
    node.clock.look()
    node.pass_s(10.0)
    node.clock.look()
    (message,) = node.sent("clock")
    assert datetime.fromisoformat(message["utc"]).timestamp() == pytest.approx(START_S + 10.0 + jump_s)


def test_clock_that_is_slewed_is_not(node: Node) -> None:
    for _ in range(1_000):
        node.clock.look()
        node.pass_s(1.0)
        node.now_s += 0.0005  # 500 ppm
    assert node.sent("clock") == []
