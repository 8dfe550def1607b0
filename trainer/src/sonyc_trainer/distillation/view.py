"""What the teacher makes of a sound, as the student is to give it."""

from typing import Any, Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.distillation.job import DistillationJob
from sonyc_trainer.distillation.mixtures import N_CLASSES, UNKNOWN, Sounds
from sonyc_trainer.distillation.network import build_network, outputs_of
from sonyc_trainer.errors import TrainingError

_STD_FLOOR: Final = 0.1
"""Of the mean standard deviation: nearly dead dimensions of the teacher are not blown up."""
_REGULARISATION_C: Final = 0.05


class TeacherView:
    """What the teacher makes of windows, in the student's dimensions, and the classes found in that."""

    def __init__(self, job: DistillationJob, sounds: Sounds, is_training: Any) -> None:
        import tensorflow as tf

        frontend = job.spec.frontend
        self._network = build_network(job.teacher, (job.n_frames, frontend.n_mels, 1))
        self._call = tf.function(lambda batch: self._network(batch, training=False), reduce_retracing=True)
        self.starts = range(0, sounds.frames.shape[2] - job.n_frames + 1, job.n_frames)
        raw = np.stack([self._raw(cut(sounds.frames[0], start, job.n_frames)) for start in self.starts], axis=1)
        rows = raw[is_training & (sounds.classes != UNKNOWN)].reshape(-1, raw.shape[-1])
        self._mean, std = rows.mean(axis=0), rows.std(axis=0)
        self._std = np.maximum(std, _STD_FLOOR * std.mean())
        rng = np.random.default_rng(job.seed)
        rotation, _ = np.linalg.qr(rng.normal(size=(raw.shape[-1], job.spec.n_dimensions)))
        turned = ((rows - self._mean) / self._std) @ rotation
        self._rotation = (rotation / turned.std(axis=0)).astype(np.float32)
        self.of_clips = self._turned(raw)
        self.kernel, self.bias = _classifier(self.of_clips.mean(axis=1), sounds)

    def of(self, windows: FloatArray) -> FloatArray:
        """Give what the student is to give: float32 [n, n_dimensions] for float32 [n, n_frames, n_mels]."""
        return self._turned(self._raw(windows))

    def found(self, seen: FloatArray) -> FloatArray:
        """Give the probabilities of nine classes, float32 [n, 9], for what `of` gave."""
        logits = seen @ self.kernel + self.bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)

    def _raw(self, windows: Any) -> FloatArray:
        return outputs_of(self._call, windows)

    def _turned(self, raw: FloatArray) -> FloatArray:
        return np.asarray(((raw - self._mean) / self._std) @ self._rotation, np.float32)


def cut(frames: Any, start: int, n_frames: int) -> FloatArray:
    """Cut the frames of a window out of clips, float32 [n_clips, n_frames, n_mels]."""
    return np.asarray(frames[:, start : start + n_frames], np.float32)


def _classifier(means: FloatArray, sounds: Sounds) -> tuple[FloatArray, FloatArray]:
    """Learn the labelled clips' classes from their means: float32 [n_dimensions, 9] and [9]."""
    from sklearn.linear_model import LogisticRegression

    known = sounds.is_labelled
    if len(set(sounds.classes[known])) < 3:  # of two, scikit-learn gives one row
        raise TrainingError("clips of fewer than three classes are left to distil with: add clips, or change [split]")
    model = LogisticRegression(C=_REGULARISATION_C, class_weight="balanced", max_iter=5_000)
    model.fit(means[known], sounds.classes[known])
    kernel = np.zeros((means.shape[1], N_CLASSES), np.float32)
    bias = np.full(N_CLASSES, -10.0, np.float32)
    kernel[:, model.classes_], bias[model.classes_] = model.coef_.T, model.intercept_
    return kernel, bias
