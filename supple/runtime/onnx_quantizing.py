"""Write the precision of chosen layers into an ONNX graph: integers in the file, and where numbers are rounded.

Layers of `int8` get QuantizeLinear and DequantizeLinear around them (QDQ), which runtimes fuse into integer operators;
of `int8-dynamic`, the operators that find ranges as they run; linear layers whose weights alone are quantized become
MatMulNBits. Scales are those of the grids that imitate the same in PyTorch, so both compute the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from supple.errors import SuppleError
from supple.family.quantized.formats import Format
from supple.family.quantized.quantizers import RoundInput
from supple.family.quantized.rounding import BlockGrid, ChannelGrid, Grid
from supple.runtime.integer_weights import IntegerWeights, integer_weights, norm_factor_and_bias
from supple.runtime.onnx_graph import needed_nodes

_MICROSOFT = "com.microsoft"
_PRODUCTS = ("Conv", "Gemm", "MatMul")
# MatMulNBits multiplies in float32, as the imitation does.
_FLOAT32_ACCURACY = 1

Array = NDArray[Any]


def quantized(model: onnx.ModelProto, precisions: Mapping[str, RoundInput]) -> onnx.ModelProto:
    """Return a model whose initializers have state-dict names, with the precision of these layers, by module path.

    The weights lie on the layers' grids already. Raises `SuppleError` where the graph has no operator for a layer that
    could be quantized, or ONNX none for its format.
    """
    graph = _Graph(model)
    for path, precision in precisions.items():
        for node in graph.products_of(f"{path}.weight"):
            _WRITERS[precision.format](graph, node, f"{path}.weight", precision)
    return graph.finished()


class _Graph:
    """A graph under surgery: nodes by what they give, readers of values, initializers by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self.nodes: list[onnx.NodeProto] = list(model.graph.node)
        self.arrays: dict[str, Array] = {}
        self._initializers = {entry.name: entry for entry in model.graph.initializer}
        self._outputs = {entry.name for entry in model.graph.output}
        # DequantizeLinear's results by what they were made of: one pair serves all readers.
        self._rounded: dict[tuple[str, Grid], str] = {}
        self._is_on: dict[str, Grid] = {}
        self._uses_microsoft = False

    def array(self, name: str) -> Array:
        """Return the numbers of an initializer."""
        if name not in self.arrays:
            self.arrays[name] = numpy_helper.to_array(self._initializers[name])
        return self.arrays[name]

    def is_constant(self, name: str) -> bool:
        """Say whether a value is an initializer."""
        return name in self._initializers or name in self.arrays

    def constant(self, name: str, array: Array, data_type: int | None = None) -> str:
        """Add an initializer, and return its name."""
        proto = numpy_helper.from_array(array, name)
        if data_type is not None:
            proto.data_type = data_type
        self._initializers[name] = proto
        self.arrays[name] = array
        return name

    def readers(self, value: str) -> list[onnx.NodeProto]:
        """Return the nodes that read a value."""
        return [node for node in self.nodes if value in node.input]

    def products_of(self, weight: str) -> list[onnx.NodeProto]:
        """Return the convolutions and matrix products that read a weight, transposed or not."""
        found: list[onnx.NodeProto] = []
        for node in self.readers(weight):
            if node.op_type == "Transpose":
                found.extend(entry for entry in self.readers(node.output[0]) if entry.op_type in _PRODUCTS)
            elif node.op_type in _PRODUCTS:
                found.append(node)
        if not found:
            raise SuppleError(f'The exported graph has no operator that multiplies by "{weight}": leave it in fp32.')
        return found

    def insert(self, before: onnx.NodeProto, *nodes: onnx.NodeProto) -> None:
        """Put nodes before another."""
        place = self._place(before)
        self.nodes[place:place] = nodes

    def replace(self, node: onnx.NodeProto, *nodes: onnx.NodeProto) -> None:
        """Put nodes in the place of one."""
        place = self._place(node)
        self.nodes[place : place + 1] = nodes

    def _place(self, node: onnx.NodeProto) -> int:
        return next(place for place, entry in enumerate(self.nodes) if entry is node)

    def read_instead(self, old: str, new: str, readers: Iterable[onnx.NodeProto]) -> None:
        """Let nodes read another value."""
        for node in readers:
            for position, name in enumerate(node.input):
                if name == old:
                    node.input[position] = new

    def rounded_before(self, node: onnx.NodeProto, value: str, grid: Grid) -> str:
        """Return a value rounded to a grid, computed before a node."""
        if self._is_on.get(value) == grid:
            return value
        if (value, grid) not in self._rounded:
            name, pair = self._pair(value, grid)
            self.insert(node, *pair)
            self._rounded[value, grid] = name
            self._is_on[name] = grid
        return self._rounded[value, grid]

    def round_after(self, node: onnx.NodeProto, grid: Grid) -> None:
        """Let all who read what a node gives read it rounded, without the cuts that the rounding makes needless."""
        if node.output[0] in self._outputs:
            # The model's output keeps its name.
            inner = f"{node.output[0]}.before_rounding"
            name, pair = self._pair(inner, grid, node.output[0])
            node.output[0] = inner
            self.nodes[self._place(node) + 1 : self._place(node) + 1] = pair
            return
        value = node.output[0]
        readers = self.readers(value)
        name, pair = self._pair(value, grid)
        self.nodes[self._place(node) + 1 : self._place(node) + 1] = pair
        self._is_on[name] = grid
        if readers and all(self._is_cut_by(reader, grid) for reader in readers):
            for reader in readers:
                if reader.output[0] not in self._outputs:
                    self.read_instead(reader.output[0], name, self.readers(reader.output[0]))
                    self.nodes.remove(reader)
        self.read_instead(value, name, [entry for entry in readers if entry in self.nodes])

    def _is_cut_by(self, node: onnx.NodeProto, grid: Grid) -> bool:
        """Say whether a node only cuts off what lies outside a range that the grid keeps to anyway."""
        least = (grid.low - grid.zero_point) * grid.scale
        most = (grid.high - grid.zero_point) * grid.scale
        if node.op_type == "Relu":
            return least >= 0
        if node.op_type != "Clip":
            return False
        bounds = [float(self.array(name)) if name and self.is_constant(name) else None for name in node.input[1:]]
        low, high = [*bounds, None, None][:2]
        slack = grid.scale / 2
        return (low is None or least >= low - slack) and (high is None or most <= high + slack)

    def _pair(self, value: str, grid: Grid, result: str | None = None) -> tuple[str, list[onnx.NodeProto]]:
        number = len(self.arrays)
        name = result or f"{value}.rounded_{number}"
        kind = np.int8 if grid.low < 0 else np.uint8
        parameters = [
            self.constant(f"{value}.scale_{number}", np.array(grid.scale, np.float32)),
            self.constant(f"{value}.zero_point_{number}", np.array(grid.zero_point, kind)),
        ]
        return name, [
            helper.make_node("QuantizeLinear", [value, *parameters], [f"{name}.integers"]),
            helper.make_node("DequantizeLinear", [f"{name}.integers", *parameters], [name]),
        ]

    def uses_microsoft(self) -> None:
        """Note that the graph has operators of ONNX Runtime's own domain."""
        self._uses_microsoft = True

    def fold_norm(self, node: onnx.NodeProto, weight: Array) -> tuple[Array, Array | None]:
        """Return the factor of each channel and the bias of a convolution with the batch norm behind it, which goes."""
        bias = self.array(node.input[2]).astype(np.float64) if len(node.input) > 2 and node.input[2] else None
        readers = self.readers(node.output[0])
        ones: Array = np.ones(weight.shape[0])
        if len(readers) != 1 or readers[0].op_type != "BatchNormalization" or node.output[0] in self._outputs:
            return ones, bias
        norm = readers[0]
        gamma, beta, mean, variance = (self.array(name) for name in norm.input[1:5])
        epsilon = next((entry.f for entry in norm.attribute if entry.name == "epsilon"), 1e-5)
        node.output[0] = norm.output[0]
        self.nodes.remove(norm)
        return norm_factor_and_bias(gamma, beta, mean, variance, epsilon, bias)

    def finished(self) -> onnx.ModelProto:
        """Return the model, without what nobody reads any more."""
        model = onnx.ModelProto()
        model.ir_version, model.producer_name = self._model.ir_version, self._model.producer_name
        model.opset_import.extend(self._model.opset_import)
        if self._uses_microsoft:
            model.opset_import.append(helper.make_opsetid(_MICROSOFT, 1))
        kept, read = needed_nodes(self.nodes, self._outputs)
        graph = model.graph
        graph.name = self._model.graph.name
        graph.input.extend(self._model.graph.input)
        graph.output.extend(self._model.graph.output)
        graph.node.extend(kept)
        graph.initializer.extend(entry for name, entry in self._initializers.items() if name in read)
        return model


