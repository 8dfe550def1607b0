"""The durable outbox: a message is in SQLite before it is sent, and leaves it when the broker has acknowledged it."""

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from sonyc_device.messaging import rows
from sonyc_device.messaging.books import CLASSIFIED, PUBLISHED, STORED, Books
from sonyc_device.messaging.database import Database
from sonyc_device.messaging.messenger import Message
from sonyc_device.messaging.rows import Draft, EvictedRange, Identity

_LOGGER = logging.getLogger(__name__)

LABEL: Final = "label"
HEALTH: Final = "health"
SPL: Final = "spl"
COMPLETENESS: Final = "completeness"
EVICTION_ORDER: Final = (HEALTH, SPL, COMPLETENESS, LABEL)
"""What goes first when the outbox is full, of each kind the oldest first; any other kind after these."""
EVICT_AT_ONCE: Final = 500
"""Rows in one transaction: 0.7 MB of log, for which the database's ballast has room on a full disk."""
CLOCK_SET_S: Final = 60.0
"""The wall clock was set, not slewed, when it gained or lost more than this on the monotonic one."""

_Result = TypeVar("_Result")
_Action = Callable[[sqlite3.Connection], _Result]


@dataclass(frozen=True)
class Bounds:
    """What the outbox holds at most; beyond it messages are evicted in the declared order, and counted."""

    max_rows: int
    max_bytes: int
    max_age_s: float


@dataclass(frozen=True)
class Counts:
    """What waits, and how many messages of each kind were evicted since the file was made."""

    n_rows: int = 0
    n_bytes: int = 0
    evicted: Mapping[str, int] = field(default_factory=dict)


