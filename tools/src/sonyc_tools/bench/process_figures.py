"""Memory and processor time of a process, from Linux's /proc."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EVERY_S = 0.2
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


class PeakMemory:
    """The largest proportional set size that was seen: what is shared with others counts in parts."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.pss_mb = 0.0

    def look(self) -> None:
        """Look once; a process that has ended is passed over."""
        try:
            found = _PSS.search((Path("/proc") / str(self._pid) / "smaps_rollup").read_text())
        except OSError:
            return
        if found:
            self.pss_mb = max(self.pss_mb, int(found[1]) / 1024)


@contextmanager
def watched_memory(pid: int) -> Iterator[PeakMemory]:
    """Look at a process five times a second as long as the context lasts."""
    peak, stop = PeakMemory(pid), threading.Event()

    def watch() -> None:
        while not stop.wait(_EVERY_S):
            peak.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def cpu_s(pid: int) -> float:
    """Give the processor time that a process has used, user and system.

    Raises:
        OSError: there is no such process.
    """
    fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_resident_mb() -> float:
    """Give the largest resident set that this process ever had, in MB; 0 where the system does not say."""
    try:
        found = _PEAK.search(Path("/proc/self/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
