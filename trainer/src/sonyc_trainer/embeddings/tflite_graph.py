"""A TFLite file's graph, as far as it takes to find its convolutions and to make another tensor its output.

An inner tensor can otherwise be read only with `experimental_preserve_all_tensors`, which keeps all of them in memory.
The layout is that of TensorFlow's schema.fbs, version 3; only the list of outputs is changed, in place.
"""

import struct
from typing import Final

from sonyc_trainer.errors import EmbeddingError

_IDENTIFIER: Final = b"TFL3"
_CONV_2D, _DEPTHWISE_CONV_2D, _DEQUANTIZE, _FULLY_CONNECTED = 3, 4, 6, 9
_OPERATOR_CODES, _SUBGRAPHS = 1, 2
_OUTPUTS, _OPERATORS = 2, 3
_OPCODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS = 0, 1, 2
_SHORT_CODE, _CODE = 0, 3


def dense_input(model: bytes) -> int:
    """Give the index of the tensor that the last dense layer reads: the embedding of a classifier.

    Raises:
        EmbeddingError: the file is no TFLite model, or has no dense layer.
    """
    try:
        graph = _Graph(model)
        found = [graph.inputs(one)[0] for one in graph.operators if graph.kind(one) == _FULLY_CONNECTED]
    except (struct.error, IndexError) as error:
        raise EmbeddingError(f"not a TFLite model: its graph cannot be read ({error})") from error
    if not found:
        raise EmbeddingError("the model has no dense layer, whose input would be its embedding")
    return found[-1]


def convolutions(model: bytes) -> list[tuple[bool, tuple[int, int]]]:
    """List the convolutions in the order in which they run.

    Returns:
        Of each, whether it is depthwise, and the indices of the tensors that hold its weights and biases, before they
        are scaled back where an operator does that.

    Raises:
        EmbeddingError: the file is no TFLite model.
    """
    try:
        graph = _Graph(model)
        kinds = {operator: graph.kind(operator) for operator in graph.operators}
        held = {graph.outputs_of(one)[0]: graph.inputs(one)[0] for one, kind in kinds.items() if kind == _DEQUANTIZE}
        tensors = {one: [held.get(tensor, tensor) for tensor in graph.inputs(one)] for one in kinds}
    except (struct.error, IndexError) as error:
        raise EmbeddingError(f"not a TFLite model: its graph cannot be read ({error})") from error
    return [
        (kind == _DEPTHWISE_CONV_2D, (tensors[one][1], tensors[one][2]))
        for one, kind in kinds.items()
        if kind in {_CONV_2D, _DEPTHWISE_CONV_2D}
    ]


def with_output(model: bytes, tensor: int) -> bytes:
    """Give a model whose only output is another of its tensors; what comes after it stays in the file."""
    graph, changed = _Graph(model), bytearray(model)
    struct.pack_into("<Ii", changed, graph.outputs, 1, tensor)
    return bytes(changed)


class _Graph:
    """Positions in the bytes of a file with one subgraph; a flatbuffer table is known by where it begins."""

    def __init__(self, model: bytes) -> None:
        if model[4:8] != _IDENTIFIER:
            raise EmbeddingError("not a TFLite model")
        self._bytes = model
        root = self._pointed(0)
        self._codes = self._tables(root, _OPERATOR_CODES)
        subgraph = self._tables(root, _SUBGRAPHS)[0]
        self.operators = self._tables(subgraph, _OPERATORS)
        self.outputs = self._vector(subgraph, _OUTPUTS)

    def kind(self, operator: int) -> int:
        """Give the built-in code of an operator; codes over 127 are in a field of their own."""
        code = self._codes[self._scalar(operator, _OPCODE, "<I")]
        return max(self._scalar(code, _SHORT_CODE, "<b"), self._scalar(code, _CODE, "<i"))

    def inputs(self, operator: int) -> list[int]:
        """Give the indices of the tensors that an operator reads."""
        return self._numbers(operator, _OPERATOR_INPUTS)

    def outputs_of(self, operator: int) -> list[int]:
        """Give the indices of the tensors that an operator writes."""
        return self._numbers(operator, _OPERATOR_OUTPUTS)

    def _numbers(self, table: int, slot: int) -> list[int]:
        start = self._vector(table, slot)
        return [self._read("<i", start + 4 + 4 * index) for index in range(self._read("<I", start))]

    def _read(self, form: str, position: int) -> int:
        return int(struct.unpack_from(form, self._bytes, position)[0])

    def _pointed(self, position: int) -> int:
        return position + self._read("<I", position)

    def _field(self, table: int, slot: int) -> int:
        """Give where a field lies; 0 where it is left out."""
        vtable = table - self._read("<i", table)
        entry = 4 + 2 * slot
        offset = self._read("<H", vtable + entry) if entry < self._read("<H", vtable) else 0
        return table + offset if offset else 0

    def _scalar(self, table: int, slot: int, form: str) -> int:
        position = self._field(table, slot)
        return self._read(form, position) if position else 0

    def _vector(self, table: int, slot: int) -> int:
        """Give where a vector begins, with its length first."""
        return self._pointed(self._field(table, slot))

    def _tables(self, table: int, slot: int) -> list[int]:
        start = self._vector(table, slot)
        return [self._pointed(start + 4 + 4 * index) for index in range(self._read("<I", start))]
