"""Classifies clips as the node does: what was stored, or would have been, is given to the head of its level."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from sonyc_contract.audio import FloatArray, from_int16, read_audio, resample, to_int16
from sonyc_contract.bundle import Bundle
from sonyc_contract.codec import decode, encode
from sonyc_contract.errors import AudioError, BundleError
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Recogniser, Scores
from sonyc_contract.runtime import Runtime
from sonyc_contract.stored import read_sidecar, refuse_sealed

if TYPE_CHECKING:
    from sonyc_device.config import NodeConfig

WARM_UP_RATE_HZ: Final = 22_050
"""No storage rate and no front end's, so that the resampler is needed too."""


@dataclass(frozen=True)
class FileScores:
    """What was found in one file.

    Attributes:
        scores: Probabilities, detections and head.
        level: The level whose head was used.
        duration_s: Length of the audio.
        is_cut: Whether the file promised more samples than it held.
        took_ms: Milliseconds from the samples as read to the scores: resampling, codec and recogniser.
    """

    scores: Scores
    level: Level
    duration_s: float
    is_cut: bool
    took_ms: float


class Classifier:
    """A bundle's recogniser with the codec in front of it. Not for two threads at a time.

    Attributes:
        bundle: What it was made from.
        runtime: What executes its models.
        recogniser: What scores samples.
        storage_rate_hz: The rate of the codec.
    """

    def __init__(self, bundle: Bundle, *, runtime: Runtime = Runtime.LITERT, n_threads: int = 1) -> None:
        """Open the models.

        Raises:
            ModelError: the runtime is missing or cannot load them.
            BundleError: the runtime is older than the bundle asks for.
        """
        self.bundle = bundle
        self.runtime = runtime
        self.storage_rate_hz = bundle.manifest.storage_rate_hz
        with native_messages_muted():
            self.recogniser: Recogniser = bundle.recogniser(runtime=runtime, n_threads=n_threads)

    def warm_up(self, *, level: Level = Level.V9) -> None:
        """Load codec and resampler, and run the embedding once, so that the first clip takes no longer than others.

        The encoder is left out where it is not needed: at `pcm`.

        Measured: the first clip took 500 ms and more, which are imports, instead of 2.
        """
        silence = np.zeros(WARM_UP_RATE_HZ, np.float32)
        samples, rate_hz = decode(self.encode(silence, WARM_UP_RATE_HZ, level=level))
        self.recogniser.embedder.embed(samples, rate_hz)

    def encode(self, samples: FloatArray, rate_hz: int, *, level: Level) -> bytes:
        """Encode float32 [n] as the store keeps it: at the bundle's storage rate and `level`."""
        return encode(resample(samples, rate_hz, self.storage_rate_hz), self.storage_rate_hz, level=level)

    def score_encoded(self, data: bytes, *, level: Level) -> Scores:
        """Decode what `encode` gave, or the store kept, and score it with the head of its level.

        Raises:
            CodecError: the bytes do not decode.
            LevelError: the bundle has no head for `level`.
        """
        samples, rate_hz = decode(data)
        return self.recogniser.score(samples, rate_hz, level=level)

    def score_raw(self, samples: FloatArray, rate_hz: int) -> Scores:
        """Score float32 [n] as `pcm`: at the storage rate and in 16 bits, without a codec.

        Raises:
            LevelError: the bundle has no head for `pcm`.
        """
        at_rate = from_int16(to_int16(resample(samples, rate_hz, self.storage_rate_hz)))
        return self.recogniser.score(at_rate, self.storage_rate_hz, level=Level.PCM)

    def score_file(self, path: Path, *, level: Level = Level.PCM) -> FileScores:
        """Classify one file. One that an agent stored is only decoded; any other goes through the codec at `level`.

        Raises:
            AudioError: the file is not usable audio, or is a stored clip that is sealed, without its sidecar or of
                another rate.
            LevelError: the bundle has no head for the level.
        """
        refuse_sealed(path)
        audio = read_audio(path)
        sidecar = read_sidecar(path)
        if sidecar is not None and sidecar.storage_rate_hz != self.storage_rate_hz:
            raise AudioError(
                f"{path}: stored at {sidecar.storage_rate_hz} Hz, but the bundle is for {self.storage_rate_hz} Hz; use "
                "a bundle for that rate"
            )
        started_s = time.perf_counter()
        if sidecar is not None:
            level = sidecar.level
            scores = self.recogniser.score(audio.samples, audio.rate_hz, level=level)
        elif level is Level.PCM:
            scores = self.score_raw(audio.samples, audio.rate_hz)
        else:
            scores = self.score_encoded(self.encode(audio.samples, audio.rate_hz, level=level), level=level)
        took_ms = 1000.0 * (time.perf_counter() - started_s)
        return FileScores(scores, level, audio.duration_s, audio.is_cut, took_ms)


def encode_and_score(
    classifier: Classifier, samples: FloatArray, rate_hz: int, config: "NodeConfig"
) -> tuple[bytes, Scores]:
    """Do with a clip what a node is configured to.

    Args:
        classifier: The node's.
        samples: float32 [n].
        rate_hz: The rate they were captured at.
        config: What is in effect.

    Returns:
        The clip as it is to be stored, empty where that is not needed, and what was found in it.
    """
    from sonyc_device.config import Classified, StoreMode

    level = config.store.level
    if config.classify.what is Classified.STORED:
        data = classifier.encode(samples, rate_hz, level=level)
        return data, classifier.score_encoded(data, level=level)
    is_stored = config.store.mode is not StoreMode.NONE
    data = classifier.encode(samples, rate_hz, level=level) if is_stored else b""
    return data, classifier.score_raw(samples, rate_hz)


def require_served(bundle: Bundle, *, level: Level, storage_rate_hz: int) -> None:
    """See that a bundle serves a node's level and storage rate.

    Raises:
        LevelError: it has no head for `level`.
        BundleError: it is for clips of another storage rate.
    """
    bundle.head_for(level)
    require_storage_rate(bundle, storage_rate_hz)


def require_storage_rate(bundle: Bundle, storage_rate_hz: int) -> None:
    """See that a bundle is for clips of a storage rate; the same level at another rate is another codec.

    Raises:
        BundleError: it is for another.
    """
    served_hz = bundle.manifest.storage_rate_hz
    if served_hz != storage_rate_hz:
        raise BundleError(
            f"bundle {bundle.manifest.name!r} is for clips stored at {served_hz} Hz, but storage_rate_hz = "
            f"{storage_rate_hz}: change the one or the other"
        )


@contextmanager
def native_messages_muted() -> Iterator[None]:
    """Keep what native libraries print off standard error, where one line is written for each error of ours."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
