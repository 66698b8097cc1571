"""Ranges of activations, made equal over channels: a grid with one scale for the tensor then fits all of them.

Source: Xiao et al., SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models, 2023;
with strength 1 it is the scale reparameterization of Li et al., RepQ-ViT: Scale Reparameterization for Post-Training
Quantization of Vision Transformers, 2023, without their shift of zero points: what a shift takes from the norm's bias,
the next layer's bias would have to give back, and that is not cut with the channels.
"""

from collections.abc import Mapping

import torch
from torch import nn

from supple.precision.equalization.links import Link
from supple.precision.equalization.scaling import column_sizes


def activation_factors(
    model: nn.Module, ranges: Mapping[Link, torch.Tensor], strength: float
) -> dict[Link, torch.Tensor]:
    """Return the factors of links; `ranges`: the largest absolute activation of each channel, (channels)."""
    found: dict[Link, torch.Tensor] = {}
    for link, flows in ranges.items():
        read = column_sizes(model, link)
        is_used = (flows > 0) & (read > 0)
        # s = max |x| ^ strength / max |w| ^ (1 - strength)
        factors = torch.where(is_used, flows**strength / read ** (1 - strength), 1.0)
        # A factor that all channels have alike changes no grid: their mean stays where it is.
        found[link] = torch.where(is_used, factors / factors[is_used].log().mean().exp(), 1.0)
    return found
