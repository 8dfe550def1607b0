"""Figures of recognition: counts per class, accuracy, macro-F1, and the thresholds of the highest F1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.labels import LABELS, N_LABELS
from sonyc_contract.recognise import Probabilities
from sonyc_trainer.learning import Indices
from sonyc_trainer.statistics.counts import Flags

Confusion = NDArray[np.int64]

_MIN_POSITIVES = 5
_DEFAULT_THRESHOLD = 0.5
# With few recordings of a class the best threshold on them can be anything, 0.05 and 0.95 among it.
_THRESHOLD_RANGE = (0.3, 0.7)


@dataclass(frozen=True)
class ClassFigures:
    """One class: counts, and what follows from them; a ratio without a denominator is 0."""

    label: str
    support: int
    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float:
        """Share of the clips given this class that have it."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the clips of this class that were given it."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def confusion(truth: Indices, predicted: Indices) -> Confusion:
    """Count clips by true class (rows) and predicted class (columns), int64 [8, 8]."""
    counts = np.bincount(truth * N_LABELS + predicted, minlength=N_LABELS * N_LABELS)
    return np.asarray(counts.reshape(N_LABELS, N_LABELS), dtype=np.int64)


def class_figures(truth: Flags, decided: Flags) -> list[ClassFigures]:
    """Give the figures of all eight classes, in taxonomy order, from bool [n, 8] of true and of decided classes."""
    hits, truths, decisions = (flags.sum(axis=0) for flags in (truth & decided, truth, decided))
    return [
        ClassFigures(label, int(truths[k]), int(hits[k]), int(decisions[k] - hits[k]), int(truths[k] - hits[k]))
        for k, label in enumerate(LABELS)
    ]


def accuracy(truth: Flags, decided: Flags) -> float:
    """Share of clips whose decided classes are exactly their own."""
    return _ratio(int(np.count_nonzero((truth == decided).all(axis=1))), len(truth))


def macro_f1(truth: Flags, decided: Flags, *, without: str | None = None) -> float:
    """Mean F1 over the classes that are there; `absent` names the others, and one can be left out of the mean."""
    figures = class_figures(truth, decided)
    present = [of_class.f1 for of_class in figures if of_class.support and of_class.label != without]
    return float(np.mean(present)) if present else 0.0


def absent(truth: Flags) -> tuple[str, ...]:
    """Name the classes of which there is no clip."""
    return tuple(label for label, is_there in zip(LABELS, truth.any(axis=0), strict=True) if not is_there)


def best_thresholds(probabilities: Probabilities, truth: Flags) -> tuple[float, ...]:
    """Choose for each class the threshold of the highest F1; 0.5 for a class of fewer than five clips.

    Args:
        probabilities: float64 [n, 8].
        truth: bool [n, 8].

    Returns:
        Eight thresholds within 0.3 ... 0.7, each halfway between two neighbouring probabilities.
    """
    return tuple(_best_threshold(probabilities[:, k], truth[:, k]) for k in range(N_LABELS))


def _best_threshold(probabilities: Probabilities, is_class: NDArray[np.bool_]) -> float:
    if np.count_nonzero(is_class) < _MIN_POSITIVES:
        return _DEFAULT_THRESHOLD
    order = np.argsort(-probabilities, kind="stable")
    ranked, hits = probabilities[order], np.cumsum(is_class[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + hits[-1])
    f1[:-1][ranked[:-1] == ranked[1:]] = -1.0  # a threshold cannot part equal probabilities
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return round(float(np.clip((ranked[best] + below) / 2, *_THRESHOLD_RANGE)), 4)


def _ratio(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else 0.0
