"""Small file systems of a test's own, which can be filled, and made read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """A mounted tmpfs.

    Attributes:
        folder: Where it is mounted.
    """

    folder: Path

    @property
    def free_bytes(self) -> int:
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize

    def fill(self, *, but_bytes: int = 0) -> Path:
        """Let somebody else's file take all but so many bytes."""
        path = self.folder / "somebody-elses"
        with path.open("ab") as file:
            while (n := min(self.free_bytes - but_bytes, 1 << 20)) > 0:
                file.write(bytes(n))
                file.flush()
        return path

    def remount(self, options: str) -> None:
        """Mount it again, `ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, *, size_bytes: int, n_inodes: int = 0) -> Iterator[SmallDisk]:
    """Mount a tmpfs of that size; skips the test where this user may not mount, which only root may."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={size_bytes},nr_inodes={n_inodes or 10_000}"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)
