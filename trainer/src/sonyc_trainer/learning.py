"""What all training here has in common: targets, class weights, when to stop, and the curve that is kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_contract.labels import LABEL_INDEX, N_LABELS
from sonyc_trainer.errors import TrainingError
from sonyc_trainer.statistics.counts import Flags

Indices = NDArray[np.int64]


def class_flags(labels: Iterable[Sequence[str]]) -> Flags:
    """Say which classes each clip has, bool [n, 8] in taxonomy order, from their names."""
    of_clips = list(labels)
    flags = np.zeros((len(of_clips), N_LABELS), dtype=bool)
    for row, names in zip(flags, of_clips, strict=True):
        row[[LABEL_INDEX[name] for name in names]] = True
    return flags


def targets(truth: Flags) -> FloatArray:
    """Give the targets of eight independent sigmoids, float32 [n, 8]."""
    return truth.astype(np.float32)


def balanced_weights(truth: Flags, *, none_is_a_class: bool = False) -> FloatArray:
    """Weigh clips so that all classes that are there count alike; the mean weight is 1. float32 [n].

    A clip of several classes has the mean of what their clips would have.

    Args:
        truth: bool [n, 8].
        none_is_a_class: Whether the clips of none count together as much as those of a class; otherwise each of them
            has an average clip's weight.
    """
    if none_is_a_class:
        truth = np.column_stack([truth, ~truth.any(axis=1)])
    counts, n_classes = truth.sum(axis=0), truth.sum(axis=1)
    of_classes = len(truth) / np.maximum(np.count_nonzero(counts) * counts, 1)
    weights = np.where(n_classes > 0, truth @ of_classes / np.maximum(n_classes, 1), 1.0)
    return np.asarray(weights / weights.mean(), dtype=np.float32)


@dataclass
class EarlyStopping:
    """Keeps the best weights seen, and says when to stop.

    Attributes:
        patience: Epochs without a better validation loss after which to stop.
        best_epoch: The epoch that `weights` are of, from 0; -1 before the first.
    """

    patience: int
    best_epoch: int = -1
    weights: list[Any] = field(default_factory=list)
    _best_loss: float = float("inf")

    def is_over(self, epoch: int, loss: float, weights: Sequence[Any]) -> bool:
        """Take note of an epoch's validation loss and weights.

        Raises:
            TrainingError: the loss is not a number; the learning rate is too high.
        """
        if not np.isfinite(loss):
            raise TrainingError(f"the validation loss of epoch {epoch + 1} is {loss}: lower learning_rate")
        if loss < self._best_loss:
            self._best_loss, self.best_epoch = loss, epoch
            self.weights = [np.array(weight) for weight in weights]
        return epoch - self.best_epoch >= self.patience


@dataclass(frozen=True)
class Epoch:
    """A point of a training curve."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float


class CurveFile:
    """A curve as CSV that grows by a line per epoch, so that others can see how far the training has come."""

    HEADER = "epoch,train_loss,validation_loss,validation_accuracy\n"

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_text(self.HEADER)

    def add(self, point: Epoch) -> None:
        """Add an epoch."""
        with self._path.open("a") as file:
            file.write(
                f"{point.epoch},{point.train_loss:.6f},{point.validation_loss:.6f},{point.validation_accuracy:.6f}\n"
            )
