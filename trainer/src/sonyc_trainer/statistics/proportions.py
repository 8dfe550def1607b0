"""Shares of clips and rates per hour, their intervals, and when a share says too little to be given."""

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


def poisson_rate(n_events: int, hours: float, *, confidence: float = CONFIDENCE) -> Estimate:
    """Give events per hour with Garwood's exact Poisson interval (F. Garwood, Biometrika 28, 1936, 437-442).

    It takes the events as independent.

    Raises:
        ValueError: fewer events than none, or no time.
    """
    from scipy.special import gammaincinv

    if n_events < 0 or not hours > 0:
        raise ValueError(f"{n_events} events in {hours} hours")
    tail = (1 - confidence) / 2
    low = float(gammaincinv(n_events, tail)) if n_events else 0.0
    high = float(gammaincinv(n_events + 1, 1 - tail))
    return Estimate(n_events / hours, low / hours, high / hours)
