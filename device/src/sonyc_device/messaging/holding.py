"""The outbox over a disk that may be full, read-only or broken: then messages are held in memory, and sent from there.

So no part of the agent fails with the disk: capture goes on, labels reach the broker as long as there is one, and when
the disk takes messages again they are durable again.

A number that is not on the disk may be given again after a restart. So messages that are made while the disk takes
nothing belong to a session of their own.
"""

import logging
import secrets
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Final, TypeVar

from sonyc_device.errors import OutboxError, OutboxVersionError
from sonyc_device.messaging import rows
from sonyc_device.messaging.books import CLASSIFIED, PUBLISHED, Books
from sonyc_device.messaging.messenger import Message
from sonyc_device.messaging.outbox import EVICTION_ORDER, Counts, Outbox
from sonyc_device.messaging.rows import Draft, EvictedRange, Gone, Identity

_LOGGER = logging.getLogger(__name__)

MAX_HELD: Final = 1_000
"""Messages in memory: nearly three hours of labels, 1.5 MB."""
_MAX_UNREPORTED: Final = 10_000

_Result = TypeVar("_Result")


class HoldingOutbox:
    """Keeps messages on the disk where it can, in memory where it cannot. Safe for several threads.

    Attributes:
        session: The disk's, or a random one where the disk could not be opened at the start.
        lost: How many messages of each kind neither disk nor memory could keep.
    """

    def __init__(
        self,
        open_outbox: Callable[[], Outbox],
        books: Books,
        *,
        make_room: Callable[[], object] = lambda: None,
        max_held: int = MAX_HELD,
    ) -> None:
        """Open the outbox, or begin without it.

        Args:
            open_outbox: Opens it; tried again from time to time where it fails.
            books: The outbox's, for what is published from memory.
            make_room: Frees room on the disk, if it can, when a message does not fit.
            max_held: How many messages are held in memory at most.

        Raises:
            OutboxVersionError: the outbox was made by a newer agent.
        """
        self._open_outbox = open_outbox
        self._books = books
        self._make_room = make_room
        self._max_held = max_held
        self._lock = threading.RLock()
        self._held: dict[int, Draft] = {}
        self._held_ids = count(-1, -1)  # the disk's are positive
        self._moved: dict[int, int] = {}  # what was sent from memory and is on the disk since
        self._sent: set[int] = set()  # acknowledged, but the disk lets nothing be deleted
        self._unreported: list[Gone] = []
        self._problem = ""
        self.lost: Counter[str] = Counter()
        self._disk: Outbox | None = None
        self._memory_session = secrets.token_hex(8)
        self._last: Counter[tuple[str, str]] = Counter()  # by session and kind
        self._secured: Counter[str] = Counter()  # by kind, of the disk's session
        self._reopen()
        self.session = self._disk.session if self._disk else self._memory_session

    @property
    def n_rows(self) -> int:
        """How many messages wait."""
        return self.counts.n_rows

    @property
    def counts(self) -> Counts:
        """What waits, on the disk and in memory, and what was evicted."""
        with self._lock:
            disk = self._disk.counts if self._disk else Counts()
            n_bytes = sum(len(draft.payload) for draft in self._held.values())
            n_rows = disk.n_rows - len(self._sent) + len(self._held)
            return Counts(n_rows, disk.n_bytes + n_bytes, disk.evicted)

    @property
    def n_held(self) -> int:
        """How many messages wait in memory."""
        return len(self._held)

    @property
    def set_aside(self) -> Path | None:
        """Where a file lies that was found corrupt and replaced, else None."""
        return self._disk.set_aside if self._disk else None

    @property
    def problem(self) -> str:
        """What is wrong with the disk; empty where nothing is."""
        return self._problem

    def identify(self, kind: str) -> Identity:
        """Give the identity of the next message of a kind; it is committed with the message, or by `secure`."""
        with self._lock:
            if self._disk is None or self._problem:
                return self._identify_in_memory(kind)
            self._last[self._disk.session, kind] += 1
            return Identity(self._disk.session, self._last[self._disk.session, kind])

    def secure(self, kind: str, identity: Identity) -> None:
        """Commit that a number was given: then it never comes twice, and a file may be named by it.

        Raises:
            OutboxError: that cannot be committed.
        """
        with self._lock:
            disk = self._require_disk()
            if identity.session != disk.session:
                raise OutboxError(self._problem or "the disk took nothing when this label was begun")
            disk.secure(kind, identity)
            self._secured[kind] = identity.seq

    def put(self, *drafts: Draft) -> bool:
        """Keep messages, and say whether the disk has them."""
        with self._lock:
            self._hold(drafts)
            return self._flush()

    def put_as(self, kind: str, identity: Identity, make: Callable[[Identity], Draft]) -> None:
        """Keep a message that carries its identity.

        Args:
            kind: What it is.
            identity: What `identify` gave for it.
            make: Makes the message; made anew under another identity where the disk does not take the number.
        """
        with self._lock:
            (row_id,) = self._hold([make(identity)])
            if not self._flush() and not self._is_on_disk(kind, identity):
                self._held.pop(row_id, None)
                self._hold([make(self._identify_in_memory(kind))])

    def oldest(
        self, limit: int, *, without: Collection[int] = (), kinds_left_out: Collection[str] = ()
    ) -> list[Message]:
        """Give up to `limit` messages in the order of their commits, those in memory last; leave out rows and kinds."""
        with self._lock:
            self._moved = {held: row_id for held, row_id in self._moved.items() if held in without}
            hidden = {self._moved.get(row_id, row_id) for row_id in without} | self._sent
            found = self._oldest_on_disk(limit, hidden, kinds_left_out)
            held = (
                Message(row_id, draft.kind, draft.topic or draft.kind, draft.payload, draft.retain)
                for row_id, draft in self._held.items()
                if row_id not in hidden and draft.kind not in kinds_left_out
            )
            return [*found, *islice(held, limit - len(found))]

    def delete(self, row_ids: Sequence[int]) -> int:
        """Forget messages that were acknowledged, and say how many were still there."""
        with self._lock:
            ids = [self._moved.pop(row_id, row_id) for row_id in row_ids]
            from_memory = [draft for row_id in ids if (draft := self._held.pop(row_id, None)) is not None]
            for draft in from_memory:
                self._book(draft)
            return len(from_memory) + self._delete_on_disk({row_id for row_id in ids if row_id > 0})

    def maintain(self) -> None:
        """Bring to the disk what waits for it, evict what is too old, and keep the file small."""
        with self._lock:
            if self._disk is None:
                self._reopen()
            if self._disk is None:
                return
            if self._flush() and self._problem:
                self._do(self._disk.probe)
            self._delete_on_disk(set())
            self._do(self._disk.evict, is_proof=False)
            self._do(self._disk.tidy, is_proof=False)

    def oldest_s(self) -> float | None:
        """Say for how long the oldest message on the disk has waited; None where none does, or it cannot be said."""
        return self._ask(lambda disk: disk.oldest_s(), None)

    def evicted_ranges(self, limit: int) -> list[EvictedRange]:
        """Give ranges of evicted labels that are not reported yet.

        Raises:
            OutboxError: the file cannot be read.
        """
        return self._require_disk().evicted_ranges(limit)

    def put_together(self, action: Callable[[sqlite3.Connection], None], *drafts: Draft) -> None:
        """Commit messages and do something with the books, both or neither.

        Raises:
            OutboxError: it cannot be committed.
        """
        self._require_disk().put(*drafts, together_with=action)

    def date_run(self, run: str, run_start_s: float) -> None:
        """Date what a run recorded before its clock was set.

        Raises:
            OutboxError: it cannot be committed.
        """
        self._require_disk().date_run(run, run_start_s)

    def read(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Read the books.

        Raises:
            OutboxError: they cannot be read.
        """
        return self._require_disk().read(action)

    def write(self, action: Callable[[sqlite3.Connection], None]) -> None:
        """Write what is noted for the books, and do something with them.

        Raises:
            OutboxError: it cannot be committed.
        """
        self._require_disk().write(action)

    def close(self) -> None:
        """Close the file; what waits there is sent by the next run, what is in memory is lost and counted."""
        with self._lock:
            self._flush()
            for row_id in list(self._held):
                self._lose(row_id)
            if self._disk is not None:
                self._disk.close()

    def _require_disk(self) -> Outbox:
        if self._disk is None:
            raise OutboxError(self._problem)
        return self._disk

    def _reopen(self) -> None:
        try:
            disk = self._open_outbox()
            self._last |= {(disk.session, kind): last for kind, last in disk.last_numbers().items()}
            self._disk = disk
        except OutboxVersionError:
            raise
        except OutboxError as error:
            self._note(str(error))
        else:
            self._do(disk.probe)  # a read-only file opens too, and the first label would get a number of its session

    def _identify_in_memory(self, kind: str) -> Identity:
        self._last[self._memory_session, kind] += 1
        return Identity(self._memory_session, self._last[self._memory_session, kind])

    def _is_on_disk(self, kind: str, identity: Identity) -> bool:
        """Whether a number can never be given again."""
        session = self._disk.session if self._disk else ""
        return identity.session != session or identity.seq <= self._secured[kind]

    def _hold(self, drafts: Sequence[Draft]) -> list[int]:
        row_ids = [next(self._held_ids) for _ in drafts]
        self._held |= dict(zip(row_ids, drafts, strict=True))
        for row_id in list(self._too_many()):
            self._lose(row_id)
        return row_ids

    def _too_many(self) -> Iterator[int]:
        n_over = len(self._held) - self._max_held
        order = {kind: n for n, kind in enumerate(EVICTION_ORDER)}
        if n_over > 0:
            yield from sorted(self._held, key=lambda held: (order.get(self._held[held].kind, len(order)), -held))[
                :n_over
            ]

    def _lose(self, row_id: int) -> None:
        draft = self._held.pop(row_id)
        self.lost[draft.kind] += 1
        _LOGGER.error("a message of kind %s is lost: %s", draft.kind, self._problem or "memory is full")
        if draft.span is not None and len(self._unreported) < _MAX_UNREPORTED:
            self._unreported.append(Gone(draft.kind, len(draft.payload), draft.identity, draft.span))

    def _flush(self) -> bool:
        """Bring to the disk what is held; the second try is after room was made."""
        disk = self._disk
        if disk is None:
            return False
        if not self._held or self._do(lambda: self._commit_held(disk)):
            return True
        self._make_room()
        return self._do(lambda: self._commit_held(disk))

    def _commit_held(self, disk: Outbox) -> None:
        unreported = list(self._unreported)

        def note_lost(connection: sqlite3.Connection) -> None:
            for gone in unreported:
                rows.note_evicted(connection, gone)

        row_ids = disk.put(*self._held.values(), together_with=note_lost)
        self._moved |= dict(zip(self._held, row_ids, strict=True))
        self._held.clear()
        del self._unreported[: len(unreported)]

    def _book(self, draft: Draft) -> None:
        """Note a label that was published without having been on the disk."""
        if draft.span is not None:
            self._books.add(draft.span, CLASSIFIED)
            self._books.add(draft.span, PUBLISHED)

    def _oldest_on_disk(self, limit: int, hidden: Collection[int], kinds_left_out: Collection[str]) -> list[Message]:
        return self._ask(lambda disk: disk.oldest(limit, without=hidden, kinds_left_out=kinds_left_out), [])

    def _delete_on_disk(self, row_ids: set[int]) -> int:
        """Delete rows, and those that could not be deleted before; gives how many of `row_ids` are gone."""
        disk, before = self._disk, len(self._sent)
        self._sent |= row_ids
        if disk is None or not self._sent:
            return 0
        deleted: list[int] = []
        if not self._do(lambda: deleted.append(disk.delete(sorted(self._sent)))):
            return len(row_ids)
        self._sent.clear()
        return max(0, deleted[0] - before)

    def _ask(self, question: Callable[[Outbox], _Result], otherwise: _Result) -> _Result:
        """Read from the disk; what cannot be read is as if it were not there."""
        if self._disk is None:
            return otherwise
        try:
            return question(self._disk)
        except OutboxError as error:
            _LOGGER.error("the outbox cannot be read: %s", error)
            return otherwise

    def _do(self, action: Callable[[], object], *, is_proof: bool = True) -> bool:
        """Write to the disk, and say whether it could be done; what may write nothing proves nothing."""
        try:
            action()
        except OutboxError as error:
            self._note(str(error))
            return False
        if is_proof:
            self._note("")
        return True

    def _note(self, problem: str) -> None:
        if problem and problem != self._problem:
            _LOGGER.error("messages are held in memory: %s", problem)
        if self._problem and not problem:
            _LOGGER.info("the disk takes messages again")
        self._problem = problem
