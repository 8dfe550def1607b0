"""How often a bundle names the class of recordings whose class is known, at every level."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import read_audio, resample
from sonyc_contract.codec import round_trip
from sonyc_contract.errors import AudioError
from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_tools.bench.material import LabelledFile
from sonyc_tools.bench.recognising import Contender
from sonyc_tools.errors import BenchError


@dataclass(frozen=True)
class Accuracy:
    """What a bundle said of labelled recordings, after storage at one level.

    Attributes:
        contender: The bundle's name.
        level: The level.
        n_clips: How many recordings.
        top1: How often the most probable class was the right one.
        macro_f1: F1 of the most probable class, averaged over the classes that there are recordings of.
    """

    contender: str
    level: Level
    n_clips: int
    top1: float
    macro_f1: float


def accuracy_of(
    contender: Contender,
    files: Sequence[LabelledFile],
    levels: Sequence[Level],
    *,
    on_refused: Callable[[str], None] = lambda _reason: None,
) -> list[Accuracy]:
    """Store and score every recording at every level.

    Args:
        contender: The bundle.
        files: The recordings, at least one.
        levels: The levels.
        on_refused: Told why a file is left out that is not usable audio.

    Raises:
        BenchError: none of them is usable audio.
    """
    recogniser = contender.recogniser(contender.spec)
    rate_hz = contender.bundle.manifest.storage_rate_hz
    said: dict[Level, list[int]] = {level: [] for level in levels}
    truth: list[int] = []
    for file in files:
        try:
            audio = read_audio(file.path)
        except AudioError as error:
            on_refused(f"left out of the accuracy: {error}")
            continue
        truth.append(LABELS.index(file.label))
        samples = resample(audio.samples, audio.rate_hz, rate_hz)
        for level in levels:
            stored = round_trip(samples, rate_hz, level=level)
            said[level].append(int(recogniser.score(stored, rate_hz, level=level).probabilities.argmax()))
    if not truth:
        raise BenchError(f"none of {len(files)} labelled recordings is usable audio")
    return [_accuracy(contender.name, level, truth, said[level]) for level in levels]


def _accuracy(name: str, level: Level, truth: Sequence[int], said: Sequence[int]) -> Accuracy:
    right = np.equal(truth, said)
    scores = [_f1(np.equal(truth, k), np.equal(said, k)) for k in sorted(set(truth))]
    return Accuracy(name, level, len(truth), float(right.mean()), float(np.mean(scores)))


def _f1(is_true: NDArray[np.bool_], is_said: NDArray[np.bool_]) -> float:
    return float(2 * (is_true & is_said).sum() / (is_true.sum() + is_said.sum()))
