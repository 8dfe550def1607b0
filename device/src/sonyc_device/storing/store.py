"""Writes clips, sealed or in clear, each whole with its sidecar, and keeps the store within its limits."""

import errno
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sonyc_contract.files import sha256_hex
from sonyc_contract.messages import ClockQuality, Sealed, StoredClip, dump_message
from sonyc_contract.stored import SEALED_SUFFIX
from sonyc_device.clock import Clock
from sonyc_device.errors import StoreError, StoreFullError
from sonyc_device.storing.clip_files import ClipName, disk_bytes, folder_name, write_clip
from sonyc_device.storing.entries import Cause, Entry, Evicted
from sonyc_device.storing.eviction import Limits
from sonyc_device.storing.sealing import Clear, Sealer
from sonyc_device.storing.space import Space
from sonyc_device.storing.upkeep import Upkeep

_LOGGER = logging.getLogger(__name__)

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class StoreStatus:
    """What the store holds.

    Attributes:
        n_clips: Clips on the disk, as far as they were counted.
        n_bytes: What they occupy.
        quota_bytes: What they and the state folder may occupy.
        free_bytes: What is free on their file system ...
        reserve_bytes: ... and what is to stay free.
        evicted: What was deleted to keep the limits, since the index was made.
        n_stuck: Clips that could not be deleted.
        is_counted: Whether all that is on the disk was counted.
        oldest_utc: When the oldest clip was recorded, by the clock as it was; None where there is none.
        trouble: What went wrong when the store was last tended; empty where nothing did.
    """

    n_clips: int = 0
    n_bytes: int = 0
    quota_bytes: int = 0
    free_bytes: int = 0
    reserve_bytes: int = 0
    evicted: Mapping[Cause, Evicted] = field(default_factory=dict)
    n_stuck: int = 0
    is_counted: bool = True
    oldest_utc: datetime | None = None
    trouble: str = ""

    @property
    def n_evicted(self) -> int:
        """How many clips were deleted to keep the limits."""
        return sum(evicted.n_clips for evicted in self.evicted.values())


@dataclass(frozen=True)
class Place:
    """Where clips are kept.

    Attributes:
        store: The folder of the clips.
        state_folder: Where the index lies; what is in it counts in the quota beside the clips.
    """

    store: Path
    state_folder: Path


