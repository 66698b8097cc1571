"""Layers as PyTorch computes them in other formats: in integers, in floats of 16 bits, or from stored weights."""

from typing import Any

import numpy as np
import torch

# It defines the operators.
import torch.ao.quantization.fx._decomposed
from torch import nn

from supple.errors import SuppleError
from supple.family.quantized.formats import Format
from supple.family.quantized.quantization import HALF_TYPES
from supple.family.quantized.quantizers import RoundInput
from supple.family.quantized.rounding import AnyGrid, ChannelGrid, FloatGrid, Grid
from supple.runtime.integer_weights import integer_weights, norm_factor_and_bias
from supple.runtime.stored_weight import StoredWeight

QUANTIZE = torch.ops.quantized_decomposed.quantize_per_tensor.default
DEQUANTIZE = torch.ops.quantized_decomposed.dequantize_per_tensor.default
_DEQUANTIZE_CHANNELS = torch.ops.quantized_decomposed.dequantize_per_channel.default
_HALF_RANGE = 128


class IntegerLayer(nn.Module):
    """A layer with the norm behind it, whose weights are integers."""

    def __init__(self, layer: nn.Module, norm: nn.Module | None, precision: RoundInput, integers: torch.dtype) -> None:
        """`integers`: what activations become, int8 or uint8."""
        super().__init__()
        result = precision.output
        assert isinstance(precision.weight, Grid | ChannelGrid)
        if not isinstance(precision.grid, Grid) or not (result is None or isinstance(result, Grid)):
            raise _no_ranges(precision)
        self._integers = integers
        self._taken = _in_type(precision.grid, integers)
        self._given = None if result is None else _in_type(result, integers)
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
                f'The weights of layer "{precision.layer.path}" have a zero point, which PyTorch\'s integer operators '
                "lack: set symmetric_weights=True."
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
        """Map what the layer takes to what it gives, both rounded."""
        weight = _DEQUANTIZE_CHANNELS(self.integers, self.scale, self.zero_points, 0, -127, 127, torch.int8)
        y: torch.Tensor = torch.func.functional_call(self.layer, {"weight": weight}, (self._rounded(x, self._taken),))
        return y if self._given is None else self._rounded(y, self._given)

    def _rounded(self, x: torch.Tensor, grid: Grid) -> torch.Tensor:
        arguments = (grid.scale, grid.zero_point, grid.low, grid.high, self._integers)
        result: torch.Tensor = DEQUANTIZE(QUANTIZE(x, *arguments), *arguments)
        return result


class HalfLayer(nn.Module):
    """A layer that takes, multiplies and gives floats of 16 bits, among others of 32."""

    def __init__(self, layer: nn.Module, half: torch.dtype) -> None:
        super().__init__()
        self._half = half
        self.layer = layer.to(half)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map what the layer takes to what it gives, in the type of the former."""
        y: torch.Tensor = self.layer(x.to(self._half))
        return y.to(x.dtype)


class StoredLayer(nn.Module):
    """A layer whose weights are stored in fewer bits, and become float32 before it multiplies by them."""

    def __init__(self, layer: nn.Module, precision: RoundInput, takes: nn.Module) -> None:
        """`takes` rounds what the layer takes."""
        super().__init__()
        self.layer = layer
        self.takes = takes
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        self.stored = StoredWeight(precision.weight, weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map what the layer takes to what it gives."""
        y: torch.Tensor = torch.func.functional_call(self.layer, {"weight": self.stored()}, (self.takes(x),))
        return y


class RoundToFloats(nn.Module):
    """Rounds to what a small floating-point type holds, times a scale."""

    def __init__(self, grid: FloatGrid) -> None:
        super().__init__()
        self._grid = grid

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x at the nearest numbers."""
        return self._grid.numbers(self._grid.floats(x))


def replaced(
    layer: nn.Module, norm: nn.Module | None, precision: RoundInput, integers: torch.dtype
) -> tuple[nn.Module, nn.Module | None]:
    """Return what stands in the place of a layer, and in that of the norm behind it, to compute in its precision.

    Raises `SuppleError` for a format that has no form here, and for a layer without calibrated ranges.
    """
    if half := HALF_TYPES.get(precision.format):
        return HalfLayer(layer, half), norm
    if precision.format is Format.INT8:
        return IntegerLayer(layer, norm, precision, integers), None if norm is None else nn.Identity()
    if precision.format is Format.FP8:
        taken, given = (_to_floats(precision, grid) for grid in (precision.grid, precision.output))
        stored = StoredLayer(layer, precision, taken)
        return (nn.Sequential(stored, given), None) if norm is None else (stored, nn.Sequential(norm, given))
    if precision.format in (Format.INT4_WEIGHTS, Format.INT8_WEIGHTS):
        return StoredLayer(layer, precision, nn.Identity()), norm
    raise SuppleError(f'Layer "{precision.layer.path}" is {precision.format}, which has no form in our PyTorch graphs.')


def _to_floats(precision: RoundInput, grid: AnyGrid | None) -> nn.Module:
    if grid is None:
        return nn.Identity()
    if not isinstance(grid, FloatGrid):
        raise _no_ranges(precision)
    return RoundToFloats(grid)


def _no_ranges(precision: RoundInput) -> SuppleError:
    return SuppleError(f'Layer "{precision.layer.path}" has no calibrated ranges to export it with.')


def _numbers(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy()


def _in_type(grid: Grid, integers: torch.dtype) -> Grid:
    """Return a grid that stands for the same numbers by whole numbers of int8, or of uint8."""
    is_signed = grid.low < 0
    if is_signed == (integers is torch.int8):
        return grid
    shift = _HALF_RANGE if is_signed else -_HALF_RANGE
    return Grid(grid.scale, grid.zero_point + shift, grid.low + shift, grid.high + shift)
