"""Networks of depthwise and pointwise convolutions, as YAMNet's; to be used within a `tensorflow_session`."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.distillation.teacher import Layer

STRIDES: Final = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
"""Of the first convolution, then of each pair's depthwise one (YAMNet's)."""


_BATCH: Final = 256
"""Windows at once where nothing is learned."""
_N_ROWS: Final = 100_000


def build_network(layers: Sequence[Layer], input_shape: tuple[int, int, int]) -> Any:
    """Build the Keras model of some layers, whose average over time and mels is the output.

    Args:
        layers: A convolution, then pairs of a depthwise and a pointwise one, as many as there are `STRIDES`.
        input_shape: n_frames, n_mels, 1.
    """
    import tensorflow as tf

    inputs = tf.keras.Input(input_shape)
    outputs = inputs
    for layer, stride in zip(layers, layer_strides(), strict=True):
        outputs = tf.keras.layers.ReLU()(_convolution(tf, layer, stride)(outputs))
    model = tf.keras.Model(inputs, tf.keras.layers.GlobalAveragePooling2D()(outputs))
    model.set_weights([array for layer in layers for array in (layer.kernel, layer.bias)])
    return model


def with_dense(network: Any, kernel: FloatArray, bias: FloatArray, *, name: str) -> Any:
    """Put a dense layer on top of a model: kernel float32 [n_in, n_out], bias float32 [n_out]."""
    import tensorflow as tf

    dense = tf.keras.layers.Dense(kernel.shape[1])
    model = tf.keras.Model(network.input, dense(network.output), name=name)
    dense.set_weights([kernel, bias])
    return model


def capped(network: Any, weights: Sequence[FloatArray], *, cap: float) -> Any:
    """Give a network of the same layers with other weights, whose ReLUs give at most `cap`."""
    import tensorflow as tf

    outputs = network.input
    for layer in network.layers[1:]:
        is_relu = isinstance(layer, tf.keras.layers.ReLU)
        outputs = (tf.keras.layers.ReLU(cap) if is_relu else type(layer).from_config(layer.get_config()))(outputs)
    model = tf.keras.Model(network.input, outputs, name=network.name)
    model.set_weights(list(weights))
    return model


def with_weights(network: Any, weights: Sequence[FloatArray]) -> Any:
    """Give a network of the same layers with other weights."""
    import tensorflow as tf

    model = tf.keras.models.clone_model(network)
    model.set_weights(list(weights))
    return model


def relu_outputs(network: Any) -> list[Any]:
    """List what each ReLU gives, as Keras tensors: the first convolution's, then a depthwise and a pointwise one's."""
    import tensorflow as tf

    return [layer.output for layer in network.layers if isinstance(layer, tf.keras.layers.ReLU)]


def forward(network: Any, windows: Any) -> Any:
    """Compute layer by layer what a network gives, to learn from.

    Pointwise layers are computed as products of matrices: what comes out is the same, and gradients are there in two
    thirds to three quarters of the time.
    """
    import tensorflow as tf

    values = windows
    for layer in network.layers[1:]:
        if isinstance(layer, tf.keras.layers.Conv2D) and layer.kernel_size == (1, 1):
            kernel = layer.kernel[0, 0]
            rows = tf.matmul(tf.reshape(values, (-1, kernel.shape[0])), kernel) + layer.bias
            values = tf.reshape(rows, tf.concat([tf.shape(values)[:3], [kernel.shape[1]]], axis=0))
        else:
            values = layer(values)
    return values


def outputs_of(network: Callable[[FloatArray], Any], windows: Any) -> FloatArray:
    """Give what a network gives, float32 [n, ...], for windows [n, n_frames, n_mels] of any float dtype, in batches."""
    parts = [windows[start : start + _BATCH].astype(np.float32) for start in range(0, len(windows), _BATCH)]
    return np.concatenate([np.asarray(network(part[..., np.newaxis]), np.float32) for part in parts])


def rows_of(network: Any, output: Any, windows: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Give what a layer gives at some positions, chosen at random where there are more than 100,000.

    Args:
        network: The network.
        output: What the layer gives, a Keras tensor [n, ..., n_channels].
        windows: float32 [n, n_frames, n_mels, 1].
        rng: What chooses.

    Returns:
        float32 [n_rows, n_channels].
    """
    import tensorflow as tf

    values = outputs_of(tf.function(tf.keras.Model(network.input, output)), windows[..., 0])
    rows = values.reshape(-1, values.shape[-1])
    return rows if len(rows) <= _N_ROWS else rows[rng.choice(len(rows), _N_ROWS, replace=False)]


def layer_strides() -> list[int]:
    """Give the stride of every layer; pointwise ones have 1."""
    return [STRIDES[0], *(stride for pair in STRIDES[1:] for stride in (pair, 1))]


def _convolution(tf: Any, layer: Layer, stride: int) -> Any:
    size = layer.kernel.shape[:2]
    if layer.is_depthwise:
        return tf.keras.layers.DepthwiseConv2D(size, strides=stride, padding="same")
    return tf.keras.layers.Conv2D(layer.kernel.shape[3], size, strides=stride, padding="same")
