"""How much room there is: on the file system, and under what our own folders occupy."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sonyc_device.storing.clip_files import disk_bytes


@dataclass(frozen=True)
class Space:
    """How much room there is; a test may say so too.

    Attributes:
        free_bytes: Gives how many bytes of the store's file system are free; OSError where it cannot be asked.
        other_bytes: Gives what lies in the state folder, without the clips, and counts in the quota too.
    """

    free_bytes: Callable[[], int]
    other_bytes: Callable[[], int]

    @classmethod
    def of(cls, store: Path, state_folder: Path) -> "Space":
        """Ask the file system."""
        return cls(lambda: free_bytes(store), lambda: occupied_bytes(state_folder, but_not=store))


def free_bytes(folder: Path) -> int:
    """How many bytes of its file system are free for us; the folder itself may not exist yet.

    Raises:
        OSError: nothing above it can be looked at either.
    """
    state = os.statvfs(_existing(folder))
    return state.f_bavail * state.f_frsize


def total_bytes(folder: Path) -> int:
    """How large its file system is; the folder itself may not exist yet.

    Raises:
        OSError: nothing above it can be looked at either.
    """
    state = os.statvfs(_existing(folder))
    return state.f_blocks * state.f_frsize


def occupied_bytes(folder: Path, *, but_not: Path) -> int:
    """What the files in a folder and below occupy, without those in `but_not`; what cannot be read counts nothing."""
    total = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(parent, name) != but_not]
        total += sum(_size(Path(parent, name)) for name in names)
    return total


def _size(path: Path) -> int:
    try:
        return disk_bytes(path.lstat().st_size)
    except OSError:  # gone in between
        return 0


def _existing(folder: Path) -> Path:
    return next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)
