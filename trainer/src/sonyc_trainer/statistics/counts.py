"""Counts of right and wrong decisions per cluster of clips, and the figures that follow from sums of them.

A cluster is what clips share that makes them alike: a source recording or a sensor. All figures here are ratios of
sums, so that a resample of clusters needs the sums only, never the clips again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.labels import N_LABELS

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

N_COLUMNS = 3 * N_LABELS + 2
"""Of a row of counts: hits, decided and true clips of each class, then clips decided right, then clips."""


@dataclass(frozen=True)
class Figures:
    """Figures of one or many samples.

    Attributes:
        accuracy: float64 [...], share of clips whose decided classes are exactly their true ones.
        f1: float64 [..., 8], NaN for a class without a true clip in the sample.
        macro_f1: float64 [...], mean F1 of the classes with a true clip in the sample; NaN where there is none.
    """

    accuracy: Floats
    f1: Floats
    macro_f1: Floats


def one_hot(indices: NDArray[np.int64]) -> Flags:
    """Give bool [n, 8] with one True in each row, from class indices [n]."""
    return np.asarray(np.eye(N_LABELS, dtype=bool)[indices])


def cluster_indices(groups: Sequence[str]) -> NDArray[np.int64]:
    """Number the groups of clips in sorted order of their names, int64 [n]."""
    return np.asarray(np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1], dtype=np.int64)


def cluster_counts(truth: Flags, decided: Flags, clusters: NDArray[np.int64]) -> Floats:
    """Count the clips of each cluster.

    Args:
        truth: bool [n_clips, 8], classes that are in a clip.
        decided: bool [n_clips, 8], classes that were decided for it.
        clusters: int64 [n_clips], 0 ... n_clusters - 1.

    Returns:
        float64 [n_clusters, N_COLUMNS], whole numbers.
    """
    is_right = (truth == decided).all(axis=1)
    rows = np.column_stack([truth & decided, decided, truth, is_right, np.ones(len(truth), bool)])
    counts = np.zeros((int(clusters.max()) + 1, N_COLUMNS))
    np.add.at(counts, clusters, rows.astype(np.float64))
    return counts


def figures(sums: Floats) -> Figures:
    """Give the figures of sums of counts, float64 [..., N_COLUMNS].

    F1 is 2 TP / (decided + true), which equals the harmonic mean of precision and recall (van Rijsbergen 1979).
    """
    hits, decided, true = (sums[..., k * N_LABELS : (k + 1) * N_LABELS] for k in range(3))
    n_right, n_clips = sums[..., -2], sums[..., -1]
    f1 = np.where(true > 0, 2 * hits / np.maximum(decided + true, 1), np.nan)
    n_present = np.count_nonzero(true > 0, axis=-1)
    macro = np.where(n_present > 0, np.nansum(f1, axis=-1) / np.maximum(n_present, 1), np.nan)
    accuracy = np.where(n_clips > 0, n_right / np.maximum(n_clips, 1), np.nan)
    return Figures(np.asarray(accuracy), np.asarray(f1), np.asarray(macro))
