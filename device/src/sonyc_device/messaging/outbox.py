"""The durable outbox: a message is in SQLite before it is sent, and leaves it when the broker has acknowledged it."""

import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sonyc_device.errors import OutboxError
from sonyc_device.messaging.messenger import Message

_LOGGER = logging.getLogger(__name__)

LABEL: Final = "label"
CLOCK_SET_S: Final = 60.0
"""The wall clock was set, not slewed, when it gained more than this on the monotonic one between two messages."""

_SCHEMA_VERSION = 1
_SCHEMA = f"""
CREATE TABLE identity (session TEXT NOT NULL);
CREATE TABLE sequence (kind TEXT PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    created_s REAL NOT NULL,
    n_bytes INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE evicted (kind TEXT PRIMARY KEY, n INTEGER NOT NULL);
PRAGMA user_version = {_SCHEMA_VERSION};
"""


@dataclass(frozen=True)
class Bounds:
    """What the outbox holds at most; beyond it the oldest messages are evicted, and counted."""

    max_rows: int
    max_bytes: int
    max_age_s: float


class Outbox:
    """Messages in a SQLite file, write-ahead logged with full synchronisation: a commit survives a power cut.

    Measured per commit: one fsync of a few kilobytes, three commits per 10 s clip.

    Attributes:
        session: 16 hexadecimal digits, random, made with the file: a re-flashed card never repeats an identity.
        set_aside: Where a file lies that was found corrupt and replaced, else None.
    """

    def __init__(
        self,
        path: Path,
        bounds: Bounds,
        *,
        now_s: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the file, or make it; a corrupt one is kept under another name and replaced by an empty one.

        Args:
            path: The database.
            bounds: What it holds at most.
            now_s: The wall clock, in seconds since 1970.
            monotonic: A clock that never jumps.

        Raises:
            OutboxError: the folder cannot be written, or the file was made by a newer agent.
        """
        self._path = path
        self._bounds = bounds
        self._now_s = now_s
        self._monotonic = monotonic
        self._clock_offset_s = now_s() - monotonic()
        self._lock = threading.Lock()
        self._n_rows = self._n_bytes = 0
        self.set_aside: Path | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection, self.session = self._open_or_replace()
        except (sqlite3.Error, OSError) as error:
            raise OutboxError(f"{path}: cannot be opened: {error}") from error
        with self._transaction():
            self._n_rows, self._n_bytes = self._connection.execute(
                "SELECT count(*), coalesce(sum(n_bytes), 0) FROM message"
            ).fetchone()

    @property
    def n_rows(self) -> int:
        """How many messages wait."""
        return self._n_rows

    @property
    def n_evicted(self) -> int:
        """How many messages were evicted since the file was made.

        Raises:
            OutboxError: the file cannot be read.
        """
        with self._transaction():
            (n,) = self._connection.execute("SELECT coalesce(sum(n), 0) FROM evicted").fetchone()
        return int(n)

    def reserve(self, kind: str) -> int:
        """Give the next sequence number of a kind of message; no number is given twice, not after a power cut either.

        Raises:
            OutboxError: the number cannot be committed.
        """
        with self._transaction():
            (last,) = self._connection.execute(
                "INSERT INTO sequence (kind, last) VALUES (?, 1) "
                "ON CONFLICT (kind) DO UPDATE SET last = last + 1 RETURNING last",
                (kind,),
            ).fetchone()
        return int(last)

    def put(self, kind: str, payload: bytes) -> None:
        """Commit a message; what is over the bounds is evicted, the oldest first.

        Raises:
            OutboxError: it cannot be committed.
        """
        offset_s = self._now_s() - self._monotonic()
        with self._transaction():
            if offset_s - self._clock_offset_s > CLOCK_SET_S:
                self._make_younger(offset_s - self._clock_offset_s)
            self._connection.execute(
                "INSERT INTO message (kind, created_s, n_bytes, payload) VALUES (?, ?, ?, ?)",
                (kind, self._now_s(), len(payload), payload),
            )
            self._n_rows += 1
            self._n_bytes += len(payload)
            self._evict()
        self._clock_offset_s = offset_s

    def after(self, row_id: int, limit: int) -> list[Message]:
        """Give up to `limit` messages that were committed after `row_id`, the oldest first.

        Raises:
            OutboxError: the file cannot be read.
        """
        with self._transaction():
            rows = self._connection.execute(
                "SELECT id, kind, payload FROM message WHERE id > ? ORDER BY id LIMIT ?", (row_id, limit)
            ).fetchall()
        return [Message(*row) for row in rows]

    def delete(self, row_ids: Sequence[int]) -> int:
        """Forget messages that were acknowledged, and say how many were still there.

        Raises:
            OutboxError: the change cannot be committed; they will be sent again.
        """
        with self._transaction():
            return sum(self._delete_one(row_id) for row_id in row_ids)

    def close(self) -> None:
        """Close the file; what waits is sent by the next run."""
        with self._lock:
            self._connection.close()

    def _make_younger(self, by_s: float) -> None:
        """Keep ages right when the clock is set: a node without a battery may have come up years behind."""
        self._connection.execute("UPDATE message SET created_s = created_s + ?", (by_s,))

    def _delete_one(self, row_id: int) -> int:
        row = self._connection.execute("DELETE FROM message WHERE id = ? RETURNING n_bytes", (row_id,)).fetchone()
        if row is None:
            return 0
        self._n_rows -= 1
        self._n_bytes -= row[0]
        return 1

    def _evict(self) -> None:
        oldest_s = self._now_s() - self._bounds.max_age_s
        while self._n_rows > 1:
            row_id, kind, created_s = self._connection.execute(
                "SELECT id, kind, created_s FROM message ORDER BY id LIMIT 1"
            ).fetchone()
            is_over = self._n_rows > self._bounds.max_rows or self._n_bytes > self._bounds.max_bytes
            if not is_over and created_s >= oldest_s:
                return
            self._delete_one(row_id)
            self._connection.execute(
                "INSERT INTO evicted (kind, n) VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET n = n + 1", (kind,)
            )
            _LOGGER.warning("outbox full or too old: message %d of kind %s evicted unpublished", row_id, kind)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            n_rows, n_bytes = self._n_rows, self._n_bytes
            try:
                with self._connection:
                    yield
            except sqlite3.Error as error:
                self._n_rows, self._n_bytes = n_rows, n_bytes
                raise OutboxError(f"{self._path}: {error}") from error

    def _open_or_replace(self) -> tuple[sqlite3.Connection, str]:
        try:
            return _open(self._path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self.set_aside = _set_aside(self._path, self._now_s())
            _LOGGER.error("outbox %s is corrupt (%s): kept as %s", self._path, error, self.set_aside.name)
            return _open(self._path)


def _open(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open or make a database; gives the connection and the session."""
    connection = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        _make_or_check_schema(connection, path)
        row = connection.execute("SELECT session FROM identity").fetchone()
        if row is None:
            raise sqlite3.DatabaseError("it has no session")
    except BaseException:
        connection.close()
        raise
    return connection, str(row[0])


def _make_or_check_schema(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > _SCHEMA_VERSION:
        raise OutboxError(f"{path}: made by a newer agent (schema {version}, known is {_SCHEMA_VERSION}): update it")
    if version == 0:
        with connection:
            connection.executescript(f"BEGIN; {_SCHEMA}")
            connection.execute("INSERT INTO identity (session) VALUES (?)", (secrets.token_hex(8),))


def _set_aside(path: Path, now_s: float) -> Path:
    """Rename a database and its log; unacknowledged labels may still be read from them."""
    stamp = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    target = path.with_name(f"{path.name}.corrupt-{stamp}-{secrets.token_hex(2)}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(target.with_name(target.name + suffix))
    return target
