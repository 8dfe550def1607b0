"""What a bundle adds to a process that has the runtime and SciPy's FFT, and no model yet."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sonyc_contract.runtime import Runtime
from sonyc_tools.bench.process_figures import PeakMemory, peak_resident_mb
from sonyc_tools.bench.recognising import Contender
from sonyc_tools.errors import ProcessError

_N_CLIPS = 3
_CLIP_S = 10


@dataclass(frozen=True)
class RecogniserMemory:
    """Memory in MB.

    Attributes:
        before_mb: Proportional set size with everything imported and no bundle read.
        added_mb: How far the peak of the resident set rose above that, over reading the bundle and scoring clips of
            10 s, these included.
    """

    before_mb: float
    added_mb: float


def memory_of(contender: Contender) -> RecogniserMemory:
    """Measure in a process of its own.

    Raises:
        ProcessError: it ended with an error.
    """
    options = [str(contender.path), contender.runtime.value, str(contender.n_threads)]
    command = [sys.executable, "-m", "sonyc_tools.bench.memory", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ProcessError(f"measuring the memory of {contender} failed: {reason}")
    return RecogniserMemory(**json.loads(done.stdout.splitlines()[-1]))


def _measure(bundle: Path, runtime: Runtime, n_threads: int) -> RecogniserMemory:
    import importlib

    import numpy as np
    import scipy.fft
    import soxr

    from sonyc_contract.bundle import read_bundle
    from sonyc_contract.recognise import ANY_HEAD

    modules = {Runtime.LITERT: "ai_edge_litert.interpreter", Runtime.TFLITE: "tflite_runtime.interpreter"}
    importlib.import_module(modules[runtime])
    clip = np.random.default_rng(1).normal(0, 0.1, _CLIP_S * 48_000).astype(np.float32)
    scipy.fft.rfft(soxr.resample(clip[:48_000], 48_000, 16_000))
    before = PeakMemory(os.getpid())
    before.look()
    _forget_peak()
    resident_mb = peak_resident_mb()
    opened = read_bundle(bundle)
    recogniser = opened.recogniser(runtime=runtime, n_threads=n_threads)
    head = ANY_HEAD if ANY_HEAD in recogniser.heads else next(iter(recogniser.heads))
    for _ in range(_N_CLIPS):
        recogniser.score_with(head, clip, 48_000)
    return RecogniserMemory(round(before.pss_mb, 1), round(peak_resident_mb() - resident_mb, 1))


def _forget_peak() -> None:
    """Let the kernel count the peak from now on (proc(5), clear_refs)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


if __name__ == "__main__":
    _found = _measure(Path(sys.argv[1]), Runtime(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(vars(_found)) + "\n")
