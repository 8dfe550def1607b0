"""How much memory a process has of its own."""

import os
import statistics
import time
from pathlib import Path

N_SAMPLES = 20
EVERY_S = 0.05


def anonymous_mb(pid: int) -> float:
    """Median over a second of a process's heaps and stacks, in MB: neither files it maps nor clips in work count."""
    samples = []
    for _ in range(N_SAMPLES):
        samples.append(_anonymous_kb(pid) / 1024)
        time.sleep(EVERY_S)
    return statistics.median(samples)


def anonymous_mb_now() -> float:
    """This process's heaps and stacks, in MB."""
    return _anonymous_kb(os.getpid()) / 1024


def _anonymous_kb(pid: int) -> int:
    lines = (Path("/proc") / str(pid) / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
