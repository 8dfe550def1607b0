"""TFLite models behind one small protocol, on either of the two runtimes."""

import importlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.errors import ModelError


class Runtime(StrEnum):
    """A TFLite runtime that the node may have."""

    LITERT = "litert"
    """ai-edge-litert 2.x, the default: int8 runs about five times faster on it."""
    TFLITE = "tflite"
    """tflite-runtime 2.14.0, which needs NumPy < 2."""


class Interpreter(Protocol):
    """A model with one float32 input and one float32 output, each with a batch axis in front."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output, without the batch axis."""

    def run(self, batch: FloatArray) -> FloatArray:
        """Give float32 [n, *output_shape] for float32 [n, *input_shape], n >= 1."""


def open_interpreter(model: bytes, *, runtime: Runtime = Runtime.LITERT, n_threads: int = 1) -> Interpreter:
    """Load a TFLite model; int8 inputs and outputs are quantised and dequantised on the way.

    Args:
        model: The file's bytes.
        runtime: Which runtime executes it.
        n_threads: Threads the runtime may use.

    Raises:
        ModelError: the runtime is not installed, or it cannot load the model, or the model has not one float32 or int8
            input and output.
    """
    return TfliteInterpreter(model, _interpreter_class(runtime), runtime, n_threads)


class TfliteInterpreter:
    """`Interpreter` over ai-edge-litert's or tflite-runtime's class, which have the same interface."""

    def __init__(self, model: bytes, interpreter_class: Any, runtime: Runtime, n_threads: int) -> None:
        try:
            self._interpreter = interpreter_class(model_content=model, num_threads=n_threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise ModelError(f"{runtime} cannot load this model of {len(model)} bytes: {reason}") from error
        self._input = _only(self._interpreter.get_input_details(), "input")
        self._output = _only(self._interpreter.get_output_details(), "output")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""
        return tuple(int(size) for size in self._input["shape"][1:])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output, without the batch axis."""
        return tuple(int(size) for size in self._output["shape"][1:])

    def run(self, batch: FloatArray) -> FloatArray:
        """Give float32 [n, *output_shape] for float32 [n, *input_shape], n >= 1, one invocation each."""
        if batch.shape[1:] != self.input_shape:
            raise ModelError(f"the model takes inputs of shape {self.input_shape}, not {batch.shape[1:]}")
        quantised = _quantised(batch, self._input)
        outputs = np.empty((len(batch), *self.output_shape), self._output["dtype"])
        for index in range(len(batch)):
            self._interpreter.set_tensor(self._input["index"], quantised[index : index + 1])
            self._interpreter.invoke()
            outputs[index] = self._interpreter.get_tensor(self._output["index"])[0]
        return _dequantised(outputs, self._output)


def runtime_version(runtime: Runtime) -> str:
    """Name and version of an installed runtime, such as `ai-edge-litert 2.3.0`.

    Raises:
        ModelError: it is not installed.
    """
    from importlib import metadata

    distribution = _DISTRIBUTIONS[runtime]
    try:
        return f"{distribution} {metadata.version(distribution)}"
    except metadata.PackageNotFoundError as error:
        raise ModelError(_missing(runtime)) from error


_DISTRIBUTIONS = {Runtime.LITERT: "ai-edge-litert", Runtime.TFLITE: "tflite-runtime"}
_DTYPES = (np.float32, np.int8, np.uint8)
_MODULES = {Runtime.LITERT: "ai_edge_litert.interpreter", Runtime.TFLITE: "tflite_runtime.interpreter"}


def _interpreter_class(runtime: Runtime) -> Any:
    try:
        return importlib.import_module(_MODULES[runtime]).Interpreter
    except ImportError as error:
        raise ModelError(f"{_missing(runtime)} ({error})") from error


def _missing(runtime: Runtime) -> str:
    return f"the runtime {_DISTRIBUTIONS[runtime]} is not installed: pip install 'sonyc-device[{runtime}]'"


def _only(details: Sequence[Any], kind: str) -> Any:
    if len(details) != 1:
        raise ModelError(f"the model has {len(details)} {kind}s; exactly one is needed")
    tensor = details[0]
    shape = tuple(int(size) for size in tensor["shape"])
    if len(shape) < 2 or shape[0] != 1:
        raise ModelError(f"the model's {kind} has the shape {shape}, without a batch axis of 1 in front")
    if tensor["dtype"] not in _DTYPES or (tensor["dtype"] != np.float32 and not tensor["quantization"][0] > 0):
        raise ModelError(f"the model's {kind} is {np.dtype(tensor['dtype'])}; it must be float32 or quantised int8")
    return tensor


def _quantised(values: FloatArray, tensor: Any) -> Any:
    dtype = tensor["dtype"]
    if dtype == np.float32:
        return np.ascontiguousarray(values, dtype=np.float32)
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(dtype)


def _dequantised(values: Any, tensor: Any) -> FloatArray:
    if tensor["dtype"] == np.float32:
        return np.asarray(values, dtype=np.float32)
    scale, zero_point = tensor["quantization"]
    return np.asarray((values.astype(np.float32) - zero_point) * scale, dtype=np.float32)
