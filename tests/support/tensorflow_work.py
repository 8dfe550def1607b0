"""Work for a process that has TensorFlow loaded, with arrays in and out."""

from pathlib import Path

import numpy as np

from sonyc_trainer.conversion import keras_file, load_keras, to_float32, to_int8
from sonyc_trainer.embeddings.augmentation import Augmentation
from sonyc_trainer.embeddings.compact_network import build_network
from sonyc_trainer.study import AugmentSettings
from sonyc_trainer.tensorflow_session import tensorflow_session


def augment(
    settings: AugmentSettings, windows: np.ndarray, targets: np.ndarray, *, floor: float, log: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Alter a batch once."""
    with tensorflow_session(seed=1, log=log) as tf:
        altered = Augmentation(settings, floor)(tf.constant(windows), tf.constant(targets))
        return altered[0].numpy(), altered[1].numpy()


def convert_twice(windows: np.ndarray, *, log: Path) -> dict[str, tuple[bytes, bytes]]:
    """Convert one untrained network twice in each way."""
    with tensorflow_session(seed=1, log=log):
        network = _small_network(windows)
        return {
            "int8": (to_int8(network, windows), to_int8(network, windows)),
            "float32": (to_float32(network), to_float32(network)),
        }


def through_keras_file(windows: np.ndarray, *, log: Path) -> tuple[np.ndarray, np.ndarray]:
    """Give what a network says before it is saved and after it is loaded."""
    with tensorflow_session(seed=1, log=log):
        network = _small_network(windows)
        loaded = load_keras(keras_file(network))
        assert loaded.input_shape == windows.shape[1:]
        assert loaded.output_shape == (16,)
        return np.asarray(network(windows, training=False)), loaded.run(windows)


def _small_network(windows: np.ndarray):
    _, n_frames, n_mels, _ = windows.shape
    return build_network((n_frames, n_mels, 1), n_channels=4, n_dimensions=16)
