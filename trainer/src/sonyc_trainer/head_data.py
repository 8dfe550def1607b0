"""Clips as a head sees them while it learns: pooled as the recogniser pools them, standardised."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_contract.recognise import Pooling
from sonyc_trainer.attention import Attention, ClipPooling
from sonyc_trainer.deciding import LabelMode
from sonyc_trainer.embeddings.vectors import ClipVectors
from sonyc_trainer.errors import StageError
from sonyc_trainer.learning import balanced_weights, class_flags, targets
from sonyc_trainer.statistics.counts import Flags
from sonyc_trainer.study import ClassWeights

_STD_FLOOR = 0.05


@dataclass(frozen=True)
class HeadData:
    """Clips of one split at one or more levels.

    Attributes:
        rows: float32 [n_levels, n_clips, n_rows, n_dimensions]: one row per clip where embeddings are pooled before
            the head, one per window where its logits are; clips with fewer windows are filled with zeros.
        mask: float32 [n_clips, n_rows], 1 where there is a window.
        truth: bool [n_clips, 8], classes of each clip.
    """

    rows: FloatArray
    mask: FloatArray
    truth: Flags

    @property
    def targets(self) -> FloatArray:
        """float32 [n_clips, 8]."""
        return targets(self.truth)

    def weights(self, class_weights: ClassWeights, labels: LabelMode = LabelMode.SINGLE) -> FloatArray:
        """How much each clip counts, float32 [n_clips] with a mean of 1.

        Balanced, background clips of a single-label study count together like one more class: a few are heard, and
        hours of them do not drown the others.
        """
        if class_weights is ClassWeights.BALANCED:
            return balanced_weights(self.truth, none_is_a_class=labels is LabelMode.SINGLE)
        return np.ones(len(self.truth), np.float32)


def head_data(levels: Sequence[ClipVectors], pooling: ClipPooling) -> HeadData:
    """Arrange the same clips' embeddings at some levels.

    Raises:
        StageError: the levels do not hold the same clips and windows.
    """
    first = levels[0]
    for other in levels[1:]:
        same = first.clips["clip_id"].equals(other.clips["clip_id"])
        if not same or not np.array_equal(first.n_windows, other.n_windows):
            raise StageError("the levels' embeddings are not of the same clips: run stage 'embed' again")
    n_rows = int(first.n_windows.max()) if pools_logits(pooling) else 1
    mask = np.zeros((len(first.n_windows), n_rows), np.float32)
    rows = np.zeros((len(levels), *mask.shape, first.vectors.shape[1]), np.float32)
    for at_level, level in zip(rows, levels, strict=True):
        for index, vectors in enumerate(level.per_clip()):
            pooled = _pooled(vectors, pooling)
            at_level[index, : len(pooled)], mask[index, : len(pooled)] = pooled, 1
    return HeadData(rows, mask, class_flags(first.clips["labels"]))


def pools_logits(pooling: ClipPooling) -> bool:
    """Whether windows are pooled after the head."""
    return pooling in (Pooling.MEAN_LOGIT, Pooling.MAX_LOGIT, Attention.ATTENTION)


@dataclass(frozen=True)
class Standardiser:
    """Brings each dimension to mean 0 and standard deviation 1 over the training clips.

    Attributes:
        mean: float32 [n_dimensions].
        std: float32 [n_dimensions], floored, because dimensions that are nearly dead after a ReLU would otherwise be
            blown up.
    """

    mean: FloatArray
    std: FloatArray

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Standardise float32 [..., n_dimensions]."""
        return (rows - self.mean) / self.std

    def folded(self, kernel: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give the dense layer that does to raw rows what (kernel, bias) does to standardised ones."""
        scaled = np.asarray(kernel, np.float64) / self.std[:, np.newaxis]
        return scaled.astype(np.float32), (bias - self.mean @ scaled).astype(np.float32)


def fit_standardiser(data: HeadData) -> Standardiser:
    """Measure mean and standard deviation over all levels, clips and rows; the latter is at least 5 % of its mean."""
    rows = data.rows[:, data.mask > 0].reshape(-1, data.rows.shape[-1]).astype(np.float64)
    std: NDArray[np.float64] = rows.std(axis=0)
    floor = max(_STD_FLOOR * float(std.mean()), 1e-6)
    return Standardiser(rows.mean(axis=0).astype(np.float32), np.maximum(std, floor).astype(np.float32))


def _pooled(vectors: FloatArray, pooling: ClipPooling) -> FloatArray:
    if pooling is Pooling.MEAN_EMBEDDING:
        return np.asarray(vectors.mean(axis=0, keepdims=True))
    return vectors.max(axis=0, keepdims=True) if pooling is Pooling.MAX_EMBEDDING else vectors
