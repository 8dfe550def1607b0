"""The SQLite file that messages and books lie in: durable, never half-written, and on a full disk still emptied."""

import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from sonyc_device.errors import OutboxError, OutboxVersionError

_LOGGER = logging.getLogger(__name__)

BALLAST_BYTES: Final = 2 * 1024 * 1024
"""Given up on a full disk, so that there is room to delete: measured, one row could be deleted without, then none."""
WAL_PAGES: Final = 256
"""The log is written back to the database after so many pages: the ballast has room for twice as much."""
_SPARE_FACTOR: Final = 4
_MOST_FREE_PAGES: Final = 256

_STEPS: Final = (
    """
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
    """,
    """
    ALTER TABLE message ADD COLUMN topic TEXT NOT NULL DEFAULT 'label';
    ALTER TABLE message ADD COLUMN retain INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE message ADD COLUMN session TEXT;
    ALTER TABLE message ADD COLUMN seq INTEGER;
    ALTER TABLE message ADD COLUMN run TEXT;
    ALTER TABLE message ADD COLUMN run_s REAL;
    ALTER TABLE message ADD COLUMN start_s REAL;
    ALTER TABLE message ADD COLUMN duration_s REAL;
    ALTER TABLE message ADD COLUMN is_dated INTEGER;
    CREATE INDEX message_kind ON message (kind, id);
    CREATE TABLE evicted_range (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
        n_labels INTEGER NOT NULL
    );
    CREATE TABLE seconds (
        basis TEXT NOT NULL, slot INTEGER NOT NULL, what TEXT NOT NULL, s REAL NOT NULL,
        PRIMARY KEY (basis, slot, what)
    ) WITHOUT ROWID;
    CREATE TABLE changed_hour (basis TEXT NOT NULL, slot INTEGER NOT NULL, PRIMARY KEY (basis, slot)) WITHOUT ROWID;
    CREATE TABLE undated_run (run TEXT PRIMARY KEY, start_s REAL NOT NULL);
    """,
    """
    ALTER TABLE message ADD COLUMN is_timed INTEGER NOT NULL DEFAULT 1;
    """,
)
"""What each version of the schema adds to the one before."""

_Result = TypeVar("_Result")
Action = Callable[[sqlite3.Connection], _Result]


class Database:
    """Write-ahead logged with full synchronisation: a commit survives a power cut. Safe for several threads.

    Attributes:
        session: 16 hexadecimal digits, random, made with the file: a re-flashed card never repeats an identity.
        set_aside: Where a file lies that was found corrupt and replaced, else None.
        lock: Held by every call; a caller may hold it over several, and so keep what it counts right.
    """

    def __init__(self, path: Path, *, now_s: Callable[[], float]) -> None:
        """Open the file, or make it; a corrupt one is kept under another name and replaced by an empty one.

        Raises:
            OutboxError: the folder cannot be written.
            OutboxVersionError: the file was made by a newer agent.
        """
        self.path = path
        self.set_aside: Path | None = None
        self._now_s = now_s
        self._ballast = path.with_name(f"{path.name}.ballast")
        self.lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection, self.session = self._open()
        except (sqlite3.Error, OSError) as error:
            raise OutboxError(f"{path}: cannot be opened: {error}") from error
        self.restore_ballast()

    def read(self, action: Action[_Result]) -> _Result:
        """Give what `action` reads.

        Raises:
            OutboxError: the file cannot be read.
        """
        with self.lock:
            try:
                return action(self._connection)
            except sqlite3.Error as error:
                raise OutboxError(f"{self.path}: {error}") from error

    def write(self, action: Action[_Result], *, frees: bool = False) -> _Result:
        """Do `action` in one transaction.

        Args:
            action: What to do; it is done again where there was no room the first time.
            frees: Whether there is less in the file afterwards: then the ballast is given up for it on a full disk.

        Raises:
            OutboxError: it cannot be committed; nothing has changed.
        """
        with self.lock:
            try:
                return self._commit(action)
            except sqlite3.Error as error:
                if not (frees and _is_full(error) and self._drop_ballast()):
                    raise OutboxError(f"{self.path}: {error}") from error
            try:
                return self._commit(action)
            except sqlite3.Error as error:
                raise OutboxError(f"{self.path}: {error}") from error

    def restore_ballast(self) -> None:
        """Take the ballast again, where there is plenty of room."""
        try:
            free_bytes = os.statvfs(self.path.parent).f_bavail * os.statvfs(self.path.parent).f_frsize
            if not self._ballast.exists() and free_bytes > _SPARE_FACTOR * BALLAST_BYTES:
                with self._ballast.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
        except OSError as error:
            _LOGGER.debug("no ballast: %s", error)

    def give_back_room(self) -> None:
        """Give room of deleted rows back to the disk, some at a time.

        Raises:
            OutboxError: the file cannot be written.
        """
        (n_free,) = self.read(lambda connection: connection.execute("PRAGMA freelist_count").fetchone())
        if n_free > _MOST_FREE_PAGES:
            # As a script: `execute` would take the first step only, which is one page.
            self.read(lambda connection: connection.executescript(f"PRAGMA incremental_vacuum({WAL_PAGES})"))

    def close(self) -> None:
        """Close the file; what waits is sent by the next run."""
        with self.lock:
            self._connection.close()

    def _commit(self, action: Action[_Result]) -> _Result:
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            return action(self._connection)

    def _drop_ballast(self) -> bool:
        try:
            self._ballast.unlink()
        except OSError:
            return False
        _LOGGER.warning("disk full: the ballast beside %s is given up to delete what was sent or is too old", self.path)
        return True

    def _open(self) -> tuple[sqlite3.Connection, str]:
        try:
            return self._open_or_replace()
        except sqlite3.Error as error:
            if isinstance(error, sqlite3.OperationalError) and self._drop_ballast():
                return self._open_or_replace()
            raise

    def _open_or_replace(self) -> tuple[sqlite3.Connection, str]:
        try:
            return _connect(self.path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self.set_aside = _set_aside(self.path, self._now_s())
            _LOGGER.error("outbox %s is corrupt (%s): kept as %s", self.path, error, self.set_aside.name)
            return _connect(self.path)


def _connect(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open or make a database; gives the connection and the session."""
    connection = sqlite3.connect(path, check_same_thread=False, timeout=5.0, isolation_level=None)
    try:
        if connection.execute("PRAGMA page_count").fetchone() == (0,):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # which must be said before the first table
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        _bring_up_to_date(connection, path)
        row = connection.execute("SELECT session FROM identity").fetchone()
        if row is None:
            raise sqlite3.DatabaseError("it has no session")
    except BaseException:
        connection.close()
        raise
    return connection, str(row[0])


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_STEPS):
        raise OutboxVersionError(f"{path}: made by a newer agent (schema {version}, known is {len(_STEPS)}): update it")
    if version == len(_STEPS):
        return
    with connection:
        connection.executescript(f"BEGIN; {''.join(_STEPS[version:])} PRAGMA user_version = {len(_STEPS)};")
        if version == 0:
            connection.execute("INSERT INTO identity (session) VALUES (?)", (secrets.token_hex(8),))


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _set_aside(path: Path, now_s: float) -> Path:
    """Rename a database and its log; unacknowledged labels may still be read from them."""
    stamp = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    target = path.with_name(f"{path.name}.corrupt-{stamp}-{secrets.token_hex(2)}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(target.with_name(target.name + suffix))
    return target
