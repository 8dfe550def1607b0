"""The last layer fitted anew, when all below it has learned.

Labels and mixtures shape the layers below well, and pull it away from what the teacher makes of clips as they are.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_trainer.distillation.mixtures import Sounds
from sonyc_trainer.distillation.network import outputs_of
from sonyc_trainer.distillation.pruning import ridge
from sonyc_trainer.distillation.view import TeacherView
from sonyc_trainer.errors import TrainingError
from sonyc_trainer.learning import Indices

_RIDGES: Final = (1e-3, 1e-2, 1e-1)
"""The first is that of the pruning."""


def with_last_layer_refitted(student: Any, view: TeacherView, sounds: Sounds, is_training: NDArray[np.bool_]) -> Any:
    """Fit the dense layer anew, by ridge regression: at every level, to the view of the clips without the codec.

    How strong the ridge is, validation clips choose.

    Raises:
        TrainingError: whatever the student hears, the layers below give the same.
    """
    learned, others = (
        _below_last_layer(student, view, sounds, np.flatnonzero(chosen)) for chosen in (is_training, ~is_training)
    )
    if not len(learned[0]) or not np.ptp(learned[0], axis=0).any():
        raise TrainingError("the training went astray, the student gives the same for all clips: lower learning_rate")
    student.layers[-1].set_weights(fitted(learned, others))
    return student


def fitted(
    learned: tuple[FloatArray, FloatArray], others: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Fit by the ridge that misses least of others: kernel float32 [n_in, n_out], bias float32 [n_out].

    Args:
        learned: Inputs float32 [n, n_in] and outputs float32 [n, n_out] to fit.
        others: The same of what chooses; where there is none, the weakest ridge is taken.
    """
    candidates = [ridge(*learned, strength=strength) for strength in _RIDGES]
    missed = [((others[0] @ kernel + bias - others[1]) ** 2).sum() for kernel, bias in candidates]
    return candidates[int(np.argmin(missed))]


def _below_last_layer(student: Any, view: TeacherView, sounds: Sounds, clips: Indices) -> tuple[FloatArray, FloatArray]:
    """Give what the layers below the last give for clips at every level, [n, n_in], and the view, [n, n_dimensions]."""
    import tensorflow as tf

    below = student.layers[-2].output
    call = tf.function(tf.keras.Model(student.input, below), reduce_retracing=True)
    n_frames = student.input.shape[1]
    found, wanted = [np.empty((0, below.shape[1]), np.float32)], [view.of_clips[:0, 0]]
    for window, start in enumerate(view.starts):
        heard = clips[sounds.n_heard[clips] > start + n_frames // 2]
        for frames in sounds.frames if len(heard) else ():
            found.append(outputs_of(call, frames[heard, start : start + n_frames]))
            wanted.append(view.of_clips[heard, window])
    return np.concatenate(found), np.concatenate(wanted)
