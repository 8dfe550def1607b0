"""The folder in which an agent keeps what must outlive it; one agent at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sonyc_device.errors import AgentRunningError, DeviceError


@contextmanager
def state_folder(folder: Path) -> Iterator[Path]:
    """Make the folder where it is missing, and hold it for this process.

    The folder itself is locked, not a file in it: on a disk that is full or read-only an agent can run too, and hold
    its messages in memory.

    Raises:
        AgentRunningError: another agent holds it.
        DeviceError: it is missing and cannot be made, or cannot be opened.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise DeviceError(f"state folder {folder}: cannot be used: {error.strerror or error}") from error
    try:
        _lock(descriptor, folder)
        yield folder
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise AgentRunningError(
            f"state folder {folder}: another agent uses it; stop that one, or set another state_folder"
        ) from error