def _write_static(graph: _Graph, node: onnx.NodeProto, weight: str, precision: RoundInput) -> None:
    """Round what the layer takes, its weights, its bias, and what it gives, each to its grid."""
    taken = precision.grid
    if not isinstance(taken, Grid) or not isinstance(precision.weight, Grid | ChannelGrid):
        raise SuppleError(f'Layer "{precision.layer.path}" has no calibrated ranges to export it with.')
    numbers = graph.array(weight)
    factor, bias = (np.ones(len(numbers)), None) if node.op_type != "Conv" else graph.fold_norm(node, numbers)
    if node.op_type == "Gemm" and len(node.input) > 2:
        bias = graph.array(node.input[2]).astype(np.float64)
    found = _integer_weights(precision, numbers, factor)
    integers, scale, zero_point = found.integers, found.scale, found.zero_point
    is_transposed = node.op_type == "MatMul"
    name = f"{weight}.of.{node.output[0]}"
    parameters = [
        graph.constant(f"{name}.scale", scale.astype(np.float32)),
        graph.constant(f"{name}.zero_point", np.full(scale.shape, zero_point, np.int8)),
    ]
    stored = graph.constant(f"{name}.integers", integers.T.copy() if is_transposed else integers)
    attributes: dict[str, Any] = {"axis": 1 if is_transposed else 0} if scale.ndim else {}
    before = [helper.make_node("DequantizeLinear", [stored, *parameters], [name], **attributes)]
    rounded = graph.rounded_before(node, node.input[0], taken)
    inputs = [rounded, name]
    if bias is not None:
        # int32, in units of one step of the input times one of the weight: the accumulator's own.
        step = np.maximum(taken.scale * scale, 1e-30)
        whole = np.clip(np.rint(bias / step), -(2**31) + 1, 2**31 - 1).astype(np.int32)
        bias_scale = graph.constant(f"{name}.bias_scale", np.asarray(step, np.float32))
        zeros = graph.constant(f"{name}.bias_zero_point", np.zeros(np.shape(step), np.int32))
        whole_bias = graph.constant(f"{name}.bias_integers", whole)
        bias_attributes: dict[str, Any] = {"axis": 0} if np.ndim(step) else {}
        before.append(
            helper.make_node("DequantizeLinear", [whole_bias, bias_scale, zeros], [f"{name}.bias"], **bias_attributes)
        )
        inputs.append(f"{name}.bias")
    graph.insert(node, *before)
    del node.input[:]
    node.input.extend(inputs)
    if precision.output is not None:
        assert isinstance(precision.output, Grid)
        graph.round_after(node, precision.output)


