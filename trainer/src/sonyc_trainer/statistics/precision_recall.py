"""Area under the precision-recall curve, for clips that have any number of classes.

It is the average precision: the sum of precision times the step in recall, over distinct scores. The baselines of
SONYC-UST join the points with straight lines instead, drop thresholds below 0.01, force end points and fail on a class
with one value; straight lines between points of a precision-recall curve are too good (Davis and Goadrich, ICML 2006).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.recognise import Probabilities
from sonyc_trainer.statistics.counts import Flags


@dataclass(frozen=True)
class PrecisionRecall:
    """Areas under the precision-recall curve.

    Attributes:
        per_class: float64 [8]; NaN for a class that every clip or no clip has.
        micro: Of all pairs of clip and class as one problem; NaN where these have one value.
        macro: Mean over the classes that are not NaN; NaN where there is none.
        n_positive: int64 [8], clips of each class.
    """

    per_class: NDArray[np.float64]
    micro: float
    macro: float
    n_positive: NDArray[np.int64]


def precision_recall(truth: Flags, scores: Probabilities) -> PrecisionRecall:
    """Give the areas, from classes bool [n_clips, 8] and scores float64 [n_clips, 8]; higher means more likely."""
    per_class = np.array([average_precision(truth[:, k], scores[:, k]) for k in range(truth.shape[1])])
    known = per_class[~np.isnan(per_class)]
    macro = float(known.mean()) if len(known) else float("nan")
    micro = average_precision(truth.ravel(), scores.ravel())
    return PrecisionRecall(per_class, micro, macro, np.asarray(truth.sum(axis=0), np.int64))


def average_precision(truth: Flags, scores: NDArray[np.float64]) -> float:
    """Give the average precision of bool [n] by scores float64 [n]; NaN where `truth` has one value only."""
    n_positive = np.count_nonzero(truth)
    if n_positive in (0, len(truth)):
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    is_last = np.append(np.diff(scores[order]) != 0, True)  # equal scores are one threshold
    hits, n_above = hits[is_last], np.flatnonzero(is_last) + 1
    steps = np.diff(hits, prepend=0) / n_positive
    return float(np.sum(steps * hits / n_above))
