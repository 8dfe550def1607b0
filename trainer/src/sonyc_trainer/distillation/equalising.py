"""Cross-layer equalisation (Nagel et al., Data-Free Quantization, ICCV 2019), so that int8 holds what a network gives.

TFLite has one scale for all channels of a layer's output. After distillation the largest channel of a layer gives up to
a thousand times what the median one gives, which int8 then rounds to nothing: the embedding's cosine to that in float
was 0.70, and is 0.98 with equal channels. A channel that is divided by a number, bias included, goes through its ReLU
divided; the next layer's weights, multiplied by it, give what they gave. At the same time all ranges are brought to 6,
where a ReLU6, which costs nothing, keeps rare outputs from widening the scale (missed variance 0.010 instead of 0.013).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_trainer.distillation.network import capped, relu_outputs, rows_of

_PERCENTILE: Final = 99.99
_DEAD: Final = 1e-3
"""Of the layer's largest output: what gives less is not brought up any further."""
_RANGE: Final = 6.0


def equalised(network: Any, windows: FloatArray) -> Any:
    """Give a network that gives the same, but for rare outputs over 6, with channels of like ranges in every layer.

    What a depthwise layer reads can be scaled at will, because its weights have a scale per channel in TFLite. What a
    pointwise or dense layer reads is scaled by the root only: its weights' inputs share a scale.

    Args:
        network: Of `build_network`, with a dense layer on top; it is not changed.
        windows: float32 [n, n_frames, n_mels, 1], by which ranges are measured.
    """
    outputs, rng = relu_outputs(network), np.random.default_rng(0)
    weights = network.get_weights()
    for index, output in enumerate(outputs):
        rows = rows_of(network, output, windows, rng)
        is_read_by_depthwise = index % 2 == 0 and index + 1 < len(outputs)
        scales = _scales(rows, power=1.0 if is_read_by_depthwise else 0.5)
        kernel, bias, following = 2 * index, 2 * index + 1, 2 * index + 2
        is_depthwise = index % 2 == 1
        weights[kernel] = weights[kernel] / (scales[:, np.newaxis] if is_depthwise else scales)
        weights[bias] = weights[bias] / scales
        # The channels that a layer reads are its kernel's last axis but one; of the dense layer, its first.
        weights[following] = weights[following] * scales[:, np.newaxis]
    return capped(network, [np.asarray(one, np.float32) for one in weights], cap=_RANGE)


def _scales(values: FloatArray, *, power: float) -> NDArray[np.float64]:
    """Give what each channel is to be divided by, float64 [n_channels] over 0, for float32 [n, n_channels]."""
    largest = np.percentile(values, _PERCENTILE, axis=0)
    scales = np.maximum(largest, max(_DEAD * float(values.max()), 1e-9)) ** power
    return np.asarray(scales * max(float(np.percentile(values / scales, _PERCENTILE)), 1e-9) / _RANGE, np.float64)
