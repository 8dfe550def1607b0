"""The machine that the figures are of."""

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_CPU_KEYS = ("model name", "Model", "Hardware")
_PACKAGES = ("sonyc-tools", "sonyc-device", "ai-edge-litert", "tflite-runtime", "numpy", "scipy", "soxr", "pedalboard")


@dataclass(frozen=True)
class Machine:
    """What it is, and how busy it was when the run began.

    Attributes:
        cpu: Name of its processor.
        n_cpus: How many of them this process may use.
        memory_mb: Physical memory.
        governor: How the kernel sets the clock rate; empty where it does not say.
        system: Kernel and architecture.
        python: Version.
        packages: Versions of what the figures depend on.
        load_average: Over the minute before the run.
    """

    cpu: str
    n_cpus: int
    memory_mb: int
    governor: str
    system: str
    python: str
    packages: dict[str, str]
    load_average: float

    @property
    def is_busy(self) -> bool:
        """Whether others had a processor's worth of work before the run."""
        return self.load_average >= 1.0


def this_machine() -> Machine:
    """Describe the machine that this process runs on."""
    return Machine(
        cpu=_cpu(),
        n_cpus=_n_cpus(),
        memory_mb=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20,
        governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip(),
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        python=sys.version.split()[0],
        packages={name: version for name in _PACKAGES if (version := _version(name))},
        load_average=round(os.getloadavg()[0], 2),
    )


def _n_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux alone says which of them a process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    board = _text("/proc/device-tree/model").strip("\0 \n")  # a Raspberry Pi's own name
    if board:
        return board
    fields = dict(line.partition(":")[::2] for line in _text("/proc/cpuinfo").splitlines() if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    return next((named[key] for key in _CPU_KEYS if named.get(key)), platform.processor() or platform.machine())


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
