"""Weights grow with what flows in their channel, as far as that lessens the error of rounding the weights alone.

Source: Lin et al., AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration, 2023: s = (mean |x|)
^ alpha, with alpha searched on a grid by the error of the layer's output.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from supple.family.quantized.rounding import AnyGrid
from supple.precision.equalization.links import Link
from supple.precision.equalization.scaling import columns_of

_ALPHAS = tuple(step / 20 for step in range(20))

GridOf = Callable[[str, torch.Tensor], AnyGrid]
"""From the path of a linear layer and its weight to the grid that it is rounded to."""


@dataclass(frozen=True)
class Flows:
    """What flows in the channels of a link.

    `sizes`: the mean absolute value (channels). `products`: the mean of x times x transposed (channels, channels).
    """

    sizes: torch.Tensor
    products: torch.Tensor


def weight_factors(model: nn.Module, flows: Mapping[Link, Flows], grid_of: GridOf) -> dict[Link, torch.Tensor]:
    """Return the factors of links whose readers are linear layers, of those that factors make better."""
    found: dict[Link, torch.Tensor] = {}
    for link, flow in flows.items():
        weights = {path: columns_of(model.get_submodule(path))[0, :, :, 0] for path in link.readers}
        candidates = [_factors(flow.sizes, alpha) for alpha in _ALPHAS]
        errors = [_error(weights, factors, flow, grid_of) for factors in candidates]
        best = min(range(len(errors)), key=errors.__getitem__)
        # The first leaves all as it is.
        if best > 0:
            found[link] = candidates[best]
    return found


def _factors(sizes: torch.Tensor, alpha: float) -> torch.Tensor:
    is_used = sizes > 0
    # What never flows counts as the least that does.
    factors = torch.where(is_used, sizes, sizes[is_used].amin() if bool(is_used.any()) else 1.0) ** alpha
    return factors / (factors.amax() * factors.amin()).sqrt()


def _error(weights: Mapping[str, torch.Tensor], factors: torch.Tensor, flow: Flows, grid_of: GridOf) -> float:
    """Return the mean squared error of all readers' outputs: the trace of D E[x xT] DT, D the change of the weights."""
    total = 0.0
    for path, weight in weights.items():
        scaled = weight * factors
        change = grid_of(path, scaled).rounded(scaled) / factors - weight
        total += float((change @ flow.products * change).sum())
    return total
