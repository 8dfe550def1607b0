"""The paired cluster bootstrap: whole recordings are drawn again, the same ones for every cell of a study.

Intervals are percentile intervals (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13); drawing
whole clusters is Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8. Because all cells are
of the same draw, a difference of two cells keeps what they have in common, and its interval is that of a paired test.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sonyc_trainer.statistics.counts import Figures, Floats, figures

CONFIDENCE: Final = 0.95
N_RESAMPLES: Final = 2_000
MIN_CLUSTERS: Final = 2
"""Of fewer, nothing can be drawn again: an interval is NaN."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval; `low` and `high` are NaN where there is nothing to draw from."""

    value: float
    low: float
    high: float


def draws(n_clusters: int, *, n_resamples: int, seed: int) -> Floats:
    """Draw `n_clusters` clusters with replacement, many times.

    Returns:
        float64 [n_resamples, n_clusters], how often each was drawn; every row sums to `n_clusters`.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=n_resamples).astype(np.float64)


def resampled(counts: Floats, drawn: Floats) -> Figures:
    """Give the figures of every resample.

    Args:
        counts: float64 [..., n_clusters, N_COLUMNS], of any number of cells.
        drawn: float64 [n_resamples, n_clusters], as `draws` gives it.

    Returns:
        Figures with the axes [..., n_resamples]; whole numbers are summed, so the result is exact.
    """
    return figures(np.asarray(drawn @ counts))


def estimate(value: float, resamples: Floats, *, confidence: float = CONFIDENCE) -> Estimate:
    """Give a figure with its percentile interval.

    Args:
        value: The figure of the sample itself.
        resamples: float64 [n_resamples]; NaN where a resample does not have the figure, which is left out.
        confidence: Within 0 ... 1.
    """
    known = resamples[~np.isnan(resamples)]
    if len(known) == 0:
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))


def difference_p(differences: Floats) -> float:
    """Give the two-sided p-value that a difference is not 0, float64 [n_resamples] of resampled differences.

    It is twice the share of resamples on the far side of 0, counting the sample itself among them, so that it is never
    0 (Davison and Hinkley 1997, section 4.4; the inversion of the percentile interval). Differences that are all 0
    give 1.
    """
    known = differences[~np.isnan(differences)]
    if len(known) == 0:
        return float("nan")
    n_other_side = min(np.count_nonzero(known <= 0), np.count_nonzero(known >= 0))
    return min(2 * (1 + n_other_side) / (1 + len(known)), 1.0)
