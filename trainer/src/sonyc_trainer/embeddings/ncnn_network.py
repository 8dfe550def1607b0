"""Convolution networks run by ncnn, whose Winograd convolutions need less than half the time of any other runtime here.

OpenL3 (mel256, 512 numbers, one thread): 80 ms per window; ai-edge-litert 202, tflite-runtime 186, TensorFlow 197.
The results are float32 throughout: 1.5e-6 of the largest value from a direct convolution.
"""

import tempfile
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.errors import ModelError

_MAGIC: Final = "7767517"
_RAW_FLOAT32: Final = b"\0\0\0\0"
"""What ncnn expects before the weights of a convolution that are not packed."""
_VALID, _SAME = 1, 2
"""ncnn's `pad_mode` of a pooling."""


class Builder:
    """Writes a network as ncnn reads it, layer after layer: a line of text each, and the weights.

    https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure
    """

    def __init__(self, n_rows: int, n_columns: int) -> None:
        """Begin with an input of one channel, [n_rows, n_columns]."""
        self._lines = [f"Input input 0 1 blob0 0={n_columns} 1={n_rows} 2=1"]
        self._weights: list[bytes] = []

    def scale(self, factor: FloatArray, offset: FloatArray) -> None:
        """Multiply and add, by channel."""
        self._add("Scale", f"0={len(factor)} 1=1", factor.tobytes() + offset.tobytes())

    def convolve(self, kernel: FloatArray, bias: FloatArray, *, with_relu: bool) -> None:
        """Convolve with float32 [height, width, n_in, n_out], zeros around, and cut below 0 where that is wanted."""
        height, width, _, n_out = kernel.shape
        parameters = f"0={n_out} 1={width} 11={height} 4={width // 2} 14={height // 2} 5=1 6={kernel.size}"
        weights = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), np.float32).tobytes()
        self._add("Convolution", parameters + " 9=1" * with_relu, _RAW_FLOAT32 + weights + bias.tobytes())

    def pool(self, height: int, width: int, *, is_padded: bool) -> None:
        """Take the largest of every [height, width]; what is left at the ends is padded, or left out."""
        mode = _SAME if is_padded else _VALID
        self._add("Pooling", f"0=0 1={width} 11={height} 2={width} 12={height} 5={mode}")

    def file(self) -> bytes:
        """Give the whole network: the text, a zero byte, the weights."""
        text = "\n".join((_MAGIC, f"{len(self._lines)} {len(self._lines)}", *self._lines)) + "\n"
        return text.encode() + b"\0" + b"".join(self._weights)

    def _add(self, kind: str, parameters: str, weights: bytes = b"") -> None:
        n = len(self._lines)
        self._lines.append(f"{kind} layer{n} 1 1 blob{n - 1} blob{n} {parameters}")
        self._weights.append(weights)


def to_ncnn(model: Any) -> bytes:
    """Write a Keras network as ncnn reads it, to be used within a `tensorflow_session`.

    Args:
        model: One input, [n_rows, n_columns, 1]; a chain of normalisations, convolutions with step 1, rectifiers and
            poolings, flattened at the end. A normalisation after a convolution is folded into it.

    Raises:
        ModelError: it has a layer of another kind.
    """
    layers = [layer for layer in model.layers if type(layer).__name__ not in ("InputLayer", "Flatten")]
    builder = Builder(*model.input_shape[1:3])
    while layers:
        kind = type(layers[0]).__name__
        if kind not in _WRITERS:
            raise ModelError(f"layer {layers[0].name!r} is of kind {kind}; known are {', '.join(_WRITERS)}")
        layers = layers[_WRITERS[kind](builder, layers) :]
    return builder.file()


def _normalisation(builder: Builder, layers: list[Any]) -> int:
    builder.scale(*_affine(layers[0]))
    return 1


def _convolution(builder: Builder, layers: list[Any]) -> int:
    """Write a convolution with the normalisation and the rectifier that follow it; says how many layers that were."""
    following = [type(layer).__name__ for layer in layers[1:3]]
    kernel, bias = layers[0].get_weights()
    n = 1
    if following[:1] == ["BatchNormalization"]:
        factor, offset = _affine(layers[1])
        kernel, bias, n = kernel * factor, bias * factor + offset, 2
    with_relu = len(layers) > n and type(layers[n]).__name__ == "Activation"
    builder.convolve(kernel, bias.astype(np.float32), with_relu=with_relu)
    return n + with_relu


def _pooling(builder: Builder, layers: list[Any]) -> int:
    height, width = layers[0].pool_size
    builder.pool(height, width, is_padded=layers[0].padding == "same")
    return 1


def _affine(normalisation: Any) -> tuple[FloatArray, FloatArray]:
    """Give factor and offset of a batch normalisation as it is at inference."""
    gamma, beta, mean, variance = (array.astype(np.float64) for array in normalisation.get_weights())
    factor = gamma / np.sqrt(variance + normalisation.epsilon)
    return factor.astype(np.float32), (beta - mean * factor).astype(np.float32)


_WRITERS: Final[dict[str, Callable[[Builder, list[Any]], int]]] = {
    "BatchNormalization": _normalisation,
    "Conv2D": _convolution,
    "MaxPooling2D": _pooling,
}


class NcnnInterpreter:
    """The contract's `Interpreter` over such a network, on one thread."""

    def __init__(self, model: bytes) -> None:
        """Load what `to_ncnn` wrote.

        Raises:
            ModelError: ncnn is missing, or the bytes are no network.
        """
        try:
            import ncnn
        except ImportError as error:
            raise ModelError("OpenL3 needs ncnn, which is not installed: make openl3") from error
        text, _, weights = model.partition(b"\0")
        self._ncnn, self._net = ncnn, ncnn.Net()
        options = self._net.opt
        options.num_threads = 1
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_bf16_storage = options.use_vulkan_compute = False
        with tempfile.NamedTemporaryFile() as file:  # from memory, ncnn would go on to read bytes that it does not own
            file.write(weights)
            file.flush()
            if self._net.load_param_mem(text.decode("ascii", "replace")) or self._net.load_model(file.name):
                raise ModelError(f"ncnn cannot load this network of {len(model)} bytes")
        self._last = self._net.output_names()[0]
        first = text.decode().splitlines()[2].split()
        n_columns, n_rows = (int(part.partition("=")[2]) for part in first[5:7])
        self.input_shape: tuple[int, ...] = (n_rows, n_columns, 1)
        self.output_shape = self.run(np.zeros((1, *self.input_shape), np.float32)).shape[1:]

    def run(self, batch: FloatArray) -> FloatArray:
        """Give float32 [n, *output_shape] for float32 [n, *input_shape], n >= 1."""
        return np.stack([self._run(one) for one in batch])

    def _run(self, window: FloatArray) -> FloatArray:
        extractor = self._net.create_extractor()
        channels_first = np.ascontiguousarray(window.transpose(2, 0, 1), np.float32)  # last in Keras
        # A clone, because layers that work in place crash on a matrix that only borrows its memory.
        extractor.input("blob0", self._ncnn.Mat(channels_first).clone())
        _, found = extractor.extract(self._last)
        return np.array(found, np.float32).transpose(1, 2, 0).ravel()
