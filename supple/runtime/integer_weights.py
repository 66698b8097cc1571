"""A layer's weights as whole numbers with scales, once the factors of a batch norm behind it are part of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from supple.errors import SuppleError
from supple.family.quantized.rounding import ChannelGrid, Grid

Array = NDArray[Any]


@dataclass(frozen=True)
class IntegerWeights:
    """Whole numbers (out, ...) as int8, what one of them stands for, and which of them is 0.

    `scale`: (out,), or () for the tensor.
    """

    integers: Array
    scale: Array
    zero_point: int


def integer_weights(grid: Grid | ChannelGrid, weight: Array, factor: Array) -> IntegerWeights:
    """Return a weight (out, ...), which lies on a grid, with each channel multiplied by a factor (out,).

    Raises `SuppleError` for weights with a zero point that a factor other than 1 is to multiply.
    """
    whole = grid.integers(torch.from_numpy(weight.copy())).numpy().astype(np.int8)
    if isinstance(grid, Grid) and np.all(factor == 1):
        return IntegerWeights(whole, np.asarray(grid.scale, np.float64), grid.zero_point)
    # One scale before the norm is one per channel behind it.
    if isinstance(grid, Grid) and grid.zero_point != 0:
        raise SuppleError(
            "Weights with a zero point cannot be multiplied by a batch norm's factors: make them symmetric."
        )
    scale = (grid.scale.double().numpy() if isinstance(grid, ChannelGrid) else grid.scale) * np.abs(factor)
    signs = np.sign(factor).astype(np.int8)
    whole = whole * signs.reshape([-1] + [1] * (weight.ndim - 1))
    # A channel that is off has any scale; a tiny or a large one is beyond what some runtimes can multiply by.
    is_off = ~whole.reshape(len(whole), -1).any(1)
    usual = scale[~is_off].max() if not is_off.all() else 1.0
    return IntegerWeights(whole, np.where(is_off, usual, scale), 0)


def norm_factor_and_bias(
    gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float, bias: Array | None
) -> tuple[Array, Array]:
    """Return what a batch norm multiplies each channel of a layer by, and the bias of both; all are (out,).

    y = (conv(x) + b - mean) * gamma / sqrt(variance + epsilon) + beta.
    """
    factor = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    shift = -mean.astype(np.float64) if bias is None else bias.astype(np.float64) - mean
    return factor, beta.astype(np.float64) + shift * factor
