"""Recompute batch-norm statistics: the shared ones are the full network's, and wrong for every other member."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from supple.errors import SuppleError
from supple.trace import ModelInputs


def recomputed_statistics(member: nn.Module, inputs: Iterable[ModelInputs]) -> dict[str, torch.Tensor]:
    """Run the member, in eval mode, over `inputs` and return its normalisation buffers by state-dict key.

    Each statistic is the mean over batches of the batch statistics (momentum None in PyTorch's terms). The member's
    mode, momenta and buffers are as before when this returns. Raises `SuppleError` where `inputs` is empty.
    """
    norms = {
        path: module
        for path, module in member.named_modules(remove_duplicate=False)
        if isinstance(module, _NormBase) and module.track_running_stats and module.running_mean is not None
    }
    if not norms:
        return {}
    momenta = {norm: norm.momentum for norm in norms.values()}
    buffers = {norm: dict(norm._buffers) for norm in norms.values()}
    try:
        for norm in momenta:
            for name, buffer in norm._buffers.items():
                norm._buffers[name] = None if buffer is None else torch.zeros_like(buffer)
            norm.momentum = None
            norm.training = True
        batches = 0
        for batch in inputs:
            batch.run(member)
            batches += 1
        if batches == 0:
            raise SuppleError("Calibration got no data: give at least one batch of inputs.")
        return {
            f"{path}.{name}": buffer
            for path, norm in norms.items()
            for name, buffer in norm._buffers.items()
            if buffer is not None
        }
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
            norm.training = False
            norm._buffers.update(buffers[norm])
