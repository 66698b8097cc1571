"""Units: the operators of a member as runtimes execute them, found in its outline.

A runtime fuses what follows a convolution or a matrix product elementwise into it. So a unit begins with an operator
that computes much (an anchor), and every other node joins the unit that made the last of its inputs. What depends on
weights only, and what computes shapes, belongs to each unit that reads it: runtimes fold the one, and the other costs
next to nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import onnx
from onnx import numpy_helper

from supple.runtime.onnx_template import Outline

_CONVOLUTIONS = {"Conv", "ConvTranspose"}
_PRODUCTS = {"Gemm", "MatMul"}
_NORMALISATIONS = {
    "LayerNormalization", "GroupNormalization", "InstanceNormalization", "RMSNormalization", "LpNormalization",
}  # fmt: skip
_POOLS = {
    "AveragePool", "MaxPool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceSum",
}  # fmt: skip
_OTHERS = {"LSTM", "GRU", "RNN", "Gather", "Resize", "Einsum"}


class UnitKind(StrEnum):
    """What a unit mainly computes."""

    POINTWISE = "pointwise convolution"
    DEPTHWISE = "depthwise convolution"
    CONVOLUTION = "convolution"
    LINEAR = "linear"
    ATTENTION = "attention"
    NORMALISATION = "normalisation"
    POOL = "pool"
    OTHER = "other"


@dataclass(frozen=True)
class Form:
    """What units of one form share: their graph in ONNX, with zeros in the place of every whole number in it.

    Its inputs are values ("x0", ...) and then weights ("w0", ...). `kind` tells apart what a graph without numbers
    does not.
    """

    kind: UnitKind
    graph: bytes

    @cached_property
    def parsed(self) -> onnx.GraphProto:
        """The graph as a message. Do not change it."""
        parsed = onnx.GraphProto()
        parsed.ParseFromString(self.graph)
        return parsed


@dataclass(frozen=True)
class Unit:
    """A form with its numbers, and the value in the member's graph that its first node gives.

    The numbers are the sizes of inputs and weights, whole numbers in attributes, and constants of whole numbers; two
    units of the same form and numbers compute the same and take the same time.
    """

    name: str
    form: Form
    numbers: tuple[int, ...]


def find_units(outline: Outline) -> list[Unit]:
    """Return the units of a member's outline, in their order.

    No unit reaches beyond what a block takes or gives, so that what a dropped block leaves behind has the same units as
    before.
    """
    graph = _Graph(outline)
    return [graph.unit(nodes) for nodes in _grouped(graph, outline.block_values)]


def _grouped(graph: "_Graph", block_values: frozenset[str]) -> list[list[onnx.NodeProto]]:
    """Return the nodes of each unit, without those that prepare weights and shapes."""
    groups: list[list[onnx.NodeProto]] = []
    group_of: dict[str, int] = {}
    for node in graph.nodes:
        if node.output[0] in graph.preparing:
            continue
        made = [name for name in node.input if name in group_of]
        last = max(made, key=group_of.__getitem__, default=None)
        if last is None or last in block_values or _is_anchor(node, groups[group_of[last]], graph):
            groups.append([])
            place = len(groups) - 1
        else:
            place = group_of[last]
        groups[place].append(node)
        group_of.update(dict.fromkeys(node.output, place))
    return groups


def _is_anchor(node: onnx.NodeProto, before: Sequence[onnx.NodeProto], graph: "_Graph") -> bool:
    if node.op_type in _PRODUCTS and not graph.has_weight(node):
        # The second product of an attention goes with its first: runtimes have an operator for both.
        return graph.kind(before) is not UnitKind.ATTENTION
    return node.op_type in _CONVOLUTIONS | _PRODUCTS | _NORMALISATIONS | _POOLS | _OTHERS


class _Graph:
    """An outline, indexed."""

    def __init__(self, outline: Outline) -> None:
        whole = outline.model.graph
        self.nodes = list(whole.node)
        self._constants = {entry.name: entry for entry in whole.initializer}
        self._types = {entry.name: entry.type.tensor_type for entry in (*whole.input, *whole.value_info, *whole.output)}
        self._makers = {name: node for node in self.nodes for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._outputs = {entry.name for entry in whole.output}
        self._weights = outline.weights
        self.preparing: set[str] = set()
        for node in self.nodes:
            read = [name for name in node.input if name and name not in self._constants]
            if node.op_type == "Shape" or all(name in self._weights or name in self.preparing for name in read):
                self.preparing.update(node.output)

    def has_weight(self, node: onnx.NodeProto) -> bool:
        """Say whether a node reads what depends on no input of the model."""
        return any(
            name in self._weights or name in self._constants or name in self.preparing for name in node.input if name
        )

    def kind(self, nodes: Sequence[onnx.NodeProto]) -> UnitKind:
        """Return what the unit of these nodes mainly computes."""
        anchor = nodes[0]
        if anchor.op_type in _CONVOLUTIONS:
            return self._kind_of_convolution(anchor)
        if anchor.op_type in _PRODUCTS:
            return UnitKind.LINEAR if self.has_weight(anchor) else UnitKind.ATTENTION
        if anchor.op_type in _NORMALISATIONS:
            return UnitKind.NORMALISATION
        return UnitKind.POOL if anchor.op_type in _POOLS else UnitKind.OTHER

    def _kind_of_convolution(self, node: onnx.NodeProto) -> UnitKind:
        groups = next((entry.i for entry in node.attribute if entry.name == "group"), 1)
        shape = self._shape(node.input[1])
        if groups > 1:
            return UnitKind.DEPTHWISE if shape[1] == 1 else UnitKind.CONVOLUTION
        return UnitKind.POINTWISE if all(size == 1 for size in shape[2:]) else UnitKind.CONVOLUTION

    def unit(self, nodes: Sequence[onnx.NodeProto]) -> Unit:
        """Return the unit of these nodes, with what prepares weights and shapes for them."""
        inside = list(self._with_preparation(nodes))
        made = {name for node in inside for name in node.output}
        read = list(dict.fromkeys(name for node in inside for name in node.input if name and name not in made))
        values = [name for name in read if name not in self._weights and name not in self._constants]
        weights = [name for name in read if name in self._weights]
        constants = [name for name in read if name in self._constants]
        given = [name for node in nodes for name in node.output if self._leaves(name, inside)] or nodes[-1].output[:1]
        names = {"": ""}
        for letter, group in (("x", values), ("w", weights), ("c", constants)):
            names |= {name: f"{letter}{index}" for index, name in enumerate(group)}
        names |= {name: f"v{index}" for index, name in enumerate(name for node in inside for name in node.output)}
        graph = onnx.GraphProto(name="unit")
        numbers: list[int] = []
        for name in values + weights:
            shape = self._shape(name)
            numbers += shape
            zeros = [0] * len(shape)
            graph.input.append(onnx.helper.make_tensor_value_info(names[name], self._types[name].elem_type, zeros))
        for node in inside:
            copy, held = _without_numbers(node, names)
            graph.node.append(copy)
            numbers += held
        for name in constants:
            entry, held = _constant_without_numbers(self._constants[name], names[name])
            graph.initializer.append(entry)
            numbers += held
        for name in given:
            graph.output.append(onnx.helper.make_empty_tensor_value_info(names[name]))
        kind = self.kind(nodes)
        return Unit(nodes[0].output[0], Form(kind, graph.SerializeToString(deterministic=True)), tuple(numbers))

    def _with_preparation(self, nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
        """Yield the nodes, each after those that prepare its weights and shapes."""
        seen: set[str] = set()

        def needed(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
            for name in node.input:
                if name in self.preparing and name not in seen:
                    maker = self._makers[name]
                    seen.update(maker.output)
                    yield from needed(maker)
                    yield maker

        for node in nodes:
            yield from needed(node)
            yield node

    def _leaves(self, name: str, inside: Sequence[onnx.NodeProto]) -> bool:
        """Say whether a value of a unit is read outside of it."""
        within = {id(node) for node in inside}
        readers = self._readers.get(name, [])
        return name in self._outputs or any(
            id(node) not in within and node.output[0] not in self.preparing for node in readers
        )

    def _shape(self, name: str) -> list[int]:
        return [axis.dim_value for axis in self._types[name].shape.dim]


def _without_numbers(node: onnx.NodeProto, names: Mapping[str, str]) -> tuple[onnx.NodeProto, list[int]]:
    """Return a node under other names with zeros for the whole numbers in its attributes, and these numbers."""
    copy = onnx.NodeProto(op_type=node.op_type, domain=node.domain)
    copy.input.extend(names[name] for name in node.input)
    copy.output.extend(names[name] for name in node.output)
    numbers: list[int] = []
    for attribute in sorted(node.attribute, key=lambda entry: entry.name):
        entry = copy.attribute.add()
        entry.CopyFrom(attribute)
        if attribute.type == onnx.AttributeProto.INT:
            numbers.append(attribute.i)
            entry.i = 0
        elif attribute.type == onnx.AttributeProto.INTS:
            numbers.extend(attribute.ints)
            entry.ints[:] = [0] * len(attribute.ints)
    return copy, numbers


def _constant_without_numbers(constant: onnx.TensorProto, name: str) -> tuple[onnx.TensorProto, list[int]]:
    """Return a constant under another name, one of whole numbers with zeros, and these numbers."""
    if constant.data_type != onnx.TensorProto.INT64:
        copy = onnx.TensorProto()
        copy.CopyFrom(constant)
        copy.name = name
        return copy, []
    numbers = numpy_helper.to_array(constant)
    return numpy_helper.from_array(np.zeros_like(numbers), name), numbers.reshape(-1).tolist()


def with_numbers(form: Form, numbers: Sequence[int]) -> onnx.GraphProto:
    """Return the graph of a form with its numbers in their places: what `find_units` took apart."""
    waiting = iter(numbers)
    graph = onnx.GraphProto()
    graph.CopyFrom(form.parsed)
    for value in graph.input:
        for axis in value.type.tensor_type.shape.dim:
            axis.dim_value = next(waiting)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.INT:
                attribute.i = next(waiting)
            elif attribute.type == onnx.AttributeProto.INTS:
                attribute.ints[:] = [next(waiting) for _ in attribute.ints]
    for entry in graph.initializer:
        if entry.data_type == onnx.TensorProto.INT64:
            zeros = numpy_helper.to_array(entry)
            filled = np.array([next(waiting) for _ in range(zeros.size)], np.int64).reshape(zeros.shape)
            entry.CopyFrom(numpy_helper.from_array(filled, entry.name))
    return graph
