"""Proposes thresholds that a site's background seldom reaches, from what its clips scored.

A few alarms a day cannot be counted in an hour of 360 clips; they are extended from the upper tail of what was heard.
Of a class's n clips the k highest are looked at, as logits: how far they lie over the next one, u, is taken to fall off
exponentially, with their mean excess b. So a share of k/n exp(-(z - u) / b) of all clips is at z or over it; in odds,
p / (1 - p), that is Hill's Pareto tail (Annals of Statistics 3, 1975), and the threshold for a wanted share is the
quantile of Weissman (Journal of the American Statistical Association 73, 1978). Never less than what the heard clips
themselves ask for: no more of them reach a proposed threshold than the wanted rate allows in the time heard.

How sure that is: clips that follow each other are alike, so the fit is repeated on circular blocks of clips drawn anew
(Politis and Romano 1992), of about the cube root of n; given are the 5 % and 95 % quantiles. They say what another hour
like this one might give, nothing of other hours, weather or seasons. Tried on six made laws of logits (normal, Laplace,
Student's t, two kinds of clips, neighbours alike, level that wanders), 25 hours each, for 10 alarms a day: the proposed
threshold truly gives 2 to 12 in the median, and 65 or fewer in 95 % of the hours; of ten minutes it is up to 415.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.recognise import Probabilities

MIN_CLIPS: Final = 60
"""Of fewer there is no tail: the 12 highest are a fifth of these."""
MIN_OTHERS: Final = 30
"""Of the others, where some are taken for real events."""
MIN_TAIL: Final = 12
MAX_TAIL: Final = 100
N_DRAWS: Final = 400
STEP: Final = 0.001
"""Thresholds are rounded up to it, and lie over every value that they are to be over."""
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Allowed:
    """How many false alarms may be raised.

    Attributes:
        per_day: Of one class, in a day.
        clips_per_day: How many clips a day has.
    """

    per_day: float
    clips_per_day: float

    @property
    def share(self) -> float:
        """Which part of all clips that is, at most 1."""
        return min(1.0, self.per_day / self.clips_per_day)


@dataclass(frozen=True)
class Estimate:
    """A figure, and from where to where it lies in 90 % of the draws."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Proposal:
    """What is proposed for one class.

    Attributes:
        own: The bundle's threshold.
        p50: Median of the heard probabilities.
        p99: Their 99 % quantile.
        highest: The highest of them.
        n_alarms: How many clips reached the bundle's threshold.
        alarms_per_day: How many clips a day are expected to, if the time heard is like any other.
        threshold: What is proposed, never under `own`, if those clips were real, which is safe: a few real events among
            the background leave it as it is. None where too few other clips are left.
        n_lost: How many of those clips do not reach it.
        threshold_if_false: The same, if they were background too; None where there are none.
    """

    own: float
    p50: float
    p99: float
    highest: float
    n_alarms: int
    alarms_per_day: Estimate
    threshold: Estimate | None
    n_lost: int
    threshold_if_false: Estimate | None


def propose(probabilities: Probabilities, own: float, allowed: Allowed, *, seed: int = 1) -> Proposal:
    """Propose a threshold for one class.

    Args:
        probabilities: float64 [n_clips], n_clips >= `MIN_CLIPS`, in the order in which they were heard.
        own: The bundle's threshold.
        allowed: How many false alarms may be raised.
        seed: Of the draws.

    Raises:
        ValueError: there are too few clips.
    """
    if len(probabilities) < MIN_CLIPS:
        raise ValueError(f"{len(probabilities)} clips: at least {MIN_CLIPS} are needed")
    others = probabilities[probabilities < own]
    n_alarms = len(probabilities) - len(others)
    of_all, per_day = _estimates(probabilities, own, allowed, seed)
    of_others = _estimates(others, own, allowed, seed)[0] if len(others) >= MIN_OTHERS else None
    return Proposal(
        own=own,
        p50=float(np.quantile(probabilities, 0.5)),
        p99=float(np.quantile(probabilities, 0.99)),
        highest=float(probabilities.max()),
        n_alarms=n_alarms,
        alarms_per_day=per_day,
        threshold=of_others,
        n_lost=0 if of_others is None else int((probabilities < of_others.value).sum()) - len(others),
        threshold_if_false=of_all if n_alarms else None,
    )


class Tail:
    """The upper tail of one class's clips, as an exponential law of logits."""

    def __init__(self, logits: NDArray[np.float64]) -> None:
        """Fit it to float64 [n], n > `MIN_TAIL`."""
        self._falling = np.sort(logits)[::-1]
        self._n_tail = tail_size(len(logits))
        self._start = float(self._falling[self._n_tail])
        self._mean_excess = float(self._falling[: self._n_tail].mean()) - self._start

    def share_over(self, logit: float) -> float:
        """Which part of all clips is at `logit` or over it: what was heard, or more where the tail says so."""
        heard = float(np.mean(self._falling >= logit))
        excess = logit - self._start
        if excess <= 0 or self._mean_excess == 0:
            return heard
        return max(heard, self._n_tail / len(self._falling) * math.exp(-excess / self._mean_excess))

    def threshold(self, share: float) -> float:
        """Give the probability that at most `share` of all clips reach, rounded up to `STEP`."""
        n_over = math.floor(share * len(self._falling) + 1e-9)
        if n_over >= len(self._falling):
            return 0.0
        logit = float(self._falling[n_over])
        tail_share = self._n_tail / len(self._falling)
        if share < tail_share:
            logit = max(logit, self._start + self._mean_excess * math.log(tail_share / share))
        return min(1.0, round((math.floor(_probability(logit) / STEP + 1e-9) + 1) * STEP, 6))


def tail_size(n_clips: int) -> int:
    """How many of the highest clips are the tail: a tenth, and at least `MIN_TAIL`, at most `MAX_TAIL`."""
    return min(max(MIN_TAIL, n_clips // 10), MAX_TAIL)


def _estimates(probabilities: Probabilities, own: float, allowed: Allowed, seed: int) -> tuple[Estimate, Estimate]:
    """Give the threshold, and how many alarms a day there are at the bundle's own."""
    clipped = np.clip(probabilities, _TINY, 1.0 - _TINY)
    logits, own_logit = np.log(clipped / (1.0 - clipped)), _logit(own)
    tails = [Tail(logits), *(Tail(drawn) for drawn in _draws(logits, seed))]
    thresholds = np.array([max(own, tail.threshold(allowed.share)) for tail in tails])
    per_day = np.array([allowed.clips_per_day * tail.share_over(own_logit) for tail in tails])
    return _estimate(thresholds), _estimate(per_day)


def _draws(logits: NDArray[np.float64], seed: int) -> list[NDArray[np.float64]]:
    """Draw clips anew, in circular blocks of neighbours."""
    n_clips, generator = len(logits), np.random.default_rng(seed)
    block = np.arange(max(1, round(n_clips ** (1 / 3))))
    starts = generator.integers(0, n_clips, (N_DRAWS, -(-n_clips // len(block)), 1))
    return [logits[((start + block) % n_clips).ravel()[:n_clips]] for start in starts]


def _estimate(values: NDArray[np.float64]) -> Estimate:
    low, high = np.quantile(values[1:], [0.05, 0.95])
    return Estimate(float(values[0]), float(low), float(high))


def _logit(probability: float) -> float:
    clipped = min(max(probability, _TINY), 1.0 - _TINY)
    return math.log(clipped / (1.0 - clipped))


def _probability(logit: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * logit))
