"""Every file that a process writes to, anywhere, with what was in it: fanotify, which only root may use."""

import ctypes
import os
import select
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


@dataclass
class FileWrites:
    """What processes wrote, since the watch began.

    Attributes:
        contents: By process and path: what the file held when it was looked at, once for each look that differed.
    """

    contents: dict[int, dict[Path, set[bytes]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    has_overflowed: bool = False

    def paths(self, pid: int) -> set[Path]:
        """The files that a process wrote to."""
        assert not self.has_overflowed
        return set(self.contents[pid])

    def that_hold(self, pid: int, needles: list[bytes]) -> list[Path]:
        """The files a process wrote to that ever held one of some byte strings."""
        return [
            path
            for path, versions in self.contents[pid].items()
            if any(needle in version for needle in needles for version in versions)
        ]


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
    writes, stopping = FileWrites(), threading.Event()
    reader = threading.Thread(target=_read, args=(watch, writes, stopping))
    reader.start()
    try:
        yield writes
    finally:
        stopping.set()
        reader.join()
        os.close(watch)


def _read(watch: int, writes: FileWrites, stopping: threading.Event) -> None:
    """Take events until it is time to stop and there are no more."""
    while select.select([watch], [], [], 0.2)[0] or not stopping.is_set():
        if not select.select([watch], [], [], 0)[0]:
            continue
        data = os.read(watch, 1 << 16)
        while data:
            length, _, _, _, mask, descriptor, pid = _EVENT.unpack_from(data)
            data = data[length:]
            writes.has_overflowed |= bool(mask & _FAN_Q_OVERFLOW)
            if descriptor >= 0:
                _note(writes, pid, descriptor)


def _note(writes: FileWrites, pid: int, descriptor: int) -> None:
    try:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if pid != os.getpid():
            with open(descriptor, "rb", closefd=False) as file:
                writes.contents[pid][path].add(file.read())
    except OSError:
        writes.contents[pid][Path("unreadable")].add(b"")
    finally:
        os.close(descriptor)
