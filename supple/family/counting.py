"""Costs that follow from a network's shapes: parameters and multiply-accumulates."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from supple.errors import SuppleError, first_line
from supple.family.products import MISSING_FORMULAS
from supple.trace import Inputs, ModelInputs
from supple.trace.modes import evaluating


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters; one that modules share counts once."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, example_inputs: Inputs) -> int:
    """Return the multiply-accumulates of one sample, half the operations that PyTorch's own counter counts.

    Convolutions, matrix products, attention and recurrent layers count; sums, norms and activations do not. The fused
    attention and recurrent layers of a CPU, which the counter does not know, count too. `example_inputs`: one batch
    as the module takes it, which runs once, in eval mode. The first axis that all its tensors share counts its samples;
    where they share none, the batch is one sample. Raises `SuppleError` where the module does not run on it.
    """
    inputs = ModelInputs.of(example_inputs)
    # On fake or meta tensors the counter takes three to six times as long as one small image takes to run.
    counter = FlopCounterMode(display=False, custom_mapping=dict(MISSING_FORMULAS))
    run_counted(module, inputs, counter)
    return int(counter.get_total_flops()) // 2 // samples_of(inputs)


def run_counted(module: nn.Module, inputs: ModelInputs, counter: AbstractContextManager[Any]) -> Any:
    """Run a module once, in eval mode, while a mode counts its operations; return what the module returns.

    Raises `SuppleError` where the module does not run on the inputs.
    """
    try:
        # Without cuDNN, recurrent layers run as products of matrices on a GPU too.
        with evaluating(module), _unfused_layers(), torch.backends.cudnn.flags(enabled=False), counter:
            return inputs.run(module)
    except Exception as error:  # whatever the user's forward raises
        raise SuppleError(
            f"{type(module).__name__} does not run on inputs of shape {inputs.shapes}: {first_line(error)}"
        ) from error


def samples_of(inputs: ModelInputs) -> int:
    """Return the number of samples in a batch: the first axis of all its tensors, or one where they share none."""
    lengths = {len(tensor) if tensor.ndim else 1 for tensor in inputs.tensors}
    return lengths.pop() or 1 if len(lengths) == 1 else 1


@contextmanager
def _unfused_layers() -> Iterator[None]:
    """Let PyTorch's own transformer layers run as products of matrices: their fused kernel hides them."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