class ClipStore:
    """A folder of clips: `2026-11-23/<clip id>.mp3` and `.json`, or `unsynced/<session>/` while the clock is unset.

    One thread may write while another calls `age`. As long as nothing is written, and nothing was, it touches no disk.
    """

    def __init__(
        self,
        place: Place,
        limits: Limits,
        clock: Clock,
        *,
        form: Sealer | Clear | None,
        space: Space | None = None,
    ) -> None:
        """Say where and how clips are kept; nothing is opened yet.

        Args:
            place: The folders.
            limits: What the store may hold.
            clock: The node's clocks.
            form: How clips are written; None refuses to write.
            space: How much room there is; None asks the file system.
        """
        self._folder = place.store
        self._place = place
        self._limits = limits
        self._clock = clock
        self._form = form
        self._space = space or Space.of(place.store, place.state_folder)
        self._lock = threading.Lock()
        self._upkeep: Upkeep | None = None
        self._trouble = ""

    def write(self, clip: StoredClip, audio: bytes) -> Path:
        """Write a clip through to the disk; the oldest ones go first where it needs their room.

        Args:
            clip: Its sidecar, which says nothing of sealing yet.
            audio: Its encoded bytes, in clear.

        Returns:
            The audio file.

        Raises:
            StoreFullError: there is no room left under the limits.
            StoreError: it cannot be sealed, or the folder is missing or read-only; neither file is left behind.
        """
        clip, data = self._in_its_form(clip, audio)
        sidecar = dump_message(clip) + b"\n"
        folder = folder_name(clip)
        path = self._folder / folder / (clip.sealed.file if clip.sealed else clip.audio_file)
        n_bytes = disk_bytes(len(data)) + disk_bytes(len(sidecar))
        with self._lock:
            try:
                self._write(path, data, sidecar, n_bytes)
            except OSError as error:
                raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
            is_dated = clip.clock is not ClockQuality.UNSET
            name = ClipName(clip.session, clip.seq)
            self._opened.index.add(Entry(folder, name, clip.start_utc.timestamp(), is_dated, n_bytes))
        return path

    def age(self) -> None:
        """Delete what is too old or too much; to be called once a second. It never raises: `status` has the trouble."""
        with self._lock:
            if self._is_used:
                self._note(self._attempt(self._opened.tend))

    def make_room(self) -> None:
        """Delete the oldest clips, at once, until the limits hold: somebody else needs the disk. It never raises."""
        with self._lock:
            if self._is_used:
                self._note(self._attempt(self._opened.make_room))

    def status(self) -> StoreStatus:
        """Say what the store holds."""
        with self._lock:
            if not self._is_used:
                return StoreStatus(quota_bytes=self._limits.max_bytes, reserve_bytes=self._limits.reserve_bytes)
            index, oldest = self._opened.index, self._opened.index.oldest()
            return StoreStatus(
                n_clips=index.n_clips,
                n_bytes=index.n_bytes,
                quota_bytes=self._limits.max_bytes,
                free_bytes=self._free_bytes(),
                reserve_bytes=self._limits.reserve_bytes,
                evicted=index.evicted,
                n_stuck=index.n_stuck,
                is_counted=self._opened.is_counted,
                oldest_utc=_utc(oldest.claimed_s) if oldest else None,
                trouble=self._trouble,
            )

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            if self._upkeep is not None:
                self._upkeep.index.close()
                self._upkeep = None

    @property
    def _is_used(self) -> bool:
        return self._upkeep is not None or self._folder.is_dir()

    @property
    def _opened(self) -> Upkeep:
        if self._upkeep is None:
            self._upkeep = Upkeep(self._folder, self._place.state_folder, self._limits, self._space, self._clock)
        return self._upkeep

    def _in_its_form(self, clip: StoredClip, audio: bytes) -> tuple[StoredClip, bytes]:
        if self._form is None:
            raise StoreError(f"{self._folder}: neither recipients nor clear = true is set: nothing is written")
        if isinstance(self._form, Clear):
            return clip, audio
        data = self._form.seal(audio)
        sealed = Sealed(
            file=f"{clip.audio_file}{SEALED_SUFFIX}",
            sha256=sha256_hex(data),
            n_bytes=len(data),
            recipients=self._form.fingerprints,
        )
        return clip.model_copy(update={"sealed": sealed}), data

    def _write(self, path: Path, data: bytes, sidecar: bytes, n_bytes: int) -> None:
        self._opened.make_room(n_bytes)
        try:
            write_clip(path, data, sidecar)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            # Out of inodes, or of a quota that the file system does not tell of.
            self._opened.make_free(n_bytes)
            self._write_once_more(path, data, sidecar)

    def _write_once_more(self, path: Path, data: bytes, sidecar: bytes) -> None:
        try:
            write_clip(path, data, sidecar)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise StoreFullError(f"{path}: cannot be written: {error.strerror}") from error

    def _attempt(self, work: Callable[[], None]) -> str:
        """Do something, and give what went wrong; empty where nothing did."""
        try:
            work()
        except (StoreError, OSError) as error:
            return str(error)
        return ""

    def _note(self, trouble: str) -> None:
        if trouble and not self._trouble:
            _LOGGER.error("store: %s", trouble)
        elif self._trouble and not trouble:
            _LOGGER.info("store: its limits hold again")
        self._trouble = trouble

    def _free_bytes(self) -> int:
        try:
            return self._space.free_bytes()
        except OSError:  # which `trouble` tells of
            return 0


def _utc(claimed_s: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(claimed_s, UTC)
    except (ValueError, OverflowError, OSError):  # what a bad sidecar or a bad disk claims
        return None
