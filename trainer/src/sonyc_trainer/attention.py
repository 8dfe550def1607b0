"""Attention over the windows of a clip: a comparison that a study can make, and that no bundle can hold.

Decision-level attention: Kong, Xu, Wang and Plumbley, ICASSP 2018, arXiv 1711.00927. The head has two numbers per class
and window, a logit and a score; a clip's logit is the mean of its windows' logits, weighted by the scores' softmax.
"""

from enum import StrEnum
from typing import Any

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.labels import N_LABELS
from sonyc_contract.recognise import Pooling, pooled_logits
from sonyc_contract.runtime import Interpreter


class Attention(StrEnum):
    """The pooling that is learned."""

    ATTENTION = "attention"


ClipPooling = Pooling | Attention
"""How the windows of a clip become one label: a node's ways, and attention."""


def n_outputs(pooling: ClipPooling) -> int:
    """How many numbers a head gives per window."""
    return 2 * N_LABELS if isinstance(pooling, Attention) else N_LABELS


def clip_logits(embeddings: FloatArray, head: Interpreter, pooling: ClipPooling) -> FloatArray:
    """Give the eight logits of a clip, float32 [8], from its windows' embeddings [n_windows, n_dimensions]."""
    if not isinstance(pooling, Attention):
        return pooled_logits(embeddings, head, pooling)
    outputs = head.run(embeddings)
    logits, scores = outputs[:, :N_LABELS], outputs[:, N_LABELS:]
    weights = np.exp(scores - scores.max(axis=0))
    return np.asarray((weights * logits).sum(axis=0) / weights.sum(axis=0))


def attended(outputs: Any, there: Any) -> Any:
    """Do the same with TensorFlow while a head learns.

    Args:
        outputs: float32 [n, n_windows, 16].
        there: float32 [n, n_windows, 1], 1 where there is a window.

    Returns:
        float32 [n, 8].
    """
    import tensorflow as tf

    logits, scores = outputs[..., :N_LABELS], outputs[..., N_LABELS:]
    weights = tf.nn.softmax(tf.where(there > 0, scores, scores.dtype.min), axis=1)
    return tf.reduce_sum(weights * logits, axis=1)
