"""Costs that follow from a network's shapes: parameters and multiply-accumulates."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from supple.errors import SuppleError
from supple.runtime.evaluating import evaluating


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters; one that modules share counts once."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, example_inputs: torch.Tensor | tuple[torch.Tensor, ...]) -> int:
    """Return the multiply-accumulates of one sample, half the operations that PyTorch's own counter counts.

    Convolutions, matrix products and attention count; sums, norms and activations do not. `example_inputs` are inputs
    as the module takes them; the module runs once, in eval mode, on the first sample. Raises `SuppleError` where it
    does not run.
    """
    inputs = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
    counter = FlopCounterMode(display=False)
    try:
        # On fake or meta tensors the counter takes three to six times as long as one small image takes to run.
        with evaluating(module), counter:
            module(*(tensor[:1] for tensor in inputs))
    except Exception as error:  # whatever the user's forward raises
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        shapes = ", ".join(str(list(tensor.shape)) for tensor in inputs)
        raise SuppleError(f"{type(module).__name__} does not run on inputs of shape {shapes}: {reason}") from error
    return int(counter.get_total_flops()) // 2
