"""Where a model's tensors lie while it trains: on which device, and in which order in memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def placed_for_training(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Move a model's tensors to a device, convolutions in the order that trains fastest there; put all back at the end.

    The order comes back because sums in another order round otherwise: a trained family must give the same outputs as
    the same family loaded from its file.
    """
    home = next(model.parameters()).device
    parameters = list(model.parameters())
    strides = [parameter.stride() for parameter in parameters]
    model.to(device)
    try:
        if device.type == "cpu":
            for parameter in parameters:
                if parameter.dim() == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        yield
    finally:
        model.to(home)
        for parameter, stride in zip(parameters, strides, strict=True):
            parameter.data = torch.empty_strided(
                parameter.shape, stride, dtype=parameter.dtype, device=parameter.device
            ).copy_(parameter.data)
