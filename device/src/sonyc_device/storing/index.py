"""An index of the clips on the disk, the oldest first, so that none has to be looked for when room is needed.

It lies in the state folder and can be made anew from the store at any time: where it cannot be read or written (a full
disk, a damaged file), it goes on in memory, empty, and whoever uses it looks at the disk again.

Clips are in the order of their sequence numbers, so that within a session, which lasts as long as the outbox, no clock
has a say in what is the oldest. Sessions are in the order in which they were first written to; before those, where the
index was lost, in that of the times that their sidecars name.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from sonyc_device.storing.clip_files import ClipName
from sonyc_device.storing.entries import Cause, Entry, Evicted

_LOGGER = logging.getLogger(__name__)

_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE store (path TEXT NOT NULL);
CREATE TABLE clip (
    folder TEXT NOT NULL,
    session TEXT NOT NULL,
    seq INTEGER NOT NULL,
    claimed_s REAL NOT NULL,
    is_dated INTEGER NOT NULL,
    n_bytes INTEGER NOT NULL,
    is_stuck INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (folder, session, seq)
) WITHOUT ROWID;
CREATE INDEX clip_in_order ON clip (session, seq, folder) WHERE NOT is_stuck;
CREATE TABLE session (name TEXT PRIMARY KEY, arrival INTEGER, dated_s REAL, claimed_s REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE folder (name TEXT PRIMARY KEY, mtime_ns INTEGER) WITHOUT ROWID;
CREATE TABLE evicted (cause TEXT PRIMARY KEY, n_clips INTEGER NOT NULL, n_bytes INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""
_SESSIONS_IN_ORDER: Final = """
SELECT name FROM session ORDER BY arrival IS NOT NULL, arrival, coalesce(dated_s, claimed_s), name
"""
_OLDEST: Final = """
SELECT folder, seq, claimed_s, is_dated, n_bytes FROM clip WHERE session = ? AND NOT is_stuck
ORDER BY seq, folder LIMIT 1
"""
_OLDEST_DATED: Final = """
SELECT folder, seq, claimed_s, is_dated, n_bytes FROM clip
WHERE session = ? AND NOT is_stuck AND is_dated AND claimed_s <= ? ORDER BY seq, folder LIMIT 1
"""
_NOTE_SESSION: Final = """
INSERT INTO session (name, dated_s, claimed_s) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET
    dated_s = coalesce(min(dated_s, excluded.dated_s), dated_s, excluded.dated_s),
    claimed_s = min(claimed_s, excluded.claimed_s)
