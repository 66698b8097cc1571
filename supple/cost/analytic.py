"""Costs that follow from a network's shapes: parameters and multiply-accumulates."""

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from supple.errors import SuppleError
from supple.runtime.evaluating import evaluating
from supple.trace import Inputs, ModelInputs


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters; one that modules share counts once."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, example_inputs: Inputs) -> int:
    """Return the multiply-accumulates of one sample, half the operations that PyTorch's own counter counts.

    Convolutions, matrix products and attention count; sums, norms and activations do not. `example_inputs` are inputs
    as the module takes them; the module runs once, in eval mode, on the first sample. Raises `SuppleError` where it
    does not run.
    """
    inputs = ModelInputs.of(example_inputs)
    counter = FlopCounterMode(display=False)
    try:
        # On fake or meta tensors the counter takes three to six times as long as one small image takes to run.
        with evaluating(module), counter:
            inputs.map(lambda tensor: tensor[:1]).run(module)
    except Exception as error:  # whatever the user's forward raises
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SuppleError(
            f"{type(module).__name__} does not run on inputs of shape {inputs.shapes}: {reason}"
        ) from error
    return int(counter.get_total_flops()) // 2
