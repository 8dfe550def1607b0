"""The books of a node: what became of each second, by UTC hour, so that one can say how much of a month it covered.

Seconds of a run whose clock was never set are kept by the minute of the run, until the clock is set or the run is over.
"""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from sonyc_contract.reports import Hour

HOUR_S: Final = 3_600
MINUTE_S: Final = 60
FOLD_AFTER_S: Final = 7 * 86_400
"""Minutes of a run without a clock are kept so long, which bounds their number."""

CAPTURED: Final = "captured"
UNSCHEDULED: Final = "unscheduled"
CLASSIFIED: Final = "classified"
STORED: Final = "stored"
PUBLISHED: Final = "published"
_LOST: Final = "lost:"

UTC_BASIS: Final = "utc"
UNSET_BASIS: Final = "unset"

_Key = tuple[str, int, str]
"""Basis (UTC, an unset clock, or a run), start of the hour or minute, and what became of the seconds."""


@dataclass(frozen=True)
class Span:
    """A stretch of audio.

    Attributes:
        run: The run it belongs to.
        run_s: Where it begins, in seconds by the sample counter of the run.
        start_s: When it began by the node's clock, in seconds since 1970.
        is_dated: Whether that clock had been set.
        duration_s: How long it is.
    """

    run: str
    run_s: float
    start_s: float
    is_dated: bool
    duration_s: float


def lost(cause: str) -> str:
    """What became of seconds that were lost: `lost:device-overflow`."""
    return f"{_LOST}{cause}"


