"""Which classes are decided for a clip, from its eight probabilities: the largest, or all over their thresholds."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.labels import N_LABELS
from sonyc_contract.recognise import Probabilities
from sonyc_trainer.statistics.counts import Flags, one_hot

MIDDLE: Final = (0.5,) * N_LABELS
"""Thresholds while none are chosen yet."""


class LabelMode(StrEnum):
    """How many classes a clip has."""

    SINGLE = "single"
    """Exactly one; other clips are left out, and the largest output decides."""
    MULTI = "multi"
    """Any number, none among it; every output that reaches its threshold decides."""


def decided(probabilities: Probabilities, mode: LabelMode, thresholds: Sequence[float] = MIDDLE) -> Flags:
    """Decide: bool [..., 8] from float64 [..., 8]."""
    if mode is LabelMode.SINGLE:
        return one_hot(probabilities.argmax(axis=-1))
    return np.asarray(probabilities >= np.asarray(thresholds))


def is_judged(truth: Flags, mode: LabelMode) -> NDArray[np.bool_]:
    """Say which clips the largest output can be right for: those of a class; with `multi`, all.

    Args:
        truth: bool [n_clips, 8].
        mode: How is decided.

    Returns:
        bool [n_clips].
    """
    return np.asarray(truth.any(axis=-1) | (mode is LabelMode.MULTI))


def share_right(logits: NDArray[np.float64], truth: Flags, mode: LabelMode) -> float:
    """Give the share of the judged clips whose decided classes are exactly their own, before thresholds are chosen.

    Args:
        logits: float [..., n_clips, 8]; 0 is a probability of 0.5.
        truth: bool [n_clips, 8].
        mode: How is decided.
    """
    flags = one_hot(logits.argmax(axis=-1)) if mode is LabelMode.SINGLE else logits >= 0
    return float(np.mean((flags == truth).all(axis=-1)[..., is_judged(truth, mode)]))