class Outbox:
    """Messages in a SQLite file. Measured: a commit is one fsync of a few kilobytes; a label costs two.

    Attributes:
        session: Made with the file: a re-flashed card never repeats an identity.
        set_aside: Where a file lies that was found corrupt and replaced, else None.
        counts: What waits, and what was evicted.
        clock_is_set: Says whether the wall clock can be relied on; while it cannot, nothing is too old.
    """

    def __init__(
        self,
        path: Path,
        bounds: Bounds,
        *,
        books: Books | None = None,
        now_s: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the file, or make it; a corrupt one is kept under another name and replaced by an empty one.

        Args:
            path: The database.
            bounds: What it holds at most.
            books: Where seconds are added up, in the same transactions.
            now_s: The wall clock, in seconds since 1970.
            monotonic: A clock that never jumps.

        Raises:
            OutboxError: the folder cannot be written, or the file was made by a newer agent.
        """
        self._bounds = bounds
        self._books = books or Books("")
        self._now_s = now_s
        self.clock_is_set: Callable[[], bool] = lambda: True
        self._monotonic = monotonic
        self._clock_offset_s = now_s() - monotonic()
        self._database = Database(path, now_s=now_s)
        self.session, self.set_aside = self._database.session, self._database.set_aside
        self._has_untimed = self._database.read(rows.has_untimed)
        self.counts = self._database.read(_count)

    @property
    def n_rows(self) -> int:
        """How many messages wait."""
        return self.counts.n_rows

    def last_numbers(self) -> dict[str, int]:
        """Give the last number that was given and committed, by kind of message.

        Raises:
            OutboxError: the file cannot be read.
        """
        return self._database.read(rows.last_numbers)

    def secure(self, kind: str, identity: Identity) -> None:
        """Commit that a number was given: then it never comes twice, not after a power cut either.

        Raises:
            OutboxError: that cannot be committed.
        """
        self._write(lambda connection: self._note_number(connection, kind, identity))

    def put(self, *drafts: Draft, together_with: _Action[None] | None = None) -> list[int]:
        """Commit messages, all or none, and give their row ids; what is over the bounds is evicted.

        Args:
            drafts: The messages.
            together_with: What is to be done in the same transaction.

        Raises:
            OutboxError: they cannot be committed; nothing has changed.
        """

        def put_all(connection: sqlite3.Connection) -> list[int]:
            if together_with is not None:
                together_with(connection)
            newest = [self._insert(connection, draft) for draft in drafts]
            self._evict(connection, keep=newest)
            return newest

        self._mind_clock()
        return self._write(put_all)

    def oldest(
        self, limit: int, *, without: Collection[int] = (), kinds_left_out: Collection[str] = ()
    ) -> list[Message]:
        """Give up to `limit` messages in the order of their commits, leaving out rows and kinds.

        Raises:
            OutboxError: the file cannot be read.
        """
        return self._database.read(
            lambda connection: rows.select(connection, limit, without=without, kinds_left_out=kinds_left_out)
        )

    def delete(self, row_ids: Sequence[int]) -> int:
        """Forget messages that were acknowledged, book what was published, and say how many were still there.

        Raises:
            OutboxError: the change cannot be committed; they will be sent again.
        """
        return self._write(
            lambda connection: sum(self._acknowledge(connection, row_id) for row_id in row_ids), frees=True
        )

    def evict(self) -> None:
        """Evict what is over the bounds or too old, some at a time.

        Raises:
            OutboxError: the change cannot be committed.
        """
        self._mind_clock()
        if self._database.read(self._to_evict) is not None:
            self._write(self._evict, frees=True)

    def oldest_s(self) -> float | None:
        """Say for how long the oldest message has waited; None where none does.

        Raises:
            OutboxError: the file cannot be read.
        """

        def oldest_created_s(connection: sqlite3.Connection) -> float | None:
            row_id = rows.oldest_id(connection)
            return None if row_id is None else rows.created_s(connection, row_id)

        created_s = self._database.read(oldest_created_s)
        return None if created_s is None else max(0.0, self._now_s() - created_s)

    def evicted_ranges(self, limit: int) -> list[EvictedRange]:
        """Give ranges of evicted labels that are not reported yet.

        Raises:
            OutboxError: the file cannot be read.
        """
        return self._database.read(lambda connection: rows.ranges(connection, limit))

    def date_run(self, run: str, run_start_s: float) -> None:
        """Date what a run recorded before its clock was set: in the books, and labels that wait.

        Raises:
            OutboxError: it cannot be committed.
        """

        def date_all(connection: sqlite3.Connection) -> None:
            self._books.date_run(connection, run_start_s)
            rows.date_labels(connection, run, run_start_s)

        self._write(date_all)

    def read(self, action: _Action[_Result]) -> _Result:
        """Read the books.

        Raises:
            OutboxError: the file cannot be read.
        """
        return self._database.read(action)

    def write(self, action: _Action[None]) -> None:
        """Write what is noted for the books, and do something with them.

        Raises:
            OutboxError: it cannot be committed.
        """
        self._write(action)

    def probe(self) -> None:
        """See whether the file can be written.

        Raises:
            OutboxError: it cannot.
        """
        self._write(lambda connection: connection.execute("UPDATE identity SET session = session"))

    def tidy(self) -> None:
        """Keep the file small and the ballast in place.

        Raises:
            OutboxError: the file cannot be written.
        """
        self._database.restore_ballast()
        self._database.give_back_room()

    def close(self) -> None:
        """Close the file; what waits is sent by the next run."""
        self._database.close()

    def _write(self, action: _Action[_Result], *, frees: bool = False) -> _Result:
        with self._database.lock:
            before, taken = self.counts, self._books.take()

            def with_books(connection: sqlite3.Connection) -> _Result:
                self.counts = before  # it may be done a second time
                result = action(connection)
                self._books.write(connection, taken)
                return result

            try:
                return self._database.write(with_books, frees=frees)
            except BaseException:
                self.counts = before
                self._books.put_back(taken)
                raise

    def _mind_clock(self) -> None:
        """Keep ages right when the clock was set."""
        offset_s = self._now_s() - self._monotonic()
        set_by_s = offset_s - self._clock_offset_s
        if abs(set_by_s) > CLOCK_SET_S:
            self._write(lambda connection: rows.shift_ages(connection, set_by_s))
            self._clock_offset_s = offset_s
        if self._has_untimed and self.clock_is_set():
            self._write(lambda connection: rows.time_untimed(connection, self._now_s()))
            self._has_untimed = False

    def _insert(self, connection: sqlite3.Connection, draft: Draft) -> int:
        is_timed = self.clock_is_set()
        self._has_untimed |= not is_timed
        row_id = rows.insert(connection, draft, now_s=self._now_s(), is_timed=is_timed)
        self._count(1, len(draft.payload))
        if draft.identity is not None:
            self._note_number(connection, draft.kind, draft.identity)
        if draft.span is not None:
            self._books.write_span(connection, draft.span, CLASSIFIED)
            if draft.is_stored:
                self._books.write_span(connection, draft.span, STORED)
        return row_id

    def _note_number(self, connection: sqlite3.Connection, kind: str, identity: Identity) -> None:
        if identity.session == self.session:
            rows.raise_sequence(connection, kind, identity.seq)

    def _acknowledge(self, connection: sqlite3.Connection, row_id: int) -> int:
        gone = rows.remove(connection, row_id)
        if gone is None:
            return 0
        self._count(-1, -gone.n_bytes)
        if gone.span is not None:
            self._books.write_span(connection, gone.span, PUBLISHED)
        return 1

    def _evict(self, connection: sqlite3.Connection, keep: Collection[int] = ()) -> None:
        evicted: Counter[str] = Counter()
        while evicted.total() < EVICT_AT_ONCE:
            row_id = self._to_evict(connection)
            gone = None if row_id is None or row_id in keep else rows.remove(connection, row_id)
            if gone is None:
                break
            self._count(-1, -gone.n_bytes)
            rows.note_evicted(connection, gone)
            evicted[gone.kind] += 1
        if evicted:
            self.counts = replace(self.counts, evicted=Counter(self.counts.evicted) + evicted)
            _LOGGER.warning("outbox full or messages too old: evicted unpublished: %s", dict(evicted))

    def _to_evict(self, connection: sqlite3.Connection) -> int | None:
        """Give the row that is to go first; None where none is to."""
        oldest = rows.oldest_id(connection)
        if oldest is None or self._is_too_old(connection, oldest):
            return oldest
        if self.counts.n_rows <= self._bounds.max_rows and self.counts.n_bytes <= self._bounds.max_bytes:
            return None
        by_kind = (rows.oldest_id(connection, kind) for kind in EVICTION_ORDER)
        return next((row_id for row_id in by_kind if row_id is not None), oldest)

    def _is_too_old(self, connection: sqlite3.Connection, row_id: int) -> bool:
        return self.clock_is_set() and self._now_s() - rows.created_s(connection, row_id) > self._bounds.max_age_s

    def _count(self, n_rows: int, n_bytes: int) -> None:
        counts = self.counts
        self.counts = replace(counts, n_rows=counts.n_rows + n_rows, n_bytes=counts.n_bytes + n_bytes)


def _count(connection: sqlite3.Connection) -> Counts:
    n_rows, n_bytes = connection.execute("SELECT count(*), coalesce(sum(n_bytes), 0) FROM message").fetchone()
    return Counts(n_rows, n_bytes, dict(connection.execute("SELECT kind, n FROM evicted").fetchall()))
