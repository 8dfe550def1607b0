"""Shares of clips, their intervals, and when a share says too little to be given."""

import math
from typing import Final

from sonyc_trainer.statistics.bootstrap import CONFIDENCE, Estimate

MIN_CLIPS: Final = 30
"""A class of fewer test clips is not measurable: the 95 % Wilson interval of 24 right of 29 is 27 points wide."""


def is_measurable(n_clips: int) -> bool:
    """Whether figures of this many clips may be compared at all."""
    return n_clips >= MIN_CLIPS


def wilson(n_hits: int, n_trials: int, *, confidence: float = CONFIDENCE) -> Estimate:
    """Give a share with its Wilson score interval (E. B. Wilson, JASA 22, 1927, 209-212).

    It takes the trials as independent. Without a trial the share is NaN and the interval is 0 ... 1.

    Raises:
        ValueError: more hits than trials, or fewer than none.
    """
    from scipy.special import ndtri

    if not 0 <= n_hits <= n_trials:
        raise ValueError(f"{n_hits} hits of {n_trials} trials")
    if n_trials == 0:
        return Estimate(float("nan"), 0.0, 1.0)
    z = float(ndtri((1 + confidence) / 2))
    share, spread = n_hits / n_trials, z * z / n_trials
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * share * (1 - share) + spread * spread / 4) / (1 + spread)
    return Estimate(share, max(centre - half, 0.0), min(centre + half, 1.0))
