"""Smaller inputs for a proof: whether a member runs does not hang on how many samples, pixels or words it reads.

Channels, heads and blocks change sizes that the inputs do not have. So where a model takes one sample of a smaller
image, or of fewer words, each of its many dimensions is tried on that, in a tenth of the time.
"""

from collections.abc import Callable

import torch

from supple.trace import ModelInputs

LARGE = 128
"""Sizes from here on are worth cutting; below, the overhead of each operator takes most of the time."""

MULTIPLE = 32
"""Most networks halve an image five times at most."""


def with_smaller_sizes(inputs: ModelInputs, runs: Callable[[ModelInputs], bool]) -> ModelInputs:
    """Return the inputs with large sizes cut to about a quarter, one after another, where the model still runs.

    The first axis, the batch, stays. `runs` says whether the model runs on inputs.
    """
    tensors = inputs.tensors
    if any(tensor.device.type != "cpu" for tensor in tensors):
        # An index out of range would end the whole process's use of another device; and that one is fast.
        return inputs
    for size in sorted({size for tensor in tensors for size in tensor.shape[1:] if size >= LARGE}, reverse=True):
        smaller = _cut(inputs, size, -(-size // (4 * MULTIPLE)) * MULTIPLE)
        inputs = smaller if runs(smaller) else inputs
    return inputs


def with_one_sample(inputs: ModelInputs, runs: Callable[[ModelInputs], bool]) -> ModelInputs:
    """Return the first sample of the inputs, where they are one batch and the model runs on it."""
    tensors = inputs.tensors
    sizes = {tensor.shape[0] if tensor.dim() else 0 for tensor in tensors}
    if len(sizes) > 1 or sizes <= {0, 1} or any(tensor.device.type != "cpu" for tensor in tensors):
        return inputs
    first = inputs.map(lambda tensor: tensor[:1])
    return first if runs(first) else inputs


def _cut(inputs: ModelInputs, size: int, smaller: int) -> ModelInputs:
    def cut(tensor: torch.Tensor) -> torch.Tensor:
        for axis in range(1, tensor.dim()):
            if tensor.shape[axis] == size:
                tensor = tensor.narrow(axis, 0, smaller)
        return tensor.contiguous()

    return inputs.map(cut)
