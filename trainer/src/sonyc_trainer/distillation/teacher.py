"""The teacher: the layers of a YAMNet, read from its TFLite file.

YAMNet (M. Plakal and D. Ellis, research/audioset/yamnet of https://github.com/tensorflow/models) is MobileNet v1 on 96
frames of 64 mels: a convolution, then pairs of a depthwise and a pointwise one, each followed by a ReLU. In the TFLite
file batch normalisation is part of them. Where the file has int8 weights, they are scaled back; what int8
arithmetic costs the file's own front end and activations is thus not learned from it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.files import sha256_hex
from sonyc_trainer.embeddings.tflite_graph import convolutions
from sonyc_trainer.errors import EmbeddingError
from sonyc_trainer.quiet import NOWHERE, output_to

_N_LAYERS: Final = 27
"""One convolution and thirteen pairs."""


@dataclass(frozen=True)
class Layer:
    """A convolution with its biases, followed by a ReLU.

    Attributes:
        kernel: float32 [height, width, n_in, n_out]; of a depthwise layer [height, width, n_channels, 1].
        bias: float32 [n_out].
        is_depthwise: Whether every channel has a filter of its own.
    """

    kernel: FloatArray
    bias: FloatArray
    is_depthwise: bool


def read_teacher(path: Path, *, sha256: str | None = None) -> list[Layer]:
    """Read the layers from the waveform's log-mel to the embedding, in order.

    Args:
        path: A TFLite file of YAMNet.
        sha256: What its digest must be, in hexadecimal; None takes any file.

    Raises:
        EmbeddingError: the file cannot be read, is another one, or has other layers than YAMNet.
    """
    try:
        model = path.read_bytes()
    except OSError as error:
        raise EmbeddingError(f"{path}: cannot be read: {error.strerror or error}") from error
    found = sha256_hex(model)
    if sha256 is not None and found != sha256:
        raise EmbeddingError(
            f"{path}: its SHA-256 is {found}, the study's teacher has {sha256}: give that file, or change "
            "[pretrain.distil] teacher_sha256"
        )
    layers = _layers(path, model)
    _check(path, layers)
    return layers


def _layers(path: Path, model: bytes) -> list[Layer]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        with output_to(NOWHERE):
            interpreter: Any = Interpreter(
                model_content=model,
                num_threads=1,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise EmbeddingError(f"{path}: no TFLite model: {reason}") from error
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    of_layers = convolutions(model)
    if any(np.issubdtype(details[bias]["dtype"], np.integer) for _, (_, bias) in of_layers):
        raise EmbeddingError(f"{path}: computes in int8 throughout: give a build of YAMNet with biases in float")
    return [_layer(interpreter, details, *of_layer) for of_layer in of_layers]


def _layer(interpreter: Any, details: dict[int, Any], is_depthwise: bool, tensors: tuple[int, int]) -> Layer:
    """Read one layer; TFLite has the output channels of a convolution first, those of a depthwise one last."""
    kernel, bias = tensors
    weights = _scaled_back(interpreter.get_tensor(kernel), details[kernel]["quantization_parameters"])
    weights = weights[0][..., np.newaxis] if is_depthwise else weights.transpose(1, 2, 3, 0)
    return Layer(np.ascontiguousarray(weights), interpreter.get_tensor(bias).astype(np.float32), is_depthwise)


def _scaled_back(weights: Any, quantisation: Any) -> FloatArray:
    scales = quantisation["scales"].astype(np.float32)
    values: FloatArray = weights.astype(np.float32)
    if not len(scales):
        return values
    shape = [1] * values.ndim
    if len(scales) > 1:
        shape[quantisation["quantized_dimension"]] = -1
        values = values - quantisation["zero_points"].astype(np.float32).reshape(shape)
    return np.asarray(values * scales.reshape(shape), np.float32)


def _check(path: Path, layers: list[Layer]) -> None:
    wanted = [False, *[True, False] * (_N_LAYERS // 2)]
    if [layer.is_depthwise for layer in layers] != wanted or layers[0].kernel.shape[2] != 1:
        raise EmbeddingError(
            f"{path}: {len(layers)} convolutions in another order than YAMNet's {_N_LAYERS}: only YAMNet can teach"
        )
