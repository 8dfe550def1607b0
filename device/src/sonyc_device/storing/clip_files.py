"""Where clips lie on the disk: one folder per UTC day, or `unsynced/<session>/` while the clock is unset.

A clip is its audio (`<clip id>.mp3` or `.flac`, with `.age` behind it when sealed) and its sidecar (`<clip id>.json`).
The sidecar is written first and removed last: there is no audio without one, whenever the power goes.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sonyc_contract.files import write_whole
from sonyc_contract.messages import ClockQuality, StoredClip

BLOCK_BYTES: Final = 4096
"""What a file occupies is a multiple of this on ext4, FAT cards of up to 8 GB, and tmpfs."""
MAX_SIDECAR_BYTES: Final = 65_536
UNSYNCED: Final = "unsynced"

_CLIP_FILE: Final = re.compile(r"([0-9a-f]{16})-([1-9][0-9]{0,17})\.(json|(mp3|flac)(\.age)?)")
_PART: Final = re.compile(rf"\.{_CLIP_FILE.pattern}\..*\.part")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SESSION: Final = re.compile(r"[0-9a-f]{16}")
_AUDIO_SUFFIXES: Final = (".mp3", ".flac", ".mp3.age", ".flac.age")


@dataclass(frozen=True, order=True)
class ClipName:
    """A clip's identity, which its files are named by."""

    session: str
    seq: int

    def __str__(self) -> str:
        return f"{self.session}-{self.seq}"


def disk_bytes(n_bytes: int) -> int:
    """How much of a disk a file of that size occupies."""
    return -(-n_bytes // BLOCK_BYTES) * BLOCK_BYTES


def folder_name(clip: StoredClip) -> str:
    """Name the folder of a clip, below the store's."""
    if clip.clock is ClockQuality.UNSET:
        return f"{UNSYNCED}/{clip.session}"
    return clip.start_utc.date().isoformat()


def find_folders(store: Path) -> list[str]:
    """Name the folders of a store that clips may lie in; those that somebody else made are left out.

    Raises:
        OSError: the store cannot be read.
    """
    days = [name for name in _folders_in(store) if _DAY.fullmatch(name)]
    sessions = [name for name in _folders_in(store / UNSYNCED) if _SESSION.fullmatch(name)]
    return [*days, *(f"{UNSYNCED}/{name}" for name in sessions)]


def find_clips(folder: Path) -> dict[ClipName, int]:
    """Give the clips in a folder, and what the files of each occupy; what is named otherwise is not ours.

    Raises:
        OSError: the folder cannot be read.
    """
    found: dict[ClipName, int] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            match = _CLIP_FILE.fullmatch(entry.name)
            if match is None or not entry.is_file(follow_symlinks=False):
                continue
            name = ClipName(match[1], int(match[2]))
            with suppress(FileNotFoundError):  # removed in between
                found[name] = found.get(name, 0) + disk_bytes(entry.stat(follow_symlinks=False).st_size)
    return found


def sweep(folder: Path) -> int:
    """Remove what a kill left half-written, and say how many files that were.

    Raises:
        OSError: the folder cannot be read, or a file not be removed.
    """
    with os.scandir(folder) as entries:
        parts = [Path(entry.path) for entry in entries if _PART.fullmatch(entry.name)]
    for part in parts:
        part.unlink(missing_ok=True)
    return len(parts)


def write_clip(path: Path, audio: bytes, sidecar: bytes) -> None:
    """Write the sidecar, then the audio at `path`, each whole and through to the disk.

    Raises:
        OSError: a folder or file cannot be written; neither file is left behind.
    """
    make_folder(path.parent)
    beside = path.parent / f"{path.name.partition('.')[0]}.json"
    write_whole(beside, sidecar)
    try:
        write_whole(path, audio)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def remove_clip(folder: Path, name: ClipName) -> bool:
    """Remove a clip's files, the sidecar last, and the folder when it is empty; say whether there were any.

    Raises:
        OSError: one of them cannot be removed.
    """
    was_there = [_remove(folder / f"{name}{suffix}") for suffix in (*_AUDIO_SUFFIXES, ".json")]
    with suppress(OSError):  # it holds other clips, as a rule
        folder.rmdir()
    return any(was_there)


def claimed_time(folder: Path, name: ClipName) -> tuple[float, bool]:
    """Read from a clip's sidecar when it was recorded, in seconds of UTC, and whether the clock had been set.

    Where no sidecar says so, it is when the folder last changed: one bad entry stops nothing.

    Raises:
        OSError: the folder is gone.
    """
    try:
        with (folder / f"{name}.json").open("rb") as file:
            sidecar = json.loads(file.read(MAX_SIDECAR_BYTES))
        is_dated = sidecar["clock"] in {ClockQuality.SYNCED, ClockQuality.HOLDOVER}
        return datetime.fromisoformat(sidecar["start_utc"]).timestamp(), is_dated
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return folder.stat().st_mtime, False


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, closed to others, so that they are there after a power cut too.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o750, exist_ok=True)
    descriptor = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _folders_in(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return
