"""Where each microsecond of the recogniser goes: every step of it alone, on a clip of 10 s, one thread.

    make bench-recogniser [MODEL=FILE]

The steps repeat what `Recogniser.score_with` does, in rounds of a shuffled order: each comes after others that have
emptied the caches for it, as in the whole. The floor of the embedding is its multiplications over the rate of a
well-shaped network: of MODEL, a TFLite file with int8 convolutions, or else of the embedding itself.
"""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
import scipy.fft

from sonyc_contract.audio import FloatArray, check_finite, resample
from sonyc_contract.bundle import EMBEDDING, read_bundle
from sonyc_contract.frontend import Frontend
from sonyc_contract.recognise import ANY_HEAD
from sonyc_contract.runtime import open_interpreter
from sonyc_tools.bench.graphs import n_macs, open_litert
from sonyc_tools.bench.timing import measure
from support.signals import noise

CLIP_S = 10
RATE_HZ = 48_000
N_REPS = 100
BLOCK = 128


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a TFLite file whose rate of multiplications is the floor's")
    arguments = parser.parse_args()
    _say(f"load average before: {os.getloadavg()[0]:.1f}; beside other work compare the steps, not the machines")
    times = measure({name: partial(_once, step) for name, step in _steps().items()}, n_reps=N_REPS)
    for name, found in times.items():
        _say(f"{name:<44} {found.cpu.median / CLIP_S * 1e6:7.1f} us of processor time per s of audio")
    _say_floor(arguments.model)


def _once(step: Callable[[], object], _rep: int) -> None:
    step()


def _steps() -> dict[str, Callable[[], object]]:
    bundle = read_bundle(Path(str(resources.files("sonyc_device") / "bundles" / "default.bundle")))
    recogniser = bundle.recogniser()
    spec, embedder, head = bundle.manifest.embedding, recogniser.embedder, recogniser.heads[ANY_HEAD]
    frontend, clip = Frontend(spec.frontend), noise(CLIP_S, RATE_HZ)
    at_rate = resample(clip, RATE_HZ, spec.frontend.rate_hz)
    features, embeddings = embedder.features(clip, RATE_HZ), embedder.embed(clip, RATE_HZ)
    embedding = open_interpreter(bundle.members[EMBEDDING])
    model = open_litert(bundle.members[EMBEDDING], with_delegate=True)
    return {
        "whole": lambda: recogniser.score_with(ANY_HEAD, clip, RATE_HZ),
        "check that samples are finite": lambda: check_finite(clip, "clip"),
        "resample 48 to 16 kHz (soxr HQ)": lambda: resample(clip, RATE_HZ, spec.frontend.rate_hz),
        "front end": lambda: frontend.windows(at_rate, window_s=spec.window_s, hop_s=spec.hop_s),
        **{f"  {name}": step for name, step in _frontend_steps(frontend, at_rate).items()},
        "embedding": lambda: embedding.run(features),
        "  invoke alone": lambda: [model.invoke() for _ in features],
        "pooling and head": lambda: head.run(embeddings.mean(axis=0, keepdims=True)),
        "head of every window, for the peaks": lambda: head.run(embeddings),
    }


def _frontend_steps(frontend: Frontend, samples: FloatArray) -> dict[str, Callable[[], object]]:
    spec = frontend.spec
    views = np.lib.stride_tricks.sliding_window_view(samples, spec.window_samples)[:: spec.hop_samples]
    window = np.hanning(spec.window_samples + 1)[:-1].astype(np.float32)
    frames = np.zeros((BLOCK, spec.n_fft), np.float32)
    spectrum = scipy.fft.rfft(noise(BLOCK * spec.n_fft / RATE_HZ, RATE_HZ).reshape(BLOCK, spec.n_fft))
    magnitude = np.abs(spectrum)
    mel = np.empty((len(views), spec.n_mels), np.float32)
    starts = range(0, len(views), BLOCK)

    def windowed() -> None:
        for start in starts:
            block = views[start : start + BLOCK]
            np.multiply(block, window, out=frames[: len(block), : spec.window_samples])

    def mels() -> None:
        for start in starts:
            part = mel[start : start + BLOCK]
            for hears, bins, weights in frontend._mel_groups:
                np.matmul(magnitude[: len(part), bins], weights, out=part[:, hears])

    def logarithm() -> None:
        scaled = np.abs(mel)
        np.log(scaled + spec.floor, out=scaled)

    return {
        "multiply by the window": windowed,
        "FFT": lambda: [scipy.fft.rfft(frames, axis=-1) for _ in starts],
        "magnitude": lambda: [np.abs(spectrum) for _ in starts],
        "mel bank, group by group": mels,
        "logarithm": logarithm,
    }


def _say_floor(path: Path | None) -> None:
    bundle = read_bundle(Path(str(resources.files("sonyc_device") / "bundles" / "default.bundle")))
    own = bundle.members[EMBEDDING]
    shaped = path.read_bytes() if path else own
    model = open_litert(shaped, with_delegate=True)
    took_s = measure({"it": lambda _rep: model.invoke()}, n_reps=N_REPS)["it"].cpu.median
    per_s = n_macs(shaped) / took_s
    floor_us = n_macs(own) / bundle.manifest.embedding.hop_s / per_s * 1e6
    name = path.name if path else "the embedding itself"
    _say(f"{name}: {n_macs(shaped) / 1e6:.1f} M multiplications at {per_s / 1e9:.0f} G per s")
    _say(f"the embedding has {n_macs(own) / 1e6:.2f} M per window: at that rate {floor_us:.0f} us per s of audio")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
