"""Processes that a test started, and waiting for a condition instead of an amount of time."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence

_POLL_S = 0.02
_STOP_TIMEOUT_S = 10.0


def wait_until(condition: Callable[[], bool], *, what: str, timeout_s: float = 20.0) -> None:
    """Return as soon as `condition()` is true.

    Raises:
        TimeoutError: it was not within `timeout_s`; the message says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(_POLL_S)


def unprivileged(command: Sequence[str]) -> list[str]:
    """A command that heeds the permissions of files, for root too."""
    return [*(["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []), *command]


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that this one started, politely first."""
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
