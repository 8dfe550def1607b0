"""What a level does to embeddings and decisions, measured without any label."""

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_contract.recognise import Probabilities
from sonyc_trainer.statistics.counts import Flags

_TINY = 1e-12


def cosines(coded: FloatArray, reference: FloatArray) -> NDArray[np.float64]:
    """Give the cosine of each clip's embedding to that of the same clip uncoded.

    Args:
        coded: float [n_clips, n_dimensions].
        reference: float [n_clips, n_dimensions], of the same clips in the same order.

    Returns:
        float64 [n_clips] within -1 ... 1; two zero vectors are alike (1), a zero vector and another are not (0).
    """
    a, b = np.asarray(coded, np.float64), np.asarray(reference, np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both_zero = ~a.any(axis=1) & ~b.any(axis=1)
    cosine = np.einsum("ij,ij->i", a, b) / np.maximum(lengths, _TINY)
    return np.asarray(np.clip(np.where(both_zero, 1.0, cosine), -1.0, 1.0))


def flips(probabilities: Probabilities, reference: Probabilities) -> Flags:
    """Say whether the largest output is another than for the same clip uncoded: bool [n_clips] from [n_clips, 8]."""
    return np.asarray(probabilities.argmax(axis=1) != reference.argmax(axis=1))