"""
_NOTE_ARRIVAL: Final = """
UPDATE session SET arrival = 1 + (SELECT coalesce(max(arrival), 0) FROM session) WHERE name = ? AND arrival IS NULL
"""

_BROKEN: Final = (sqlite3.Error, TypeError, ValueError)
"""What a damaged file raises: its rows may hold anything."""
_OUT_OF_REACH: Final = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY,
}  # fmt: skip

_Result = TypeVar("_Result")


class ClipIndex:
    """The clips of one store. Not for two threads at a time.

    Attributes:
        n_clips: How many there are.
        n_bytes: What they occupy.
        n_stuck: How many of them could not be removed.
        n_beginnings: How often the index began empty: what is on the disk has to be looked at when this has changed.
    """

    def __init__(self, path: Path, store: Path) -> None:
        """Open the index at `path`, or make it.

        Args:
            path: A file in the state folder.
            store: The store that it is of; an index of another store is made anew.
        """
        self._store = str(store)
        self._path = path
        self.n_clips = self.n_bytes = self.n_stuck = self.n_beginnings = 0
        self._evicted: dict[Cause, Evicted] = {}
        self._is_in_memory = False
        self._connection = _connected(":memory:")
        try:
            self._open_or_make()
        except (*_BROKEN, OSError) as error:
            self._go_on_in_memory(error)

    @property
    def evicted(self) -> Mapping[Cause, Evicted]:
        """What was evicted since the index was made."""
        return dict(self._evicted)

    def add(self, entry: Entry) -> None:
        """Note a clip that was written now: its session, where it is a new one, is the newest."""
        self._do(lambda: self._insert_newest(entry))

    def replace(self, folder: str, gone: Iterable[ClipName], found: Iterable[Entry], *, mtime_ns: int | None) -> None:
        """Note what was found in a folder, and what is no longer there; `mtime_ns` is kept for `mtime_ns_of`."""
        self._do(lambda: self._replace(folder, list(gone), list(found), mtime_ns))

    def forget_folder(self, folder: str) -> None:
        """Note that a folder is gone, and all that was in it."""
        self._do(lambda: self._forget_folder(folder))

    def evict(self, entry: Entry, cause: Cause) -> None:
        """Forget a clip that was removed, and count it."""
        so_far = self._evicted.get(cause, Evicted())
        counted = Evicted(so_far.n_clips + 1, so_far.n_bytes + entry.n_bytes)
        self._do(lambda: self._delete_and_count(entry, cause, counted))
        self._evicted[cause] = counted

    def forget(self, entry: Entry) -> None:
        """Forget a clip that somebody else removed."""
        self._do(lambda: self._delete(entry.folder, entry.name))

    def set_aside(self, entry: Entry) -> None:
        """Leave a clip that cannot be removed out of `oldest`, until `try_again`."""
        self._do(
            lambda: self._execute(
                "UPDATE clip SET is_stuck = 1 WHERE folder = ? AND session = ? AND seq = ?", _key(entry)
            )
        )
        self.n_stuck += 1

    def try_again(self) -> None:
        """Let what could not be removed be among the oldest again."""
        if self.n_stuck:
            self._do(lambda: self._execute("UPDATE clip SET is_stuck = 0 WHERE is_stuck"))
            self.n_stuck = 0

    def oldest(self) -> Entry | None:
        """Give the oldest clip; None where there is none that can be removed."""
        return self._do(lambda: self._first(_OLDEST, ()))

    def oldest_dated(self, now_s: float) -> Entry | None:
        """Give the first clip, in the order of age, of which is known when it was recorded, and not after `now_s`."""
        return self._do(lambda: self._first(_OLDEST_DATED, (now_s,)))

    def clips_in(self, folder: str) -> dict[ClipName, int]:
        """Give the clips that are known in a folder, and what they occupy."""
        rows = self._do(
            lambda: self._execute("SELECT session, seq, n_bytes FROM clip WHERE folder = ?", (folder,)).fetchall()
        )
        return {ClipName(session, seq): n_bytes for session, seq, n_bytes in rows}

    def folders(self) -> list[str]:
        """Name the folders that clips were seen in."""
        return [name for (name,) in self._do(lambda: self._execute("SELECT name FROM folder").fetchall())]

    def mtime_ns_of(self, folder: str) -> int | None:
        """Give a folder's time of change when it was last looked at; None where that says nothing."""
        row = self._do(lambda: self._execute("SELECT mtime_ns FROM folder WHERE name = ?", (folder,)).fetchone())
        return None if row is None else row[0]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _do(self, work: Callable[[], _Result]) -> _Result:
        """Do something as one transaction; where the file fails, go on in memory and do it there."""
        try:
            with self._connection:
                return work()
        except _BROKEN as error:
            if self._is_in_memory:
                raise
            self._go_on_in_memory(error)
            with self._connection:
                return work()

    def _go_on_in_memory(self, error: Exception) -> None:
        _LOGGER.error("index of clips %s: %s; it goes on in memory, and is made anew from the disk", self._path, error)
        self._connection.close()
        if _is_damage(error):
            with suppress(OSError):
                self._remove_file()
        self._is_in_memory = True
        self._connection = _connected(":memory:")
        self._make_schema()
        self.n_clips = self.n_bytes = 0

    def _remove_file(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _open_or_make(self) -> None:
        try:
            self._open()
        except _BROKEN as error:
            if not _is_damage(error):
                raise
            _LOGGER.error("index of clips %s is damaged (%s): it is made anew from the disk", self._path, error)
            self._remove_file()
            self._open()

    def _open(self) -> None:
        """Open the file, and make it where there is none, or one of another store or version."""
        self._connect()
        (version,) = self._execute("PRAGMA user_version").fetchone()
        if version != _SCHEMA_VERSION or self._execute("SELECT path FROM store").fetchone() != (self._store,):
            self._connection.close()
            self._remove_file()
            self._connect()
            self._make_schema()
        self.n_clips, self.n_bytes = self._execute("SELECT count(*), coalesce(sum(n_bytes), 0) FROM clip").fetchone()
        rows = self._execute("SELECT cause, n_clips, n_bytes FROM evicted")
        self._evicted = {Cause(cause): Evicted(n_clips, n_bytes) for cause, n_clips, n_bytes in rows}
        with self._connection:
            self._execute("UPDATE clip SET is_stuck = 0 WHERE is_stuck")

    def _connect(self) -> None:
        self._connection.close()
        self._connection = _connected(str(self._path))

    def _make_schema(self) -> None:
        self.n_beginnings += 1
        self._connection.executescript(_SCHEMA)
        with self._connection:
            self._execute("INSERT INTO store (path) VALUES (?)", (self._store,))

    def _first(self, statement: str, values: tuple[float, ...]) -> Entry | None:
        """Look through the sessions, the oldest first. A card has one or two, and each look is a step in an index."""
        for (session,) in self._execute(_SESSIONS_IN_ORDER).fetchall():
            row = self._execute(statement, (session, *values)).fetchone()
            if row is not None:
                folder, seq, claimed_s, is_dated, n_bytes = row
                return Entry(folder, ClipName(session, seq), claimed_s, bool(is_dated), n_bytes)
        return None

    def _insert(self, entry: Entry) -> None:
        self._delete(entry.folder, entry.name)
        values = (*_key(entry), entry.claimed_s, entry.is_dated, entry.n_bytes)
        self._execute("INSERT INTO clip VALUES (?, ?, ?, ?, ?, ?, 0)", values)
        self._execute("INSERT OR IGNORE INTO folder (name) VALUES (?)", (entry.folder,))
        dated_s = entry.claimed_s if entry.is_dated else None
        self._execute(_NOTE_SESSION, (entry.name.session, dated_s, entry.claimed_s))
        self.n_clips += 1
        self.n_bytes += entry.n_bytes

    def _insert_newest(self, entry: Entry) -> None:
        self._insert(entry)
        self._execute(_NOTE_ARRIVAL, (entry.name.session,))

    def _replace(self, folder: str, gone: list[ClipName], found: list[Entry], mtime_ns: int | None) -> None:
        for name in gone:
            self._delete(folder, name)
        for entry in found:
            self._insert(entry)
        self._execute(
            "INSERT INTO folder VALUES (?, ?) ON CONFLICT DO UPDATE SET mtime_ns = excluded.mtime_ns",
            (folder, mtime_ns),
        )

    def _forget_folder(self, folder: str) -> None:
        rows = self._execute("SELECT session, seq FROM clip WHERE folder = ?", (folder,)).fetchall()
        for row in rows:
            self._delete(folder, ClipName(*row))
        self._execute("DELETE FROM folder WHERE name = ?", (folder,))

    def _delete_and_count(self, entry: Entry, cause: Cause, counted: Evicted) -> None:
        self._delete(entry.folder, entry.name)
        self._execute("INSERT OR REPLACE INTO evicted VALUES (?, ?, ?)", (cause, counted.n_clips, counted.n_bytes))

    def _delete(self, folder: str, name: ClipName) -> None:
        row = self._execute(
            "DELETE FROM clip WHERE folder = ? AND session = ? AND seq = ? RETURNING n_bytes",
            (folder, name.session, name.seq),
        ).fetchone()
        if row is not None:
            self.n_clips -= 1
            self.n_bytes -= row[0]

    def _execute(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)


def _connected(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
    try:
        # A power cut may take the newest rows with it, but not the order of the file; the disk has what they said.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 100")  # pages: the log counts in the quota
    except BaseException:
        connection.close()
        raise
    return connection


def _key(entry: Entry) -> tuple[str, str, int]:
    return entry.folder, entry.name.session, entry.name.seq


def _is_damage(error: Exception) -> bool:
    """Whether a file is of no use any more, and not only out of reach for now."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what SQLite adds to it
    return not isinstance(error, OSError) and code not in _OUT_OF_REACH
