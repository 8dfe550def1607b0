"""Looks at what clips there are on the disk, so that the index says what is true whoever changed it."""

import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sonyc_device.storing.clip_files import ClipName, claimed_time, find_clips, find_folders, sweep
from sonyc_device.storing.entries import Entry
from sonyc_device.storing.index import ClipIndex

_LOGGER = logging.getLogger(__name__)

SETTLED_S: Final = 3.0
"""A folder that changed less than this before a look at it may change again without showing it: FAT counts in 2 s."""


class Census:
    """Compares the store's folders with the index, one at a time; a folder that did not change since takes one look.

    Measured for a day of 8,640 clips: 0.42 s of processor time where the index has none of them, 0.13 s where all.
    """

    def __init__(self, store: Path, index: ClipIndex, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._index = index
        self._monotonic = monotonic
        self._to_visit: deque[str] = deque()
        self._n_beginnings = index.n_beginnings
        self.begin()

    @property
    def is_done(self) -> bool:
        """Whether every folder was looked at, and the index was not lost since."""
        if self._n_beginnings != self._index.n_beginnings:
            self.begin()
        return not self._to_visit

    def begin(self) -> None:
        """Look at every folder again, from the next `go_on` on."""
        self._n_beginnings = self._index.n_beginnings
        try:
            on_disk = find_folders(self._store)
        except OSError as error:
            _LOGGER.error("clips in %s cannot be looked for: %s", self._store, error.strerror or error)
            return
        self._to_visit = deque(sorted({*on_disk, *self._index.folders()}))

    def go_on(self, budget_s: float = float("inf")) -> None:
        """Look at folders until none is left or the time is up; at one at least, if there is any."""
        until_s = self._monotonic() + budget_s
        while not self.is_done:
            self._visit(self._to_visit.popleft())
            if self._monotonic() >= until_s:
                return

    def _visit(self, name: str) -> None:
        folder = self._store / name
        try:
            self._compare(folder, name)
        except FileNotFoundError:
            self._index.forget_folder(name)
        except OSError as error:  # one bad folder does not keep the others from being looked at
            _LOGGER.error("folder of clips %s cannot be read: %s", folder, error.strerror or error)

    def _compare(self, folder: Path, name: str) -> None:
        if folder.stat().st_mtime_ns == self._index.mtime_ns_of(name):
            return
        n_swept = sweep(folder)
        if n_swept:
            _LOGGER.warning("%d half-written file(s) removed from %s", n_swept, folder)
        mtime_ns = folder.stat().st_mtime_ns
        found, known = find_clips(folder), self._index.clips_in(name)
        new = [self._entry(folder, name, clip, n) for clip, n in found.items() if known.get(clip) != n]
        is_settled = abs(time.time_ns() - mtime_ns) > SETTLED_S * 1e9
        self._index.replace(name, known.keys() - found.keys(), new, mtime_ns=mtime_ns if is_settled else None)

    def _entry(self, folder: Path, name: str, clip: ClipName, n_bytes: int) -> Entry:
        claimed_s, is_dated = claimed_time(folder, clip)
        return Entry(name, clip, claimed_s, is_dated, n_bytes)
