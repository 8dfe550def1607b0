"""Cross-layer equalisation (Nagel et al., Data-Free Quantization, ICCV 2019), so that int8 holds what a network gives.

TFLite has one scale for all channels of a layer's output. After distillation the largest channel of a layer gives up to
a thousand times what the median one gives, which int8 then rounds to nothing: the embedding's cosine to that in float
was 0.70, and is 0.98 with equal channels. A channel that is divided by a number, bias included, goes through its ReLU
divided; the next layer's weights, multiplied by it, give what they gave.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray

_PERCENTILE: Final = 99.99
_DEAD: Final = 1e-3
"""Of the layer's largest output: what gives less is not brought up any further."""
_BATCH: Final = 256


def equalise(network: Any, windows: FloatArray) -> None:
    """Bring the channels of every layer to like ranges, in place; what the network gives stays the same.

    What a depthwise layer reads can be scaled at will, because its weights have a scale per channel in TFLite. What a
    pointwise or dense layer reads is scaled by the root only: its weights' inputs share a scale.

    Args:
        network: Of `build_network`, with a dense layer on top.
        windows: float32 [n, n_frames, n_mels, 1], by which ranges are measured.
    """
    import tensorflow as tf

    outputs = [layer.output for layer in network.layers if isinstance(layer, tf.keras.layers.ReLU)]
    ranges = _ranges(tf.keras.Model(network.input, outputs), windows)
    weights = network.get_weights()
    for index, largest in enumerate(ranges):
        is_free = index % 2 == 0 and index + 1 < len(ranges)
        scales = (largest / np.exp(np.log(largest).mean())) ** (1.0 if is_free else 0.5)
        kernel, bias, following = 2 * index, 2 * index + 1, 2 * index + 2
        is_depthwise = index % 2 == 1
        weights[kernel] = weights[kernel] / (scales[:, np.newaxis] if is_depthwise else scales)
        weights[bias] = weights[bias] / scales
        # The channels that a layer reads are its kernel's last axis but one; of the dense layer, its first.
        weights[following] = weights[following] * scales[:, np.newaxis]
    network.set_weights([np.asarray(one, np.float32) for one in weights])


def _ranges(network: Any, windows: FloatArray) -> list[NDArray[np.float64]]:
    """Give how large each channel of each layer gets: float64 [n_channels], over 0."""
    parts = [network(windows[start : start + _BATCH]) for start in range(0, len(windows), _BATCH)]
    found = []
    for of_layer in zip(*parts, strict=True):
        values = np.concatenate([np.asarray(one) for one in of_layer])
        largest = np.percentile(values.reshape(-1, values.shape[-1]), _PERCENTILE, axis=0)
        found.append(np.maximum(largest, max(_DEAD * float(values.max()), 1e-9)))
    return found
