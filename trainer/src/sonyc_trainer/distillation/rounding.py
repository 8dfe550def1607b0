"""Weights rounded to int8 so that the errors of a layer cancel (GPTQ: Frantar et al., ICLR 2023).

TFLite's converter rounds every weight to the nearest step by itself. After equalising, where a channel's weights are
as small as its outputs are large, that is most of what int8 loses. Here each input's weights are rounded in turn, and
those of the inputs that follow are moved to make up for the error, as far as their inputs go together with it.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_trainer.distillation.network import relu_outputs, rows_of, with_weights

_LARGEST: Final = 127
_DAMPING: Final = 0.01
"""Of the mean of the squares on the diagonal: inputs that hardly vary do not move much."""


def rounded(network: Any, windows: FloatArray) -> Any:
    """Give a network whose pointwise and dense weights are what int8 can hold; TFLite's converter finds the same steps.

    Depthwise layers and the first convolution stay as they are: they have few weights for each scale.

    Args:
        network: Of `equalised`; it is not changed.
        windows: float32 [n, n_frames, n_mels, 1], by which it is known how inputs go together.
    """
    weights, rng = network.get_weights(), np.random.default_rng(0)
    pointwise_inputs = relu_outputs(network)[1::2]
    for index, inputs in enumerate([*pointwise_inputs, network.layers[-2].output]):
        is_dense = index == len(pointwise_inputs)
        # The first convolution, then pairs of a depthwise and a pointwise layer; a kernel and a bias each.
        at = len(weights) - 2 if is_dense else 4 * index + 4
        kernel = weights[at].reshape(-1, weights[at].shape[-1])
        rows = rows_of(network, inputs, windows, rng).astype(np.float64)
        found = round_kernel(kernel, rows.T @ rows, has_one_scale=is_dense)
        weights[at + 1] = weights[at + 1] + (rows.mean(axis=0) @ (kernel - found)).astype(np.float32)
        weights[at] = found.reshape(weights[at].shape)
    return with_weights(network, weights)


def round_kernel(kernel: FloatArray, gram: NDArray[np.float64], *, has_one_scale: bool) -> FloatArray:
    """Round a kernel to multiples of a step for each output, or of one for all; -127 to 127 of them.

    Args:
        kernel: float32 [n_in, n_out].
        gram: float64 [n_in, n_in], sums of the products of inputs.
        has_one_scale: Whether all outputs have one step.

    Returns:
        float32 [n_in, n_out]; the largest weight of every step is kept, so that the step can be found from it.
    """
    size = np.abs(kernel.astype(np.float64))
    largest = size.max(keepdims=True) if has_one_scale else size.max(axis=0, keepdims=True)
    step = np.maximum(largest, np.finfo(np.float32).tiny) / _LARGEST
    order = np.argsort(-np.diag(gram), kind="stable")
    left, is_largest = kernel.astype(np.float64)[order], (size == largest)[order]
    damped = gram[np.ix_(order, order)] + max(_DAMPING * np.trace(gram) / len(gram), 1e-12) * np.eye(len(gram))
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    found = np.empty_like(left)
    for row in range(len(left)):
        nearest = np.clip(np.rint(left[row] / step[0]), -_LARGEST, _LARGEST)
        nearest = np.where(is_largest[row], _LARGEST * np.sign(kernel[order[row]]), nearest)
        found[row] = nearest * step[0]
        left[row + 1 :] -= np.outer(factor[row, row + 1 :], (left[row] - found[row]) / factor[row, row])
    result = np.empty_like(kernel)
    result[order] = found
    return result
