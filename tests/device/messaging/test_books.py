"""The books: every second in its hour, across restarts, and in the right hour once the clock is set."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_contract.reports import Hour
from sonyc_device.errors import OutboxError
from sonyc_device.messaging.books import (
    CAPTURED,
    FOLD_AFTER_S,
    HOUR_S,
    PUBLISHED,
    UNSCHEDULED,
    Books,
    Span,
    changed_hours,
    lost,
    note_reported,
    read_hours,
)
from sonyc_device.messaging.outbox import Bounds, Outbox
from support.drafts import RUN, START_S, label_draft, span

EIGHT = datetime(2027, 1, 15, 8, tzinfo=UTC)
ALL = {"from_s": 0.0, "until_s": 1e12}


class Ledger:
    """Books, and the outbox in whose file they lie."""

    def __init__(self, path: Path, run: str = RUN) -> None:
        self.books = Books(run)
        self.outbox = Outbox(path, Bounds(10_000, 10**9, 1e9), books=self.books, now_s=lambda: START_S)

    def hours(self) -> list[Hour]:
        """What is written, with what was only noted."""
        self.write()
        return self.outbox.read(lambda connection: read_hours(connection, **ALL))

    def write(self) -> None:
        self.outbox.write(lambda _connection: None)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "outbox.sqlite")
    yield made
    made.outbox.close()


def test_start_of_samples_is_what_the_tests_say() -> None:
    assert datetime.fromtimestamp(START_S, UTC) == EIGHT


def test_a_clip_across_the_hour_counts_in_both(ledger: Ledger) -> None:
    ledger.books.add(span(3_596.0), CAPTURED)
    ledger.books.add(span(7_200.0, 3.0), lost("device-overflow"))
    ledger.books.add(span(7_203.0, 1.0), lost("shed"))
    ledger.books.add(span(7_204.0, 60.0), UNSCHEDULED)
    first, second, third = ledger.hours()
    assert (first.start_utc, first.captured_s, second.start_utc, second.captured_s) == (
        EIGHT, 4.0, EIGHT + timedelta(hours=1), 6.0,
    )  # fmt: skip
    assert (third.lost_s, third.unscheduled_s, third.captured_s) == ({"device-overflow": 3.0, "shed": 1.0}, 60.0, 0.0)


def test_labels_are_booked_with_their_rows(ledger: Ledger) -> None:
    for seq in range(1, 5):
        ledger.outbox.put(label_draft(seq, ledger.outbox.session))
    messages = ledger.outbox.oldest(2)
    ledger.outbox.delete([message.row_id for message in messages])
    ledger.outbox.delete([message.row_id for message in messages])
    (hour,) = ledger.hours()
    assert (hour.classified_s, hour.published_s, hour.stored_s) == (40.0, 20.0, 0.0)


def test_books_survive_and_go_on(tmp_path: Path) -> None:
    for run in ("11" * 8, "22" * 8):
        ledger = Ledger(tmp_path / "outbox.sqlite", run)
        ledger.books.add(span(0.0, run=run), CAPTURED)
        ledger.write()
        ledger.outbox.close()
    again = Ledger(tmp_path / "outbox.sqlite")
    assert [hour.captured_s for hour in again.hours()] == [20.0]
    again.outbox.close()


def test_what_cannot_be_written_stays_noted(ledger: Ledger) -> None:
    ledger.books.add(span(), CAPTURED)

    def fail(_connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("told to fail")

    with pytest.raises(OutboxError):
        ledger.outbox.write(fail)
    assert [hour.captured_s for hour in ledger.hours()] == [10.0]
    assert [hour.captured_s for hour in ledger.hours()] == [10.0]


def undated(run_s: float, *, run: str = RUN, believed_s: float = 100_000.0) -> Span:
    """A clip of a node that came up at the beginning of 1970."""
    return Span(run, run_s, believed_s + run_s, is_dated=False, duration_s=10.0)


def test_clock_that_is_set_moves_the_run_to_its_hours(ledger: Ledger) -> None:
    for n in range(360):
        ledger.books.add(undated(10.0 * n), CAPTURED)
        ledger.outbox.put(label_draft(n + 1, ledger.outbox.session, about=undated(10.0 * n)))
    ledger.outbox.delete([message.row_id for message in ledger.outbox.oldest(100)])
    believed = ledger.hours()
    assert {hour.dated for hour in believed} == {False}
    assert {hour.start_utc.year for hour in believed} == {1970}
    ledger.books.add(undated(3_600.0), CAPTURED)  # only noted when the clock is set
    ledger.outbox.date_run(RUN, START_S + 1_800.0)
    ledger.books.add(undated(3_610.0), CAPTURED)  # timed before, booked after
    ledger.outbox.delete([message.row_id for message in ledger.outbox.oldest(260)])
    hours = ledger.hours()
    assert [(hour.start_utc, hour.dated) for hour in hours] == [(EIGHT, True), (EIGHT + timedelta(hours=1), True)]
    assert [hour.captured_s for hour in hours] == [1_800.0, 1_820.0]
    assert [hour.published_s for hour in hours] == [1_800.0, 1_800.0]


def test_run_that_never_knew_the_time_is_told_by_the_clock_it_had(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "outbox.sqlite", "11" * 8)
    ledger.books.add(undated(0.0, run="11" * 8), CAPTURED)
    ledger.outbox.put(label_draft(1, ledger.outbox.session, about=undated(0.0, run="11" * 8)))
    ledger.outbox.close()
    later = Ledger(tmp_path / "outbox.sqlite", "22" * 8)
    later.outbox.write(lambda connection: later.books.fold(connection, run_s=0.0))
    later.outbox.date_run("22" * 8, START_S)
    later.outbox.delete([1])
    (hour,) = later.hours()
    assert (hour.dated, hour.start_utc.year, hour.captured_s, hour.published_s) == (False, 1970, 10.0, 10.0)
    later.outbox.close()


def test_minutes_of_a_long_run_without_a_clock_are_folded(ledger: Ledger) -> None:
    for day in range(10):
        ledger.books.add(undated(day * 86_400.0), CAPTURED)
    ledger.write()
    ledger.outbox.write(lambda connection: ledger.books.fold(connection, run_s=10 * 86_400.0))
    kept = ledger.outbox.read(lambda c: c.execute("SELECT min(slot) FROM seconds WHERE basis = ?", (RUN,)).fetchone())
    assert kept[0] >= 10 * 86_400.0 - FOLD_AFTER_S
    assert sum(hour.captured_s for hour in ledger.hours()) == 100.0


def test_only_hours_that_changed_are_reported_again(ledger: Ledger) -> None:
    def changed(before_s: float, limit: int = 48) -> list[Hour]:
        return ledger.outbox.read(lambda connection: changed_hours(connection, before_s=before_s, limit=limit))

    for n in range(5):
        ledger.books.add(span(n * 3_600.0), CAPTURED)
    ledger.write()
    assert [hour.start_utc.hour for hour in changed(START_S + 3.5 * HOUR_S)] == [8, 9, 10]
    some = changed(START_S + 10 * HOUR_S, 2)
    ledger.outbox.write(lambda connection: note_reported(connection, some))
    assert [hour.start_utc.hour for hour in changed(START_S + 10 * HOUR_S)] == [10, 11, 12]
    ledger.books.add(span(0.0), PUBLISHED)
    ledger.write()
    first = changed(START_S + 10 * HOUR_S)[0]
    assert (first.start_utc.hour, first.captured_s, first.published_s) == (8, 10.0, 10.0)


def test_long_ago_is_forgotten(ledger: Ledger) -> None:
    for n in range(5):
        ledger.books.add(span(n * 3_600.0), CAPTURED)
    ledger.write()
    ledger.outbox.write(lambda connection: ledger.books.forget(connection, before_s=START_S + 2 * HOUR_S))
    assert [hour.start_utc.hour for hour in ledger.hours()] == [10, 11, 12]


@settings(max_examples=20)  # each makes a real database
@given(st.lists(st.tuples(st.floats(0, 2e5), st.floats(0.1, 9_000)), min_size=1, max_size=20), st.booleans())
def test_no_second_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[float, float]], is_dated: bool
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("books") / "outbox.sqlite")
    for run_s, duration_s in spans:
        ledger.books.add(Span(RUN, run_s, START_S + run_s, is_dated, duration_s), CAPTURED)
    total_s = sum(duration_s for _, duration_s in spans)
    assert sum(hour.captured_s for hour in ledger.hours()) == pytest.approx(total_s, abs=0.1)
    ledger.outbox.date_run(RUN, START_S)
    assert sum(hour.captured_s for hour in ledger.hours()) == pytest.approx(total_s, abs=0.1)
    assert all(hour.dated for hour in ledger.hours())
    ledger.outbox.close()
