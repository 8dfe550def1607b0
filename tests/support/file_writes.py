"""Every file that a process writes to, anywhere, with what was in it: fanotify, which only root may use."""

import ctypes
import os
import struct
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_FAN_UNLIMITED_QUEUE, _FAN_CLOEXEC = 0x10, 0x01
_FAN_MARK_ADD, _FAN_MARK_FILESYSTEM = 0x01, 0x100
_FAN_MODIFY, _FAN_CLOSE_WRITE, _FAN_Q_OVERFLOW = 0x02, 0x08, 0x4000
_AT_FDCWD = -100
_EVENT = struct.Struct("=IBBHQii")


MAX_FILE_BYTES = 16 << 20
MAX_KEPT_BYTES = 512 << 20


@dataclass
class FileWrites:
    """What child processes of this one wrote, since the watch began.

    Attributes:
        contents: By process and path: what the file held when it was looked at; of a file that grew, its last state.
        problem: Why not all was seen; empty where it was.
    """

    contents: dict[int, dict[Path, list[bytes]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    problem: str = ""
    _are_ours: dict[int, bool] = field(default_factory=dict)
    _n_bytes: int = 0

    def paths(self, pid: int) -> set[Path]:
        """The files that a process wrote to."""
        assert not self.problem
        return set(self.contents[pid])

    def that_hold(self, pid: int, needles: list[bytes]) -> list[Path]:
        """The files a process wrote to that ever held one of some byte strings."""
        assert not self.problem
        return [
            path
            for path, versions in self.contents[pid].items()
            if any(needle in version for needle in needles for version in versions)
        ]

    def is_ours(self, pid: int) -> bool:
        """Whether a process is a child of this one; others on the machine write too, and that is not looked at."""
        if pid not in self._are_ours:
            try:
                status = Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                return False
            self._are_ours[pid] = int(status.rpartition(")")[2].split()[1]) == os.getpid()
        return self._are_ours[pid]

    def note(self, pid: int, path: Path, content: bytes) -> None:
        """Note what a file holds after a write."""
        versions = self.contents[pid][path]
        if versions and content.startswith(versions[-1]):
            self._n_bytes -= len(versions.pop())
        versions.append(content)
        self._n_bytes += len(content)
        if len(content) > MAX_FILE_BYTES or self._n_bytes > MAX_KEPT_BYTES:
            self.problem = f"more was written than is kept here, {path} among it"
            self.contents.clear()
            self._n_bytes = 0


@contextmanager
def writes_watched(folder: Path) -> Iterator[FileWrites]:
    """Watch the file systems of a folder, of the system's temporary files, and of shared memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.fanotify_init(_FAN_UNLIMITED_QUEUE | _FAN_CLOEXEC, os.O_RDONLY | os.O_CLOEXEC)
    if watch < 0:
        pytest.skip(f"what a process writes cannot be watched here: {os.strerror(ctypes.get_errno())}")
    for place in {folder, Path(tempfile.gettempdir()), Path("/"), Path("/var/tmp"), Path("/dev/shm"), Path("/run")}:
        mask = ctypes.c_uint64(_FAN_MODIFY | _FAN_CLOSE_WRITE)
        flags = _FAN_MARK_ADD | _FAN_MARK_FILESYSTEM
        if place.exists() and libc.fanotify_mark(watch, flags, mask, _AT_FDCWD, str(place).encode()) < 0:
            os.close(watch)
            pytest.skip(f"{place} cannot be watched: {os.strerror(ctypes.get_errno())}")
    writes, last = FileWrites(), folder / "end of the watch"
    reader = threading.Thread(target=_read, args=(watch, writes, last))
    reader.start()
    try:
        yield writes
    finally:
        last.write_bytes(b"events come in their order, so that none of before is missing when this one has come")
        reader.join()
        last.unlink()
        os.close(watch)


def _read(watch: int, writes: FileWrites, last: Path) -> None:
    """Take events up to this process's own write of a file, however much others write meanwhile."""
    is_over = False
    while not is_over:
        data = os.read(watch, 1 << 16)
        while data:
            length, _, _, _, mask, descriptor, pid = _EVENT.unpack_from(data)
            data = data[length:]
            if mask & _FAN_Q_OVERFLOW:
                writes.problem = "the kernel's queue overflowed"
            if descriptor >= 0:
                is_over |= _look(writes, pid, descriptor) == last


def _look(writes: FileWrites, pid: int, descriptor: int) -> Path | None:
    """Note what a process of ours wrote; gives the file that this process itself wrote."""
    with open(descriptor, "rb", buffering=0) as file:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if writes.is_ours(pid):
            writes.note(pid, path, file.read(MAX_FILE_BYTES + 1) or b"")
        return path if pid == os.getpid() else None
