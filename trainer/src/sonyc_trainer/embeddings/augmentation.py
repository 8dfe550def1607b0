"""Alterations of log-mel windows while a network is trained on them, as TensorFlow operations on a batch.

Those of level are done on magnitudes, where they are what a gain, a filter or a second source do to the sound itself.
"""

import math
from dataclasses import dataclass
from typing import Any

from sonyc_trainer.study import AugmentSettings

_NEPER_PER_DB = math.log(10) / 20
_N_EQUALISER_POINTS = 5


@dataclass(frozen=True)
class Augmentation:
    """Alters a batch.

    Attributes:
        settings: How much.
        floor: What the front end adds before it takes the natural logarithm.
    """

    settings: AugmentSettings
    floor: float

    def __call__(self, windows: Any, targets: Any) -> tuple[Any, Any]:
        """Alter windows, float32 [n, n_frames, n_mels], and targets, float32 [n, 8], alike."""
        import tensorflow as tf

        magnitudes = (tf.exp(windows) - self.floor) * tf.exp(self._gains(tf, windows) * _NEPER_PER_DB)
        magnitudes, targets = self._with_second_source(tf, magnitudes, targets)
        windows = tf.math.log(tf.maximum(magnitudes, 0.0) + self.floor)
        for _ in range(self.settings.n_masks):
            windows = _masked(tf, windows, axis=1, widest=self.settings.mask_frames)
            windows = _masked(tf, windows, axis=2, widest=self.settings.mask_mels)
        return windows, targets

    def _gains(self, tf: Any, windows: Any) -> Any:
        """Give a gain for each window and a random filter curve over its mels, in dB, [n, 1, n_mels]."""
        n, n_mels = tf.shape(windows)[0], windows.shape[2]
        level = tf.random.uniform((n, 1, 1), -self.settings.gain_db, self.settings.gain_db)
        points = tf.random.uniform(
            (n, _N_EQUALISER_POINTS, 1, 1), -self.settings.equaliser_db, self.settings.equaliser_db
        )
        curve = tf.image.resize(points, (n_mels, 1))[:, :, 0, 0]
        return level + curve[:, tf.newaxis, :]

    def _with_second_source(self, tf: Any, magnitudes: Any, targets: Any) -> tuple[Any, Any]:
        """Add another window of the batch, up to `mix_db` louder or softer, to some; both classes are then present."""
        n, mix_db = tf.shape(magnitudes)[0], self.settings.mix_db
        others = tf.random.shuffle(tf.range(n))
        is_mixed = tf.cast(tf.random.uniform((n, 1, 1)) < self.settings.mix_probability, tf.float32)
        gains = tf.exp(tf.random.uniform((n, 1, 1), -mix_db, mix_db) * _NEPER_PER_DB) * is_mixed
        mixed = magnitudes + tf.gather(magnitudes, others) * gains
        return mixed, tf.maximum(targets, tf.gather(targets, others) * is_mixed[:, :, 0])


def _masked(tf: Any, windows: Any, *, axis: int, widest: int) -> Any:
    """Put each window's mean in place of a random stretch of frames (axis 1) or mels (axis 2), as SpecAugment does."""
    n, size = tf.shape(windows)[0], windows.shape[axis]
    width = tf.random.uniform((n, 1), 0, widest + 1, tf.int32)
    start = tf.random.uniform((n, 1), 0, size, tf.int32)
    positions = tf.range(size)[tf.newaxis]
    hidden = tf.logical_and(positions >= start, positions < start + width)
    hidden = tf.expand_dims(hidden, 3 - axis)
    return tf.where(hidden, tf.reduce_mean(windows, axis=(1, 2), keepdims=True), windows)
