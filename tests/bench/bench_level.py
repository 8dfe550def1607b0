"""What sound levels cost: processor time per second of audio, and memory.

    make bench-level [SECONDS=60]

Noise is pushed in blocks of a second, as the agent's ring gives them. Of several passes the fastest counts: what
disturbs a pass only makes it slower.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

import sonyc_device.assembly  # noqa: F401 - what an agent has loaded anyway
from sonyc_contract.audio import to_int16
from sonyc_device.capture.source import Block, Int16Array
from support.signals import noise

N_PASSES = 3


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="length of a pass (default: %(default)s)")
    arguments = parser.parse_args()
    _say(f"load average before: {os.getloadavg()[0]:.1f}; beside other work these figures mean little")
    samples, before_mb = noise(1, 48_000), _pss_mb()
    for rate_hz in (44_100, 48_000):
        for with_bands in (False, True):
            block = to_int16(samples[:rate_hz])
            took_ms = min(_pass_ms(block, arguments.seconds, with_bands=with_bands) for _ in range(N_PASSES))
            what = "A, C, Z, F and third-octave bands" if with_bands else "A, C, Z and F"
            _say(f"{rate_hz} Hz, {what}: {took_ms:.2f} ms of processor time per second of audio")
    _say(f"memory beside what an agent has loaded anyway: {_pss_mb() - before_mb:.1f} MB (proportional set size)")


def _pass_ms(samples: Int16Array, n_seconds: int, *, with_bands: bool) -> float:
    """Measure as an agent does, minutes and clips of 10 s included."""
    from sonyc_device.level.calibration import FULL_SCALE
    from sonyc_device.level.watch import LevelWatch

    rate_hz = len(samples)
    levels = LevelWatch(rate_hz, with_bands=with_bands, with_minutes=True, keep_s=10, reference=FULL_SCALE)
    levels.push(Block(0, samples))
    started_s = time.process_time()
    for second in range(1, n_seconds + 1):
        levels.push(Block(second * rate_hz, samples))
        if second % 10 == 9:
            levels.levels_of((second - 9) * rate_hz, 10 * rate_hz)
    list(levels.take_minutes())
    return (time.process_time() - started_s) / n_seconds * 1_000


def _pss_mb() -> float:
    text = Path("/proc/self/smaps_rollup").read_text()
    (kilobytes,) = re.findall(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE)
    return int(kilobytes) / 1_024


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
