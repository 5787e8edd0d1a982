"""Builder of ONNX graphs: nodes with new names, constants each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

NEWEST_ROW = np.iinfo(np.int64).max
"""as the end of a slice: to the last"""


class GraphBuilder:
    """Nodes and constants of a graph, in the order in which they were added."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.inputs: dict[str, ValueInfoProto] = {}
        self._constants: dict[tuple[Any, ...], TensorProto] = {}
        self._foreign_constants: list[TensorProto] = []

    def input(self, name: str, kind: int, shape: tuple[str | int, ...]) -> str:
        """An input of the graph, declared when it is first needed."""
        self.inputs.setdefault(name, helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, values: Any, dtype: type = np.float64) -> str:
        """The name of a constant; equal ones are one."""
        array: NDArray[Any] = np.asarray(values, dtype=dtype)
        key = (array.tobytes(), array.shape, array.dtype.str)
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"c{len(self._constants)}")
        return str(self._constants[key].name)

    def number(self, value: float) -> str:
        """A constant number."""
        return self.constant(value)

    def integers(self, *values: int) -> str:
        """A constant list of integers, such as axes and ends of slices."""
        return self.constant(values, np.int64)

    def add(self, operation: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node; returns the name of its one output."""
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        return name

    def slice(self, tensor: str, start: int, end: int) -> str:
        """Some neighbouring rows of a tensor."""
        return self.add("Slice", tensor, self.integers(start), self.integers(end))

    def rows(self, tensor: str, numbers: Sequence[int]) -> str:
        """Some rows of a tensor, in their order."""
        first = numbers[0]
        if list(numbers) == list(range(first, first + len(numbers))):
            return self.slice(tensor, first, first + len(numbers))
        return self.add("Gather", tensor, self.constant(numbers, np.int64))

    def append(self, graph: GraphProto) -> None:
        """Add all nodes and constants of another graph, whose names must not be taken."""
        self.nodes.extend(graph.node)
        self._foreign_constants.extend(graph.initializer)

    def graph(self, name: str, outputs: list[ValueInfoProto]) -> GraphProto:
        """All of it as a graph."""
        constants = [*self._constants.values(), *self._foreign_constants]
        return helper.make_graph(self.nodes, name, list(self.inputs.values()), outputs, initializer=constants)