class Books:
    """Adds up seconds in memory, for a transaction that is made anyway, and moves them when a run is dated."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._pending: dict[_Key, float] = defaultdict(float)
        self._believed_s: float | None = None  # start of the run by the clock that was never set
        self._run_start_s: float | None = None  # by the one that was

    def add(self, span: Span, what: str) -> None:
        """Note what became of a span; it is written with the next transaction."""
        with self._lock:
            for key, seconds in self._entries(span, what):
                self._pending[key] += seconds

    def take(self) -> dict[_Key, float]:
        """Give what is to be written, and forget it."""
        with self._lock:
            taken, self._pending = self._pending, defaultdict(float)
            return taken

    def put_back(self, taken: dict[_Key, float]) -> None:
        """Take back what could not be written."""
        with self._lock:
            for key, seconds in taken.items():
                self._pending[key] += seconds

    def write(self, connection: sqlite3.Connection, taken: dict[_Key, float]) -> None:
        """Write what was taken, within a transaction."""
        for key, seconds in taken.items():
            _add(connection, self._dated(key), seconds)
        is_undated = self._run_start_s is None and any(basis == self._run for basis, _, _ in taken)
        if is_undated and self._believed_s is not None:
            connection.execute("INSERT OR REPLACE INTO undated_run VALUES (?, ?)", (self._run, self._believed_s))

    def write_span(self, connection: sqlite3.Connection, span: Span, what: str) -> None:
        """Write what became of a span, within a transaction."""
        with self._lock:
            entries = list(self._entries(span, what))
        for key, seconds in entries:
            _add(connection, key, seconds)

    def date_run(self, connection: sqlite3.Connection, run_start_s: float) -> None:
        """Note when this run began, now that the clock is set, and move to UTC hours what is in its minutes."""
        with self._lock:
            self._run_start_s = run_start_s
        _fold(connection, self._run, run_start_s, UTC_BASIS)

    def fold(self, connection: sqlite3.Connection, *, run_s: float) -> None:
        """Give up on dating runs that are over, and the minutes of this one that are more than a week ago."""
        for run, start_s in connection.execute("SELECT run, start_s FROM undated_run").fetchall():
            is_over = run != self._run
            _fold(connection, run, start_s, UNSET_BASIS, until=None if is_over else run_s - FOLD_AFTER_S)

    def forget(self, connection: sqlite3.Connection, *, before_s: float) -> None:
        """Delete hours that began before `before_s`."""
        connection.execute(
            "DELETE FROM seconds WHERE basis IN (?, ?) AND slot < ?", (UTC_BASIS, UNSET_BASIS, int(before_s))
        )

    def _dated(self, key: _Key) -> _Key:
        """Move a minute of this run to its hour, if the run was dated after it had been noted."""
        basis, slot, what = key
        if basis != self._run or self._run_start_s is None:
            return key
        return UTC_BASIS, _floor(self._run_start_s + slot, HOUR_S), what

    def _entries(self, span: Span, what: str) -> Iterator[tuple[_Key, float]]:
        if not span.is_dated and span.run == self._run and self._run_start_s is not None:
            span = replace(span, start_s=self._run_start_s + span.run_s, is_dated=True)
        if not span.is_dated and span.run == self._run:
            self._believed_s = span.start_s - span.run_s
            yield from _portions(self._run, span.run_s, span.duration_s, MINUTE_S, what)
        else:
            basis = UTC_BASIS if span.is_dated else UNSET_BASIS
            yield from _portions(basis, span.start_s, span.duration_s, HOUR_S, what)


def read_hours(connection: sqlite3.Connection, *, from_s: float, until_s: float) -> list[Hour]:
    """Give the hours that began in a span of time, in order; runs that are not dated by the clock they had."""
    rows = connection.execute(
        """
        SELECT slot, basis = ?, what, s FROM seconds WHERE basis IN (?, ?)
        UNION ALL
        SELECT CAST((start_s + slot) / ? AS INTEGER) * ?, 0, what, s FROM seconds JOIN undated_run ON run = basis
        """,
        (UTC_BASIS, UTC_BASIS, UNSET_BASIS, HOUR_S, HOUR_S),
    )
    sums: dict[tuple[int, bool], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for slot, is_dated, what, seconds in rows:
        if from_s <= slot < until_s:
            sums[slot, bool(is_dated)][what] += seconds
    return [_hour(slot, is_dated, sums[slot, is_dated]) for slot, is_dated in sorted(sums)]


def changed_hours(connection: sqlite3.Connection, *, before_s: float, limit: int) -> list[Hour]:
    """Give hours that ended before `before_s` and changed since they were last reported, the oldest first."""
    rows = connection.execute(
        "SELECT basis, slot FROM changed_hour WHERE slot + ? <= ? ORDER BY slot LIMIT ?", (HOUR_S, before_s, limit)
    ).fetchall()
    return [_read_hour(connection, basis, slot) for basis, slot in rows]


def note_reported(connection: sqlite3.Connection, hours: Sequence[Hour]) -> None:
    """Note that hours were reported as they are now."""
    for hour in hours:
        basis = UTC_BASIS if hour.dated else UNSET_BASIS
        slot = round(hour.start_utc.timestamp())
        connection.execute("DELETE FROM changed_hour WHERE basis = ? AND slot = ?", (basis, slot))


def _portions(basis: str, start_s: float, duration_s: float, slot_s: int, what: str) -> Iterator[tuple[_Key, float]]:
    end_s = start_s + duration_s
    slot = _floor(start_s, slot_s)
    while slot < end_s:
        yield (basis, slot, what), min(end_s, slot + slot_s) - max(start_s, slot)
        slot += slot_s


def _floor(value_s: float, slot_s: int) -> int:
    return int(value_s // slot_s) * slot_s


def _add(connection: sqlite3.Connection, key: _Key, seconds: float) -> None:
    basis, slot, _ = key
    connection.execute(
        "INSERT INTO seconds VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET s = s + excluded.s", (*key, seconds)
    )
    if basis in (UTC_BASIS, UNSET_BASIS):
        connection.execute("INSERT OR IGNORE INTO changed_hour VALUES (?, ?)", (basis, slot))


def _fold(connection: sqlite3.Connection, run: str, start_s: float, basis: str, *, until: float | None = None) -> None:
    """Move the minutes of a run, or those before `until` seconds of it, to the hours they lie in."""
    limit = float("inf") if until is None else until
    rows = connection.execute("SELECT slot, what, s FROM seconds WHERE basis = ? AND slot < ?", (run, limit)).fetchall()
    for minute, what, seconds in rows:
        _add(connection, (basis, _floor(start_s + minute, HOUR_S), what), seconds)
    connection.execute("DELETE FROM seconds WHERE basis = ? AND slot < ?", (run, limit))
    if until is None:
        connection.execute("DELETE FROM undated_run WHERE run = ?", (run,))


def _read_hour(connection: sqlite3.Connection, basis: str, slot: int) -> Hour:
    rows = connection.execute("SELECT what, s FROM seconds WHERE basis = ? AND slot = ?", (basis, slot))
    return _hour(slot, basis == UTC_BASIS, dict(rows.fetchall()))


def _hour(slot: int, is_dated: bool, seconds: dict[str, float]) -> Hour:
    def of(what: str) -> float:
        return round(seconds.get(what, 0.0), 3)

    return Hour(
        start_utc=datetime.fromtimestamp(slot, UTC),
        dated=is_dated,
        captured_s=of(CAPTURED),
        lost_s={what.removeprefix(_LOST): of(what) for what in sorted(seconds) if what.startswith(_LOST)},
        unscheduled_s=of(UNSCHEDULED),
        classified_s=of(CLASSIFIED),
        stored_s=of(STORED),
        published_s=of(PUBLISHED),
    )