def _integer_weights(precision: RoundInput, weight: Array, factor: Array) -> IntegerWeights:
    assert isinstance(precision.weight, Grid | ChannelGrid)
    try:
        return integer_weights(precision.weight, weight, factor)
    except SuppleError as error:
        raise SuppleError(f'Layer "{precision.layer.path}": {error}') from None


def _write_dynamic(graph: _Graph, node: onnx.NodeProto, weight: str, precision: RoundInput) -> None:
    """Let the range of what the layer takes be found as it runs."""
    assert isinstance(precision.weight, Grid | ChannelGrid)
    numbers = graph.array(weight)
    is_convolution = node.op_type == "Conv"
    factor, bias = graph.fold_norm(node, numbers) if is_convolution else (np.ones(len(numbers)), None)
    if node.op_type == "Gemm" and len(node.input) > 2:
        bias = graph.array(node.input[2]).astype(np.float64)
    found = _integer_weights(precision, numbers, factor)
    integers, scale, zero_point = found.integers, found.scale, found.zero_point
    name = f"{weight}.of.{node.output[0]}"
    source = node.input[0]
    shape = [-1, *([1] * (numbers.ndim - 2))] if is_convolution else [-1]
    stored = graph.constant(f"{name}.integers", integers if is_convolution else integers.T.copy())
    zero = graph.constant(f"{name}.zero_point", np.array(zero_point, np.int8))
    step = graph.constant(
        f"{name}.scale", scale.astype(np.float32).reshape(shape) if scale.ndim else scale.astype(np.float32)
    )
    dynamic = [f"{source}.dynamic", f"{source}.dynamic_scale", f"{source}.dynamic_zero_point"]
    made = {value for entry in graph.nodes for value in entry.output}
    nodes = [] if dynamic[0] in made else [helper.make_node("DynamicQuantizeLinear", [source], dynamic)]
    product = helper.make_node(
        "ConvInteger" if is_convolution else "MatMulInteger", [dynamic[0], stored, dynamic[2], zero], [f"{name}.sums"]
    )
    if is_convolution:
        product.attribute.extend(node.attribute)
    last = f"{name}.scaled" if bias is not None else node.output[0]
    nodes += [
        product,
        helper.make_node("Cast", [f"{name}.sums"], [f"{name}.float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [dynamic[1], step], [f"{name}.step"]),
        helper.make_node("Mul", [f"{name}.float", f"{name}.step"], [last]),
    ]
    if bias is not None:
        added = graph.constant(f"{name}.bias", bias.astype(np.float32).reshape(shape))
        nodes.append(helper.make_node("Add", [last, added], [node.output[0]]))
    graph.replace(node, *nodes)


def _write_weights(graph: _Graph, node: onnx.NodeProto, weight: str, precision: RoundInput) -> None:
    """Store the weights alone as integers."""
    grid = precision.weight
    if not isinstance(grid, BlockGrid):
        _write_stored(graph, node, weight, precision)
        return
    numbers = graph.array(weight)
    outputs, inputs = numbers.shape
    whole = grid.integers(torch.from_numpy(numbers.copy())).numpy()
    blocks = -(-inputs // grid.block)
    bits = 4 if grid.high < 8 else 8
    padded = np.zeros((outputs, blocks * grid.block), np.uint8)
    # Unsigned, 0 in the middle.
    padded[:] = 2 ** (bits - 1)
    padded[:, :inputs] = (whole + 2 ** (bits - 1)).astype(np.uint8)
    packed = padded if bits == 8 else padded[:, 0::2] | (padded[:, 1::2] << 4)
    name = f"{weight}.of.{node.output[0]}"
    stored = graph.constant(f"{name}.integers", packed.reshape(outputs, blocks, -1))
    scales = graph.constant(f"{name}.scales", grid.scale.float().numpy().reshape(-1))
    bias = node.input[2] if node.op_type == "Gemm" and len(node.input) > 2 else None
    last = node.output[0] if bias is None else f"{name}.product"
    product = helper.make_node(
        "MatMulNBits",
        [node.input[0], stored, scales],
        [last],
        domain=_MICROSOFT,
        K=inputs,
        N=outputs,
        bits=bits,
        block_size=grid.block,
        accuracy_level=_FLOAT32_ACCURACY,
    )
    graph.uses_microsoft()
    added = [] if bias is None else [helper.make_node("Add", [last, bias], [node.output[0]])]
    graph.replace(node, product, *added)


def _write_stored(graph: _Graph, node: onnx.NodeProto, weight: str, precision: RoundInput) -> None:
    """Store the weights as integers that become float32 before the layer runs."""
    assert isinstance(precision.weight, Grid | ChannelGrid)
    numbers = graph.array(weight)
    found = _integer_weights(precision, numbers, np.ones(len(numbers)))
    integers, scale, zero_point = found.integers, found.scale, found.zero_point
    name = f"{weight}.of.{node.output[0]}"
    parameters = [
        graph.constant(f"{name}.scale", scale.astype(np.float32)),
        graph.constant(f"{name}.zero_point", np.full(scale.shape, zero_point, np.int8)),
    ]
    stored = graph.constant(f"{name}.integers", integers)
    attributes: dict[str, Any] = {"axis": 0} if scale.ndim else {}
    graph.insert(node, helper.make_node("DequantizeLinear", [stored, *parameters], [name], **attributes))
    node.input[1] = name


def _refuse(graph: _Graph, node: onnx.NodeProto, weight: str, precision: RoundInput) -> None:
    raise SuppleError(f'Layer "{precision.layer.path}" is {precision.format}, which has no form in our ONNX files.')


_WRITERS = {
    Format.INT8: _write_static,
    Format.INT8_DYNAMIC: _write_dynamic,
    Format.INT8_WEIGHTS: _write_weights,
    Format.INT4_WEIGHTS: _write_weights,
    Format.FP8: _refuse,
    Format.FP16: _refuse,
    Format.BF16: _refuse,
}


def quantized_layers(model: onnx.ModelProto) -> Iterator[str]:
    """Yield the names of the weights that a file holds as integers: what is quantized in it."""
    for entry in model.graph.initializer:
        if entry.name.endswith(".integers") and ".weight.of." in entry.name:
            yield entry.name.partition(".weight.of.")[0]
