"""How many times faster than real time `sonyc-device classify` is: whole commands on one core, their start included.

    make bench-classify [CLIPS=60]

A folder of made clips of 10 s at 48 kHz is classified at `pcm`, as clips that an agent stored as MP3 (they are only
decoded), and at `v5` (coded and decoded first). The commands take turns; of several passes the median counts.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.codec import encode
from sonyc_contract.levels import Level
from sonyc_contract.messages import dump_message
from support.signals import noise, write_wav
from support.stored_clips import sidecar_of

CLIP_S = 10
RATE_HZ = 48_000
N_PASSES = 5


@dataclass(frozen=True)
class Took:
    """What a command took: seconds on the clock, and of the processor."""

    wall_s: float
    cpu_s: float


def main() -> None:
    """Parse, make clips, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60, help="how many clips (default: %(default)s)")
    n_clips: int = parser.parse_args().clips
    _say(f"load average before: {os.getloadavg()[0]:.1f}; beside other work these figures mean little")
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(Path(folder), n_clips)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the commands inherit it
        passes: dict[str, list[Took]] = {name: [] for name in commands}
        for _ in range(N_PASSES):
            for name, command in commands.items():
                passes[name].append(_run(command))
    for name, took in passes.items():
        _say_factors(name, took, n_clips * CLIP_S)


def _say_factors(name: str, passes: list[Took], audio_s: int) -> None:
    walls_s, cpu_s = [took.wall_s for took in passes], statistics.median(took.cpu_s for took in passes)
    wall_s = statistics.median(walls_s)
    _say(
        f"{name:<30} {wall_s:.2f} s ({min(walls_s):.2f} to {max(walls_s):.2f}), {audio_s / wall_s:.0f} times real time;"
        f" {cpu_s:.2f} s of processor time, {audio_s / cpu_s:.0f} times"
    )


def _commands(folder: Path, n_clips: int) -> dict[str, list[str]]:
    plain, stored = folder / "plain", folder / "stored"
    stored.mkdir()
    for seq in range(1, n_clips + 1):
        samples = _street(seq)
        write_wav(plain / f"{seq:04}.wav", samples, RATE_HZ)
        _store(stored, encode(samples, RATE_HZ, level=Level.V5), seq)
    classify = [sys.executable, "-m", "sonyc_device", "classify"]
    return {
        "WAV at pcm": [*classify, str(plain)],
        "MP3 as stored by an agent": [*classify, str(stored)],
        "WAV at v5, coded and decoded": [*classify, "--level", "v5", str(plain)],
    }


def _street(seed: int) -> FloatArray:
    """Noise whose spectrum falls as traffic's does, swelling and fading, with a tone in it."""
    seconds = np.arange(CLIP_S * RATE_HZ) / RATE_HZ
    spectrum = np.fft.rfft(noise(CLIP_S, RATE_HZ, seed=seed))
    rumble = np.fft.irfft(spectrum / np.sqrt(1 + np.arange(len(spectrum)) / 1_000))
    swell = 1 + 0.8 * np.sin(2 * np.pi * seconds / 3 + seed)
    return np.asarray(swell * rumble + 0.05 * np.sin(2 * np.pi * (300 + 10 * seed) * seconds), np.float32)


def _store(folder: Path, audio: bytes, seq: int) -> None:
    sidecar = sidecar_of(audio, seq, level=Level.V5, storage_rate_hz=RATE_HZ)
    path = folder / sidecar.audio_file
    path.write_bytes(audio)
    path.with_suffix(".json").write_bytes(dump_message(sidecar))


def _run(command: list[str]) -> Took:
    before, started_s = os.times(), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    wall_s, after = time.perf_counter() - started_s, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Took(wall_s, cpu_s)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
