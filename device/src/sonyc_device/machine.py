"""What the machine says of itself: temperature, disk, memory. What it does not say is None, and never an error."""

import os
import shutil
from pathlib import Path
from typing import Final

from sonyc_contract.reports import MachineHealth

_THERMAL: Final = "class/thermal/thermal_zone0/temp"


def read_machine(folder: Path, *, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> MachineHealth:
    """Read the state of the machine.

    Args:
        folder: On the disk that is meant.
        proc: Where the kernel tells of processes.
        sys: Where it tells of devices.
    """
    free_bytes, total_bytes = _disk(folder)
    millidegrees = _number(sys / _THERMAL, 0)
    n_pages = _number(proc / "self" / "statm", 1)
    return MachineHealth(
        uptime_s=_number(proc / "uptime", 0),
        temperature_c=None if millidegrees is None else millidegrees / 1000.0,
        disk_free_bytes=free_bytes,
        disk_total_bytes=total_bytes,
        memory_bytes=None if n_pages is None else round(n_pages * os.sysconf("SC_PAGE_SIZE")),
        load_1min=_number(proc / "loadavg", 0),
    )


def _number(path: Path, position: int) -> float | None:
    """Read one of the numbers in a line."""
    try:
        return float(path.read_text().split()[position])
    except (OSError, ValueError, IndexError):
        return None


def _disk(folder: Path) -> tuple[int | None, int | None]:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None, None
    return usage.free, usage.total
