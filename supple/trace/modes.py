"""Run a model in training or eval mode for a while, and put every module's own mode back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def in_mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Set the model's mode while the context lasts; parts that were in another mode return to it one by one."""
    modes = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run the model in eval mode and without gradients while the context lasts."""
    with torch.no_grad(), in_mode(model, training=False):
        yield
