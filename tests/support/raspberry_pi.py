"""64-bit Raspberry Pis on this machine: the node's aarch64 wheels on Debian's arm64 Python, under qemu-user."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sonyc_contract.runtime import Runtime

_TIMEOUT_S = 120.0


class Processor(StrEnum):
    """What qemu takes the place of. Its own default, `max`, has vectors (SVE) that no Pi has: see ADR 0026."""

    PI_3 = "cortex-a53"
    PI_4 = "cortex-a72"
    PI_5 = "cortex-a76"


@dataclass(frozen=True)
class RaspberryPi:
    """A Pi that runs programs of ours.

    Attributes:
        folder: What `tools/arm-root.sh` made.
        source: The folder of our packages.
        runtime: `TFLITE` takes NumPy 1 too, which that runtime needs; all else is as on a node.
        processor: The Pi's.
    """

    folder: Path
    source: Path
    runtime: Runtime = Runtime.LITERT
    processor: Processor = Processor.PI_4

    @property
    def python(self) -> list[str]:
        """What starts Python on it, to be called in `environment`."""
        seen_as_root = self.folder / self.processor
        return ["qemu-aarch64-static", "-cpu", self.processor, "-L", str(seen_as_root),
                str(self.folder / "debian/usr/bin/python3.11")]  # fmt: skip

    @property
    def environment(self) -> Mapping[str, str]:
        """This process's environment, but for where Python finds packages."""
        packages = [*([self.folder / "tflite"] if self.runtime is Runtime.TFLITE else []), self.folder / "node"]
        others = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {**others, "PYTHONPATH": os.pathsep.join(map(str, [self.source, *packages])), "PYTHONNOUSERSITE": "1"}

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Call Python with these arguments, and wait for its end.

        Raises:
            subprocess.TimeoutExpired: it took longer than two minutes.
        """
        command = [*self.python, *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
