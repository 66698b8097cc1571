"""Members as zero-cost scores look at them: copies whose batch norm knows the batch, and samples one by one."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from supple.errors import SuppleError
from supple.family import Family
from supple.family.calibration import recomputed_statistics
from supple.space import Config
from supple.trace import ModelInputs
from supple.trace.modes import in_mode
from supple.training.task import Task


def taken_out(family: Family, config: Config) -> nn.Module:
    """Return a copy of the member, in eval mode, all of whose weights take gradients.

    Its quantized layers round over what each batch holds: there is nothing to calibrate.
    """
    with in_mode(family.model, training=True):
        member = family.extract(config).eval()
    for parameter in member.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    return member


def inputs_of(family: Family, config: Config, batch: Any, task: Task) -> ModelInputs:
    """Return what of a batch goes into the member, at its resolution, on the family's device."""
    device = next(family.parameters()).device
    inputs = ModelInputs.of(task.inputs(batch)).map(lambda tensor: tensor.to(device))
    return inputs.map(partial(family.resize, config))


def normalise_by(member: nn.Module, inputs: ModelInputs) -> None:
    """Give batch norm the statistics of these inputs: those that training mode would use, but the same for each sample.

    So a sample's gradients do not depend on the other samples.
    """
    with torch.no_grad():
        statistics = recomputed_statistics(member, [inputs])
        buffers = dict(member.named_buffers(remove_duplicate=False))
        for key, statistic in statistics.items():
            buffers[key].copy_(statistic)


def samples_of(batch: Any, samples: slice, count: int) -> Any:
    """Return some samples of a batch of `count`: those rows of every tensor in it that has a row for each sample."""

    def rows(tensor: Tensor) -> Tensor:
        return tensor[samples] if tensor.dim() > 0 and len(tensor) == count else tensor

    # Mappings of tokenizers are ones of their own.
    return tree_map_only(Tensor, rows, dict(batch) if isinstance(batch, Mapping) else batch)


def first_samples(batch: Any, count: int, task: Task) -> Any:
    """Return the first so many samples of a batch, or all. Raises `SuppleError` where it cannot be taken apart."""
    whole = task.samples(batch)
    part = samples_of(batch, slice(count), whole)
    if task.samples(part) != min(count, whole):
        raise SuppleError(
            f"A batch of {whole} samples cannot be taken apart into samples: expected tensors with a row for each."
        )
    return part


def summed_outputs(outputs: Any) -> Tensor:
    """Return the sum of all numbers that a member returns."""
    leaves = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    if not leaves:
        raise SuppleError(f"The model returns no tensor of numbers, but an object of type {type(outputs).__name__}.")
    return torch.stack([leaf.sum() for leaf in leaves]).sum()
