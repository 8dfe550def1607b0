"""The network of `compact`."""

from typing import Any

_MOMENTUM = 0.95


def build_network(input_shape: tuple[int, int, int], *, n_channels: int, n_dimensions: int) -> Any:
    """Build the Keras model from log-mel windows to embeddings, to be used within a `tensorflow_session`.

    Plain 3x3 convolutions, each with half the time and half the mels of the one before: at an equal number of
    parameters they train 2.4 times faster than depthwise-separable ones, and run 1.5 times faster on ai-edge-litert and
    4.5 times on tflite-runtime.

    Args:
        input_shape: n_frames, n_mels, 1.
        n_channels: Of the first convolution; the second has twice, the third four times as many.
        n_dimensions: Channels of the last one, whose average over time and mels is the embedding.
    """
    import tensorflow as tf

    inputs = tf.keras.Input(input_shape)
    outputs = inputs
    for n_filters in (n_channels, 2 * n_channels, 4 * n_channels, n_dimensions):
        outputs = _convolved(tf, outputs, n_filters)
    return tf.keras.Model(inputs, tf.keras.layers.GlobalAveragePooling2D()(outputs), name="compact")


def _convolved(tf: Any, inputs: Any, n_filters: int) -> Any:
    layers = tf.keras.layers
    outputs = layers.Conv2D(n_filters, 3, strides=2, padding="same", use_bias=False)(inputs)
    return layers.ReLU()(layers.BatchNormalization(momentum=_MOMENTUM)(outputs))
