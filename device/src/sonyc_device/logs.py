"""Log lines as JSON objects on standard error, for journald and for programs."""

import faulthandler
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, TextIO

MAX_NATIVE_LINES: Final = 100

_NATIVE = logging.getLogger("native")
_MAX_LINE_BYTES = 2_000
_READ_OUT_S = 1.0

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One object per record: time, level, logger, message, and what the caller gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Give a record as one line."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _PLAIN},
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


def log_to_stderr(level: str, stream: TextIO | None = None) -> None:
    """Send the log of this process to standard error, from `level` on.

    It has a descriptor of its own, because sounddevice sends descriptor 2 to nowhere while it looks for devices, and
    what other threads log meanwhile with it.
    """
    handler = logging.StreamHandler(stream or os.fdopen(os.dup(2), "w", encoding="utf-8"))
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


@contextmanager
def native_output_logged() -> Iterator[None]:
    """Let what else is written to descriptor 2 become records of the log: PortAudio, ALSA and others print there.

    Each different line is logged once, and at most `MAX_NATIVE_LINES` of them, because a missing microphone repeats the
    same ones at each attempt. Who writes never waits. What is printed by a process as it crashes is not lost with it:
    `faulthandler` prints to where descriptor 2 led before.
    """
    kept = os.fdopen(os.dup(2), "wb", buffering=0)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    was_enabled = faulthandler.is_enabled()
    faulthandler.enable(kept)
    os.dup2(writing, 2)
    os.close(writing)
    reader = threading.Thread(target=_log_lines, args=(reading,), name="native-output", daemon=True)
    reader.start()
    try:
        yield
    finally:
        os.dup2(kept.fileno(), 2)
        reader.join(_READ_OUT_S)  # a child process may hold the pipe open
        faulthandler.disable()
        if was_enabled:
            faulthandler.enable()
        kept.close()


def _log_lines(reading: int) -> None:
    """Thread: log each different line that comes, up to the end of the pipe."""
    seen: set[str] = set()
    with os.fdopen(reading, "rb") as pipe:
        while data := pipe.readline(_MAX_LINE_BYTES):
            line = data.decode(errors="replace").strip()
            if line and line not in seen and len(seen) < MAX_NATIVE_LINES:
                seen.add(line)
                _NATIVE.warning("%s", line)
