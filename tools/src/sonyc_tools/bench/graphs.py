"""How much a TFLite model multiplies, read from the graph that a runtime has loaded."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sonyc_contract.errors import ModelError

_WEIGHTED: Final = frozenset({"CONV_2D", "FULLY_CONNECTED"})


def open_litert(model: bytes, *, with_delegate: bool, n_threads: int = 1) -> Any:
    """Load a model of any input on ai-edge-litert.

    Args:
        model: The file's bytes.
        with_delegate: Whether XNNPACK executes what it can, which is the runtime's default.
        n_threads: Threads of the runtime.

    Raises:
        ModelError: it is not installed, or cannot load the model.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError as error:
        raise ModelError(f"ai-edge-litert is not installed: pip install 'sonyc-device[litert]' ({error})") from error
    resolver = OpResolverType.AUTO if with_delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with quiet():
            interpreter = Interpreter(
                model_content=model, num_threads=n_threads, experimental_op_resolver_type=resolver
            )
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ModelError(f"not a TFLite model that loads: {reason}") from error
    return interpreter


def n_macs(model: bytes) -> int:
    """Count the multiplications of convolutions and dense layers in one invocation.

    Raises:
        ModelError: the model does not load.
    """
    interpreter = open_litert(model, with_delegate=False)
    shapes = {tensor["index"]: tuple(map(int, tensor["shape"])) for tensor in interpreter.get_tensor_details()}
    return sum(_macs_of(op, shapes) for op in interpreter._get_ops_details())


def _macs_of(op: Any, shapes: dict[int, tuple[int, ...]]) -> int:
    output = math.prod(shapes[int(op["outputs"][0])])
    weights = shapes.get(int(op["inputs"][1]), ()) if len(op["inputs"]) > 1 else ()
    if op["op_name"] in _WEIGHTED:  # weights are [n_outputs, ...]: the rest is what one output is made of
        return output * math.prod(weights[1:])
    if op["op_name"] == "DEPTHWISE_CONV_2D":
        return output * weights[1] * weights[2]
    return 0


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what native code prints off the terminal: the runtimes greet on descriptor 2."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a device, by its descriptor
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
