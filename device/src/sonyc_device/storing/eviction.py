"""Makes room: the oldest clips go when they take too many bytes, leave too few, or are too old."""

import errno
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonyc_device.config import StoreSettings
from sonyc_device.errors import StoreError
from sonyc_device.storing.clip_files import remove_clip
from sonyc_device.storing.entries import Cause, Entry
from sonyc_device.storing.index import ClipIndex
from sonyc_device.storing.space import Space

_LOGGER = logging.getLogger(__name__)

DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class Limits:
    """What the store may hold.

    Attributes:
        max_bytes: What clips and the state folder occupy together, at most.
        reserve_bytes: How many bytes of the file system stay free.
        retention_s: How old a clip may become.
    """

    max_bytes: int
    reserve_bytes: int
    retention_s: float

    @classmethod
    def of(cls, store: StoreSettings) -> "Limits":
        """Take them from the configuration."""
        return cls(store.max_bytes, store.reserve_bytes, store.retention_days * DAY_S)


class Evictor:
    """Removes the oldest clips, counted by cause. One that cannot be removed is set aside, and the next one goes."""

    def __init__(
        self,
        store: Path,
        index: ClipIndex,
        limits: Limits,
        space: Space,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._index = index
        self._limits = limits
        self._space = space
        self._monotonic = monotonic

    def has_room(self, n_bytes: int) -> bool:
        """Say whether `n_bytes` more keep both quota and reserve.

        Raises:
            OSError: the file system cannot be asked.
        """
        return self._n_over_quota(n_bytes) <= 0 and self._n_into_reserve(n_bytes) <= 0

    def say_room(self, n_bytes: int) -> str:
        """Say in one line what keeps `n_bytes` more from being written."""
        return (
            f"{self._store}: no room for {n_bytes} bytes: clips take {self._index.n_bytes} and the state folder "
            f"{self._space.other_bytes()} of max_bytes = {self._limits.max_bytes}; {self._space.free_bytes()} bytes of "
            f"the disk are free, of which reserve_bytes = {self._limits.reserve_bytes} stay so"
        )

    def make_room(self, n_bytes: int = 0, *, budget_s: float = float("inf")) -> bool:
        """Evict until `n_bytes` more keep both quota and reserve, and say whether they do.

        Raises:
            StoreError: the store is read-only.
            OSError: its file system cannot be asked.
        """
        until_s = self._monotonic() + budget_s
        # Asked each time: the index grows a little by what it notes of an eviction.
        while self._n_over_quota(n_bytes) > 0 and self._monotonic() < until_s and (entry := self._index.oldest()):
            self._remove(entry, Cause.QUOTA)
        self._leave_reserve(n_bytes, until_s)
        return self.has_room(n_bytes)

    def make_free(self, n_bytes: int) -> None:
        """Evict clips that occupy `n_bytes`, because the disk has refused that many, whatever it says of itself.

        Raises:
            StoreError: the store is read-only.
        """
        self._free(n_bytes, float("inf"))

    def expire(self, now_s: float, *, budget_s: float = float("inf")) -> None:
        """Evict what is too old at `now_s`, in seconds of UTC.

        A clip whose time is not known, or still to come, is older than the next one whose time is known, and goes with
        it.

        Raises:
            StoreError: the store is read-only.
        """
        until_s = self._monotonic() + budget_s
        while (dated := self._index.oldest_dated(now_s)) and now_s - dated.claimed_s > self._limits.retention_s:
            entry = self._index.oldest()
            if entry is None or self._monotonic() >= until_s:
                return
            self._remove(entry, Cause.RETENTION)

    def _n_over_quota(self, n_bytes: int) -> int:
        return self._index.n_bytes + self._space.other_bytes() + n_bytes - self._limits.max_bytes

    def _n_into_reserve(self, n_bytes: int) -> int:
        return n_bytes + self._limits.reserve_bytes - self._space.free_bytes()

    def _leave_reserve(self, n_bytes: int, until_s: float) -> None:
        """Remove clips for as long as that helps: a disk may be slow to say what is free, and others may take it."""
        n_missing = self._n_into_reserve(n_bytes)
        while n_missing > 0 and self._monotonic() < until_s:
            self._free(n_missing, until_s)
            n_before, n_missing = n_missing, self._n_into_reserve(n_bytes)
            if n_missing >= n_before:
                return

    def _free(self, n_bytes: int, until_s: float) -> None:
        """Remove clips that occupied `n_bytes`."""
        while n_bytes > 0 and self._monotonic() < until_s and (entry := self._index.oldest()):
            n_bytes -= self._remove(entry, Cause.RESERVE)

    def _remove(self, entry: Entry, cause: Cause) -> int:
        """Remove a clip's files, and say how much room that made."""
        folder = self._store / entry.folder
        try:
            was_there = remove_clip(folder, entry.name)
        except OSError as error:
            if error.errno == errno.EROFS:
                raise StoreError(f"{folder}: {error.strerror}") from error
            _LOGGER.error("clip %s in %s cannot be removed: %s", entry.name, folder, error.strerror or error)
            self._index.set_aside(entry)
            return 0
        if was_there:
            self._index.evict(entry, cause)
            _LOGGER.info("clip evicted", extra={"clip_id": str(entry.name), "cause": cause.value})
            return entry.n_bytes
        self._index.forget(entry)
        return 0
