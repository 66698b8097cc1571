"""Divide what a giver gives by a factor for each channel, and multiply what readers make of it: no output changes."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from supple.precision.equalization.links import Link


def scale(model: nn.Module, link: Link, factors: torch.Tensor) -> None:
    """Divide the channels of a link by positive factors (channels) and multiply their readers' weights, in place."""
    giver = model.get_submodule(link.giver)
    with torch.no_grad():
        for parameter in (giver._parameters["weight"], giver._parameters.get("bias")):
            if parameter is not None:
                parameter.div_(factors.view([-1] + [1] * (parameter.ndim - 1)).to(parameter.dtype))
        for path in link.readers:
            columns = columns_of(model.get_submodule(path))
            columns.mul_(_by_group(factors, columns).to(columns.dtype))


def columns_of(reader: nn.Module) -> torch.Tensor:
    """Return a reader's weight as a view (groups, out / groups, in / groups, kernel)."""
    weight: torch.Tensor = reader.weight.detach()  # type: ignore[operator]
    groups = reader.groups if isinstance(reader, _ConvNd) else 1
    return weight.view(groups, len(weight) // groups, weight.shape[1], -1)


def column_sizes(model: nn.Module, link: Link) -> torch.Tensor:
    """Return the largest absolute weight that reads each channel, of all readers: (channels)."""
    sizes = [columns_of(model.get_submodule(path)).abs().amax((1, 3)).flatten() for path in link.readers]
    return torch.stack(sizes).amax(0)


def row_sizes(model: nn.Module, link: Link) -> torch.Tensor:
    """Return the largest absolute weight that gives each channel, times the factor of the norm behind: (channels)."""
    giver = model.get_submodule(link.giver)
    weight: torch.Tensor = model.get_submodule(link.layer).weight.detach()  # type: ignore[operator]
    sizes = weight.abs().flatten(1).amax(1)
    if isinstance(giver, _BatchNorm):
        sizes = sizes * giver.weight.detach().abs()
        if giver.running_var is not None:
            sizes = sizes * torch.rsqrt(giver.running_var + giver.eps)
    return sizes


def _by_group(factors: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    return factors.view(columns.shape[0], 1, columns.shape[2], 1)
