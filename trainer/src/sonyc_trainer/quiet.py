"""Keep what native libraries write to the process's standard output and error out of ours."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NOWHERE: Final = Path(os.devnull)

_LOCK: Final = threading.Lock()
_DEPTHS: Final = [0]
_SAVED: Final[list[int]] = []


@contextmanager
def output_to(log: Path) -> Iterator[None]:
    """Lead file descriptors 1 and 2 to the end of `log` meanwhile; errors still come as exceptions.

    The descriptors are the whole process's: where other threads or outer blocks are within this already, the output
    goes where the first one led it, and comes back when the last one leaves.
    """
    with _LOCK:
        _DEPTHS[0] += 1
        if _DEPTHS[0] == 1:
            _redirect(log)
    try:
        yield
    finally:
        with _LOCK:
            _DEPTHS[0] -= 1
            if _DEPTHS[0] == 0:
                _restore()


def _redirect(log: Path) -> None:
    _flush()
    _SAVED.extend((os.dup(1), os.dup(2)))
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _restore() -> None:
    _flush()
    for target, descriptor in enumerate(_SAVED, start=1):
        os.dup2(descriptor, target)
        os.close(descriptor)
    _SAVED.clear()


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
