"""The folder in which an agent keeps what must outlive it; one agent at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sonyc_device.errors import AgentRunningError, DeviceError


@contextmanager
def state_folder(folder: Path) -> Iterator[Path]:
    """Make the folder where it is missing, and hold it for this process.

    Raises:
        AgentRunningError: another agent holds it.
        DeviceError: it cannot be written.
    """
    lock_path = folder / "agent.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_path.open("ab")
    except OSError as error:
        raise DeviceError(f"state folder {folder}: cannot be written: {error.strerror or error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AgentRunningError(
                f"state folder {folder}: another agent uses it; stop that one, or set another state_folder"
            ) from error
        yield folder
