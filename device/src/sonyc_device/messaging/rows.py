"""What lies in the outbox's tables, row by row; every function works within a transaction of its caller."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sonyc_device.messaging.books import Span
from sonyc_device.messaging.messenger import Message

MAX_RANGES: Final = 1_000
"""Beyond so many ranges of evicted labels the last one grows, whatever lies between."""


@dataclass(frozen=True)
class Identity:
    """What a message is known by, together with its node and its kind."""

    session: str
    seq: int


@dataclass(frozen=True)
class Draft:
    """A message that is to be kept.

    Attributes:
        kind: What it is; it says what is evicted first.
        payload: Its bytes.
        topic: What ends its topic; the kind, where it is empty.
        retain: Whether the broker keeps it for those who come later.
        identity: What it is known by; None for what only the last one counts of.
        span: Of a label, the audio that it is about.
        is_stored: Of a label, whether that audio was kept.
    """

    kind: str
    payload: bytes
    topic: str = ""
    retain: bool = False
    identity: Identity | None = None
    span: Span | None = None
    is_stored: bool = False


@dataclass(frozen=True)
class EvictedRange:
    """Labels of a session that were evicted: `n_labels` of those from `first_seq` to `last_seq`."""

    row_id: int
    session: str
    first_seq: int
    last_seq: int
    n_labels: int


@dataclass(frozen=True)
class Gone:
    """A message that was deleted."""

    kind: str
    n_bytes: int
    identity: Identity | None
    span: Span | None


def insert(connection: sqlite3.Connection, draft: Draft, *, now_s: float, is_timed: bool) -> int:
    """Add a message, and give its row id; `is_timed` says whether `now_s` can be relied on."""
    identity, span = draft.identity, draft.span
    known_by = (identity.session, identity.seq) if identity else (None, None)
    times = (span.run, span.run_s, span.start_s, span.duration_s, span.is_dated) if span else (None,) * 5
    cursor = connection.execute(
        "INSERT INTO message (kind, topic, retain, created_s, n_bytes, payload, session, seq, run, run_s, start_s, "
        "duration_s, is_dated, is_timed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            draft.kind,
            draft.topic or draft.kind,
            draft.retain,
            now_s,
            len(draft.payload),
            draft.payload,
            *known_by,
            *times,
            is_timed,
        ),
    )
    return int(cursor.lastrowid or 0)


def select(
    connection: sqlite3.Connection, limit: int, *, without: Collection[int], kinds_left_out: Collection[str]
) -> list[Message]:
    """Give up to `limit` messages, the oldest first, leaving out rows and kinds."""
    found: list[Message] = []
    for row_id, kind in connection.execute("SELECT id, kind FROM message ORDER BY id"):
        if len(found) == limit:
            break
        if row_id not in without and kind not in kinds_left_out:
            row = connection.execute("SELECT topic, payload, retain FROM message WHERE id = ?", (row_id,))
            topic, payload, retain = row.fetchone()
            found.append(Message(row_id, kind, topic, payload, bool(retain)))
    return found


def remove(connection: sqlite3.Connection, row_id: int) -> Gone | None:
    """Delete a message, and give what it was; None where there is none of this row id."""
    row = connection.execute(
        "DELETE FROM message WHERE id = ? RETURNING kind, n_bytes, session, seq, run, run_s, start_s, is_dated, "
        "duration_s",
        (row_id,),
    ).fetchone()
    if row is None:
        return None
    kind, n_bytes, session, seq, run, run_s, start_s, is_dated, duration_s = row
    identity = None if seq is None else Identity(session, seq)
    span = None if run is None else Span(run, run_s, start_s, bool(is_dated), duration_s)
    return Gone(kind, n_bytes, identity, span)


def oldest_id(connection: sqlite3.Connection, kind: str | None = None) -> int | None:
    """Give the row id of the oldest message, or of the oldest of a kind; None where there is none."""
    if kind is None:
        (row_id,) = connection.execute("SELECT min(id) FROM message").fetchone()
    else:
        (row_id,) = connection.execute("SELECT min(id) FROM message WHERE kind = ?", (kind,)).fetchone()
    return None if row_id is None else int(row_id)


def created_s(connection: sqlite3.Connection, row_id: int) -> float:
    """Say when a message was put in, in seconds since 1970."""
    return float(connection.execute("SELECT created_s FROM message WHERE id = ?", (row_id,)).fetchone()[0])


def shift_ages(connection: sqlite3.Connection, by_s: float) -> None:
    """Keep ages right when the clock is set: a node without a battery may have come up years behind."""
    connection.execute("UPDATE message SET created_s = created_s + ?", (by_s,))


def has_untimed(connection: sqlite3.Connection) -> bool:
    """Say whether there is a message that was put in while the clock was not set."""
    return connection.execute("SELECT 1 FROM message WHERE is_timed = 0 LIMIT 1").fetchone() is not None


def time_untimed(connection: sqlite3.Connection, now_s: float) -> None:
    """Let messages that were put in while the clock was not set count as new: nobody knows how old they are."""
    connection.execute("UPDATE message SET created_s = ?, is_timed = 1 WHERE is_timed = 0", (now_s,))


def date_labels(connection: sqlite3.Connection, run: str, run_start_s: float) -> None:
    """Date the labels of a run that were made before its clock was set."""
    connection.execute(
        "UPDATE message SET start_s = run_s + ?, is_dated = 1 WHERE run = ? AND is_dated = 0", (run_start_s, run)
    )


def raise_sequence(connection: sqlite3.Connection, kind: str, seq: int) -> None:
    """Note that a number was given."""
    connection.execute(
        "INSERT INTO sequence VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET last = max(last, excluded.last)",
        (kind, seq),
    )


def last_numbers(connection: sqlite3.Connection) -> dict[str, int]:
    """Give the last number that was given and committed, by kind."""
    return dict(connection.execute("SELECT kind, last FROM sequence").fetchall())


def note_evicted(connection: sqlite3.Connection, gone: Gone) -> None:
    """Count an evicted message; a label's number joins the range that ends before it, or begins one."""
    connection.execute(
        "INSERT INTO evicted (kind, n) VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET n = n + 1", (gone.kind,)
    )
    if gone.identity is None or gone.span is None:  # no label
        return
    session, seq = gone.identity.session, gone.identity.seq
    last = connection.execute("SELECT max(id), session, last_seq, count(*) FROM evicted_range").fetchone()
    row_id, last_session, last_seq, n_ranges = last
    joins = last_session == session and last_seq is not None and last_seq < seq
    if joins and (last_seq + 1 == seq or n_ranges >= MAX_RANGES):
        connection.execute("UPDATE evicted_range SET last_seq = ?, n_labels = n_labels + 1 WHERE id = ?", (seq, row_id))
    else:
        connection.execute(
            "INSERT INTO evicted_range (session, first_seq, last_seq, n_labels) VALUES (?, ?, ?, 1)",
            (session, seq, seq),
        )


def ranges(connection: sqlite3.Connection, limit: int) -> list[EvictedRange]:
    """Give ranges of evicted labels that are not reported yet, the oldest first."""
    rows = connection.execute(
        "SELECT id, session, first_seq, last_seq, n_labels FROM evicted_range ORDER BY id LIMIT ?", (limit,)
    )
    return [EvictedRange(*row) for row in rows]


def forget_range(connection: sqlite3.Connection, evicted: EvictedRange) -> None:
    """Delete a range that is reported; one that has grown meanwhile stays, and is reported again."""
    connection.execute("DELETE FROM evicted_range WHERE id = ? AND n_labels = ?", (evicted.row_id, evicted.n_labels))
