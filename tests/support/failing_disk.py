"""A real ext4 file system that can be made to fail as a worn card does: from then on it can only be read."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.system_packages import find_program, require_system


@dataclass
class FailingDisk:
    """A mounted image.

    Attributes:
        folder: Where it is mounted.
        image: The file that holds it.
    """

    folder: Path
    image: Path

    def mount(self) -> None:
        """Mount it; skips the test where this user may not, which only root may."""
        done = _run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.folder))
        if done.returncode:
            pytest.skip(f"an image cannot be mounted here: {done.stderr.strip()}")

    def fail(self) -> None:
        """Let the file system find an error in itself, with files open."""
        device = _run("findmnt", "-no", "SOURCE", str(self.folder)).stdout.strip()
        (Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error").write_text("told to")

    def repair(self) -> None:
        """Check and mount it again, as a reboot does; nobody may use it meanwhile."""
        self.unmount()
        _run("e2fsck", "-fy", str(self.image))
        self.mount()

    def unmount(self) -> None:
        """Take it away."""
        _run("umount", "-l", str(self.folder))


@contextmanager
def failing_disk(folder: Path, *, size_bytes: int) -> Iterator[FailingDisk]:
    """Make an image beside `folder`, and mount it there."""
    require_system("e2fsprogs")
    folder.mkdir(parents=True)
    disk = FailingDisk(folder, folder.with_suffix(".img"))
    with disk.image.open("wb") as image:
        image.truncate(size_bytes)
    _run("mkfs.ext4", "-q", str(disk.image))
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()


def _run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([find_program(program) or program, *arguments], check=False, capture_output=True, text=True)
