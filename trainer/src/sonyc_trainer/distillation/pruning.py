"""A smaller network out of the teacher: some of its channels, and pointwise layers refitted to make up for the others.

Channels are those that a QR decomposition with column pivoting takes first from what the layer gives on real windows:
each adds most to what those before it already span. Then each pointwise layer is fitted by ridge regression to give,
from what is left, what the teacher's layer gave for the channels that were kept.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_trainer.distillation.network import STRIDES, build_network, layer_strides, outputs_of, relu_outputs
from sonyc_trainer.distillation.teacher import Layer

_N_ROWS: Final = 12_000
"""Positions of a layer's output that channels are chosen by."""
_N_FOR_CHOICE: Final = 400
_RIDGE: Final = 1e-3

Channels = NDArray[np.int64]


def pruned(teacher: Sequence[Layer], n_channels: Sequence[int], windows: FloatArray, *, seed: int) -> list[Layer]:
    """Give the layers of a smaller network that gives nearly what the teacher gives.

    Args:
        teacher: Its layers.
        n_channels: How many channels to keep, of the first convolution and of each pair.
        windows: float32 [n, n_frames, n_mels, 1], real log-mel.
        seed: Of which positions channels are chosen by.
    """
    network = build_network(teacher, (windows.shape[1], windows.shape[2], 1))
    kept = _choose(n_channels, windows[:_N_FOR_CHOICE, ..., 0], network, seed)
    return _refitted(teacher, kept, windows, network)


def kept_counts(teacher: Sequence[Layer], *, width: float, n_last: int) -> list[int]:
    """Give how many channels to keep where each set is `width` as wide as the teacher's, and the last has `n_last`."""
    counts = [layer.kernel.shape[3] for layer in teacher if not layer.is_depthwise]
    return [*(max(8, 8 * round(width * count / 8)) for count in counts[:-1]), n_last]


def _choose(n_channels: Sequence[int], windows: FloatArray, network: Any, seed: int) -> list[Channels]:
    """Choose each set of channels by what the depthwise layer after it gives; the last by the embedding itself."""
    import scipy.linalg
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    wanted = [*relu_outputs(network)[1::2], network.output]
    kept = []
    for tensor, n_kept in zip(wanted, n_channels, strict=True):
        values = outputs_of(tf.function(tf.keras.Model(network.input, tensor)), windows).astype(np.float64)
        rows = values.reshape(-1, values.shape[-1])
        rows = rows[rng.permutation(len(rows))[:_N_ROWS]]
        # Its triangle alone has the pivots of all rows, and is far smaller.
        triangle = scipy.linalg.qr(rows, mode="r")[0][: rows.shape[1]]
        _, _, order = scipy.linalg.qr(triangle, mode="economic", pivoting=True)
        kept.append(np.sort(order[:n_kept]))
    return kept


def _refitted(teacher: Sequence[Layer], kept: list[Channels], windows: FloatArray, network: Any) -> list[Layer]:
    import tensorflow as tf

    convolutions = [layer.output for layer in network.layers if type(layer) is tf.keras.layers.Conv2D]
    first = replace(teacher[0], kernel=teacher[0].kernel[..., kept[0]], bias=teacher[0].bias[kept[0]])
    layers, strides = [first], layer_strides()
    reached = _applied(tf, first, windows, strides[0])
    for pair in range(1, len(STRIDES)):
        depthwise, before = teacher[2 * pair - 1], kept[pair - 1]
        smaller = replace(depthwise, kernel=depthwise.kernel[:, :, before], bias=depthwise.bias[before])
        reached = _applied(tf, smaller, reached, strides[2 * pair - 1])
        wanted = outputs_of(tf.function(tf.keras.Model(network.input, convolutions[pair])), windows[..., 0])
        pointwise = _fitted(np.asarray(reached), wanted[..., kept[pair]])
        reached = _applied(tf, pointwise, reached, 1)
        layers += [smaller, pointwise]
    return layers


def _applied(tf: Any, layer: Layer, values: Any, stride: int) -> Any:
    if layer.is_depthwise:
        return tf.nn.relu(tf.nn.depthwise_conv2d(values, layer.kernel, [1, stride, stride, 1], "SAME") + layer.bias)
    return tf.nn.relu(tf.nn.conv2d(values, layer.kernel, stride, "SAME") + layer.bias)


def _fitted(inputs: FloatArray, outputs: FloatArray) -> Layer:
    """Fit a pointwise layer to outputs before their ReLU, both float32 [n, height, width, n_channels]."""
    kernel, bias = ridge(inputs.reshape(-1, inputs.shape[-1]), outputs.reshape(-1, outputs.shape[-1]))
    return Layer(kernel[np.newaxis, np.newaxis], bias, is_depthwise=False)


def ridge(inputs: FloatArray, outputs: FloatArray, *, strength: float = _RIDGE) -> tuple[FloatArray, FloatArray]:
    """Fit outputs [n, n_out] to inputs [n, n_in] by ridge regression with a free bias: [n_in, n_out], [n_out].

    `strength` is in units of the mean of the squares on the diagonal.
    """
    means = inputs.mean(axis=0, dtype=np.float64), outputs.mean(axis=0, dtype=np.float64)
    centred = inputs.astype(np.float64) - means[0]
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += strength * np.trace(gram) / len(gram)
    kernel = np.linalg.solve(gram, centred.T @ (outputs - means[1]))
    return kernel.astype(np.float32), (means[1] - means[0] @ kernel).astype(np.float32)
