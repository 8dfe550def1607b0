"""Keeps a store that is in use within its limits, and its index true."""

from pathlib import Path
from typing import Final

from sonyc_device.clock import Clock
from sonyc_device.errors import StoreFullError
from sonyc_device.storing.census import Census
from sonyc_device.storing.eviction import Evictor, Limits
from sonyc_device.storing.index import ClipIndex
from sonyc_device.storing.space import Space
from sonyc_device.storing.steady_clock import SteadyClock

INDEX_FILE: Final = "clips.sqlite"
LOOK_AGAIN_S: Final = 3600.0
"""How often the disk is compared with the index: an operator may have fetched clips, and removed them."""
TEND_S: Final = 30.0
BUDGET_S: Final = 0.2
"""How long the store may be looked through or deleted from in one go: a clip waits for no longer to be written."""


class Upkeep:
    """Index, census and eviction of one store. Not for two threads at a time.

    Attributes:
        index: The clips that are known.
    """

    def __init__(self, store: Path, state_folder: Path, limits: Limits, space: Space, clock: Clock) -> None:
        self.index = ClipIndex(state_folder / INDEX_FILE, store)
        self._clock = clock
        self._steady_clock = SteadyClock(clock)
        self._census = Census(store, self.index, monotonic=clock.monotonic_s)
        self._evictor = Evictor(store, self.index, limits, space, monotonic=clock.monotonic_s)
        self._look_again_s = clock.monotonic_s() + LOOK_AGAIN_S
        self._tend_s = clock.monotonic_s()

    @property
    def is_counted(self) -> bool:
        """Whether all that is on the disk is in the index."""
        return self._census.is_done

    def make_room(self, n_bytes: int = 0) -> None:
        """Evict until `n_bytes` more keep the limits; nothing goes before it is known what is the oldest.

        Raises:
            StoreFullError: they do not, though nothing is left that could go.
            StoreError: the store is read-only.
            OSError: its file system cannot be asked.
        """
        while not self._evictor.has_room(n_bytes):
            if self._census.is_done:
                is_made = self._evictor.make_room(n_bytes)
                if not is_made and self._census.is_done:  # else the index was lost meanwhile
                    raise StoreFullError(self._evictor.say_room(n_bytes))
            else:
                self._census.go_on()

    def make_free(self, n_bytes: int) -> None:
        """Evict clips that occupy `n_bytes`, whatever the disk says of its room.

        Raises:
            StoreError: the store is read-only.
        """
        self._census.go_on()
        self._evictor.make_free(n_bytes)

    def tend(self) -> None:
        """Do a little of what there is to do; to be called once a second.

        Raises:
            StoreFullError: the limits do not hold, though nothing is left that could go.
            StoreError: the store is read-only.
            OSError: its file system cannot be asked.
        """
        began_s = self._clock.monotonic_s()
        now_s = self._steady_clock.now_s()
        if began_s >= self._look_again_s:
            self._look_again_s = began_s + LOOK_AGAIN_S
            self.index.try_again()
            self._census.begin()
        if not self._census.is_done:
            self._census.go_on(BUDGET_S)
        elif began_s >= self._tend_s:
            self._tend_s = began_s + TEND_S
            self._keep_limits(now_s)
            if self._clock.monotonic_s() >= began_s + BUDGET_S:
                self._tend_s = began_s  # there was more than one go could do

    def _keep_limits(self, now_s: float | None) -> None:
        if now_s is not None:
            self._evictor.expire(now_s, budget_s=BUDGET_S)
        began_s = self._clock.monotonic_s()
        has_room = self._evictor.make_room(budget_s=BUDGET_S)
        if not has_room and self._clock.monotonic_s() < began_s + BUDGET_S:
            raise StoreFullError(self._evictor.say_room(0))
