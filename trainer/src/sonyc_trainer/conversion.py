"""Keras models to TFLite and back to an interpreter; to be used within a `tensorflow_session`.

TensorFlow 2.15.1's converter is the last whose convolutions and dense layers tflite-runtime 2.14 reads.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from sonyc_contract.audio import FloatArray

_BATCH = 256


def to_float32(model: Any) -> bytes:
    """Convert a Keras model to TFLite as it is."""
    import tensorflow as tf

    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def to_int8(model: Any, representative: FloatArray) -> bytes:
    """Convert a Keras model to TFLite with int8 weights and activations, float32 at both ends.

    Args:
        model: With one input and one output.
        representative: float32 [n, *input_shape], inputs as they will be; they set the ranges of the activations.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([one[np.newaxis]] for one in representative)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return bytes(converter.convert())


def keras_file(model: Any) -> bytes:
    """Give a model as the bytes of a `.keras` file, which hold a time stamp."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def load_keras(data: bytes) -> "KerasInterpreter":
    """Load the bytes of a `.keras` file."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(data)
        return KerasInterpreter(tf.keras.models.load_model(path, compile=False, safe_mode=True))


class KerasInterpreter:
    """The contract's `Interpreter` over a Keras model, in float32 throughout."""

    def __init__(self, model: Any) -> None:
        import tensorflow as tf

        self._model = model
        self._call = tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""
        return tuple(self._model.input_shape[1:])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output, without the batch axis."""
        return tuple(self._model.output_shape[1:])

    def run(self, batch: FloatArray) -> FloatArray:
        """Give float32 [n, *output_shape] for float32 [n, *input_shape], n >= 1."""
        parts = [self._call(batch[start : start + _BATCH]) for start in range(0, len(batch), _BATCH)]
        return np.concatenate([np.asarray(part, np.float32) for part in parts])
