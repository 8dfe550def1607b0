"""OpenL3 as its own package computes it, where that is installed: in a process of its own, which loads TensorFlow.

What it costs does not depend on its weights: the network is given random ones.
"""

import json
import os
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sonyc_tools.bench.timing import Estimate, estimate
from sonyc_tools.errors import ProcessError

_RATE_HZ = 48_000
_CLIP_S = 10
_N_REPS = 3
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


@dataclass(frozen=True)
class OpenL3Cost:
    """Processor time per second of audio at 48 kHz, windows of 1 s side by side, 512 numbers of 256 mels."""

    version: str
    ms_per_s: Estimate


def is_installed() -> bool:
    """Whether the package is there."""
    return util.find_spec("openl3") is not None


def openl3_cost() -> OpenL3Cost:
    """Measure it.

    Raises:
        ProcessError: its process ended with an error.
    """
    command = [sys.executable, "-m", "sonyc_tools.bench.openl3_peer"]
    environment = {**os.environ, **_ENVIRONMENT}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ProcessError(f"openl3 cannot be measured: {reason}")
    found = json.loads(done.stdout.splitlines()[-1])
    return OpenL3Cost(f"openl3 {metadata.version('openl3')}", estimate(found))


def _measure() -> list[float]:
    warnings.simplefilter("ignore")
    import openl3
    from openl3.models import AUDIO_MODELS, load_audio_embedding_model_from_path

    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "random.h5")
        AUDIO_MODELS["mel256"](include_frontend=False).save_weights(path)
        model = load_audio_embedding_model_from_path(path, "mel256", 512)
    clip = np.random.default_rng(1).normal(0, 0.1, _CLIP_S * _RATE_HZ).astype(np.float32)
    taken = []
    for _ in range(1 + _N_REPS):
        before_s = time.process_time()
        openl3.get_audio_embedding(clip, _RATE_HZ, model=model, hop_size=1.0, center=False, verbose=False)
        taken.append((time.process_time() - before_s) * 1_000 / _CLIP_S)
    return taken[1:]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure()) + "\n")
