"""Tests of two models on the same clips: McNemar's, and Holm's correction for many tests."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonyc_trainer.statistics.counts import Flags


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two models on the same clips.

    Attributes:
        n_lost: Clips that only the reference decides right.
        n_won: Clips that only the other decides right.
        exact_p: Two-sided exact conditional p-value; conservative.
        mid_p: Two-sided mid-p-value, closer to its level than the exact one.
    """

    n_lost: int
    n_won: int
    exact_p: float
    mid_p: float


def mcnemar(reference_right: Flags, other_right: Flags) -> McNemar:
    """Test whether two models are right equally often.

    Args:
        reference_right: bool [n_clips].
        other_right: bool [n_clips], of the same clips.

    The discordant clips are binomial with share 1/2 under the null (Q. McNemar, Psychometrika 12, 1947); the mid-p is
    Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91, 2013. Clips are taken as independent: where
    many are of one recording, the cluster bootstrap is the test to go by.
    """
    n_lost = int(np.count_nonzero(reference_right & ~other_right))
    n_won = int(np.count_nonzero(other_right & ~reference_right))
    return mcnemar_of(n_lost, n_won)


def mcnemar_of(n_lost: int, n_won: int) -> McNemar:
    """Test as `mcnemar`, from the numbers of discordant clips."""
    from scipy.special import bdtr

    n, fewer = n_lost + n_won, min(n_lost, n_won)
    if n == 0:
        return McNemar(0, 0, 1.0, 1.0)
    at_most = float(bdtr(fewer, n, 0.5))
    below = float(bdtr(fewer - 1, n, 0.5)) if fewer else 0.0
    return McNemar(n_lost, n_won, min(2 * at_most, 1.0), min(at_most + below, 1.0))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, step-down (S. Holm, Scandinavian Journal of Statistics 6, 1979).

    The k-th smallest of m is multiplied by m - k + 1, and none becomes smaller than one before it; NaN counts as no
    test and stays.
    """
    known = [index for index, p in enumerate(p_values) if not np.isnan(p)]
    corrected = [float("nan")] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(known, key=lambda index: p_values[index])):
        largest = max(largest, min((len(known) - rank) * p_values[index], 1.0))
        corrected[index] = largest
    return corrected
