"""A member's precision in a PyTorch graph: integer weights, and operators that quantize and dequantize.

It is the form that torchao's PT2E flow ends with, which backends of PyTorch fuse into integer operators. There, scales
come from observers; here they are those of the grids that imitate the same in PyTorch, so both compute the same.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch

# It defines the operators.
import torch.ao.quantization.fx._decomposed
from torch import fx, nn

from supple.errors import SuppleError
from supple.family.quantized.formats import Format
from supple.family.quantized.quantizers import RoundInput, without_precision
from supple.family.quantized.rounding import ChannelGrid, Grid
from supple.runtime.integer_weights import integer_weights, norm_factor_and_bias
from supple.runtime.torch_export import exported_program
from supple.trace import ModelInputs
from supple.trace.silence import silenced

_QUANTIZE = torch.ops.quantized_decomposed.quantize_per_tensor.default
_DEQUANTIZE = torch.ops.quantized_decomposed.dequantize_per_tensor.default
_DEQUANTIZE_CHANNELS = torch.ops.quantized_decomposed.dequantize_per_channel.default
_SIGNED_SHIFT = 128


def quantized_program(
    member: nn.Module, precisions: Mapping[str, RoundInput], inputs: ModelInputs
) -> torch.export.ExportedProgram:
    """Return a member that was taken out as a program whose int8 layers hold and multiply integers of 8 bits, signed.

    `precisions` are those of its layers, by module path. Raises `SuppleError` where the member cannot be exported, and
    for a layer of another format, or one without calibrated ranges.
    """
    module = without_precision(member)
    replacements: dict[nn.Module, nn.Module] = {}
    for path, precision in precisions.items():
        layer = module.get_submodule(path)
        norm = module.get_submodule(precision.layer.output) if precision.layer.output != path else None
        replacements[layer] = _IntegerLayer(layer, norm, precision)
        if norm is not None:
            replacements[norm] = nn.Identity()
    for parent in list(module.modules()):
        for name, child in parent._modules.items():
            if child in replacements:
                parent._modules[name] = replacements[child]
    # Without decompositions, this only makes operators that write into their inputs return what they wrote.
    with silenced():
        program: torch.export.ExportedProgram = exported_program(module, inputs).run_decompositions({})
    _simplify(program.graph_module.graph)
    program.graph_module.recompile()
    return program


class _IntegerLayer(nn.Module):
    """A layer with the norm behind it, whose weights are integers."""

    def __init__(self, layer: nn.Module, norm: nn.Module | None, precision: RoundInput) -> None:
        super().__init__()
        grid, result = precision.grid, precision.output
        path = precision.layer.path
        if precision.format is not Format.INT8 or not isinstance(precision.weight, Grid | ChannelGrid):
            raise SuppleError(f'Layer "{path}" is {precision.format}, which has no form in our PyTorch graphs.')
        if not isinstance(grid, Grid) or not (result is None or isinstance(result, Grid)):
            raise SuppleError(f'Layer "{path}" has no calibrated ranges to export it with.')
        self._taken, self._given = _signed(grid), None if result is None else _signed(result)
        weight = _numbers(layer.weight)
        bias = None if layer.bias is None else _numbers(layer.bias)
        factor = np.ones(len(weight))
        if norm is not None:
            mean, variance = _numbers(norm.running_mean), _numbers(norm.running_var)
            gamma = np.ones_like(mean) if norm.weight is None else _numbers(norm.weight)
            beta = np.zeros_like(mean) if norm.bias is None else _numbers(norm.bias)
            assert isinstance(norm.eps, float)
            factor, bias = norm_factor_and_bias(gamma, beta, mean, variance, norm.eps, bias)
        found = integer_weights(precision.weight, weight, factor)
        if found.zero_point != 0:
            raise SuppleError(
                f'The weights of layer "{path}" have a zero point, which PyTorch\'s integer operators lack: set '
                "symmetric_weights=True."
            )
        scale = torch.from_numpy(np.broadcast_to(found.scale, (len(weight),)).astype(np.float32))
        self.register_buffer("integers", torch.from_numpy(found.integers))
        self.register_buffer("scale", scale)
        self.register_buffer("zero_points", torch.zeros(len(weight), dtype=torch.int64))
        if bias is not None:
            layer.bias = nn.Parameter(torch.from_numpy(bias.astype(np.float32)), requires_grad=False)
        # Its own forward runs, as some pad in a way of their own.
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = _DEQUANTIZE_CHANNELS(self.integers, self.scale, self.zero_points, 0, -127, 127, torch.int8)
        y: torch.Tensor = torch.func.functional_call(self.layer, {"weight": weight}, (_rounded(x, self._taken),))
        return y if self._given is None else _rounded(y, self._given)


def _numbers(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy()


def _signed(grid: Grid) -> Grid:
    """Return a grid that stands for the same numbers by whole numbers of int8."""
    if grid.low < 0:
        return grid
    shift = _SIGNED_SHIFT
    return Grid(grid.scale, grid.zero_point - shift, grid.low - shift, grid.high - shift)


def _rounded(x: torch.Tensor, grid: Grid) -> torch.Tensor:
    arguments = (grid.scale, grid.zero_point, grid.low, grid.high, torch.int8)
    result: torch.Tensor = _DEQUANTIZE(_QUANTIZE(x, *arguments), *arguments)
    return result


def _simplify(graph: fx.Graph) -> None:
    """Remove what the rounding makes needless, and let each reader have its own dequantized value.

    Backends find an integer operator where what it reads is dequantized for it alone.
    """
    for node in list(graph.nodes):
        source = node.args[0] if node.args else None
        if not isinstance(source, fx.Node) or source.target is not _DEQUANTIZE:
            continue
        if _is_cut_by(node, source):
            node.replace_all_uses_with(source)
        elif node.target is _QUANTIZE and node.args[1:] == source.args[1:]:
            node.replace_all_uses_with(source.args[0])
    graph.eliminate_dead_code()
    for node in list(graph.nodes):
        if node.target is _DEQUANTIZE:
            for reader in list(node.users)[1:]:
                with graph.inserting_before(reader):
                    own = graph.call_function(_DEQUANTIZE, node.args)
                own.meta = dict(node.meta)
                reader.replace_input_with(node, own)


def _is_cut_by(node: fx.Node, dequantized: fx.Node) -> bool:
    """Say whether a node only cuts off what lies outside a range that a dequantized value keeps to anyway."""
    scale, zero_point, low, high = cast(tuple[float, int, int, int], dequantized.args[1:5])
    given = list(node.args[1:3])
    least: Any
    most: Any
    if node.target is torch.ops.aten.relu.default:
        least, most = 0.0, None
    elif node.target is torch.ops.aten.relu6.default:
        least, most = 0.0, 6.0
    elif node.target is torch.ops.aten.hardtanh.default:
        least, most = given + [-1.0, 1.0][len(given) :]
    elif node.target is torch.ops.aten.clamp.default:
        least, most = given + [None, None][len(given) :]
    else:
        return False
    slack = scale / 2
    return (least is None or (low - zero_point) * scale >= least - slack) and (
        most is None or (high - zero_point) * scale <= most + slack
    )
