"""SynFlow: how much of a network's flow goes through its weights, whatever the data.

Sources: Tanaka et al., Pruning Neural Networks without Any Data by Iteratively Conserving Synaptic Flow, 2020; as a
score of networks, Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, 2021.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from supple.errors import SuppleError
from supple.family import Family
from supple.searching.zero_cost.members import first_samples, inputs_of, summed_outputs, taken_out
from supple.space import Config
from supple.training.diagnosis import run_or_tell
from supple.training.task import Task


def synflow(family: Family, config: Config, batch: Any, task: Task) -> float:
    """Return log(sum over the weights of |weight x dR / dweight|), R the sum of the outputs for an input of ones.

    The weights are absolute ones. Norms pass on what they get, as the second source has it: what they would give does
    not change with the scale of the weights before them, so that the score of those would be zero. Inputs that are no
    numbers, as tokens, stay. In double precision, since R grows with every layer; the logarithm keeps the order.
    """
    member = taken_out(family, config).double()
    with torch.no_grad():
        for parameter in member.parameters():
            parameter.abs_()
    for module in member.modules():
        if isinstance(module, _NormBase | nn.LayerNorm | nn.GroupNorm | nn.RMSNorm):
            vars(module)["forward"] = _passed_on
    inputs = inputs_of(family, config, first_samples(batch, 1, task), task).map(_ones)
    weights = [parameter for parameter in member.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(summed_outputs(run_or_tell(member, inputs)), weights, allow_unused=True)
    flows = [
        (weight * gradient).abs().sum().item()
        for weight, gradient in zip(weights, gradients, strict=True)
        if gradient is not None
    ]
    total = sum(flows)
    if not math.isfinite(total):
        raise SuppleError(
            "The SynFlow score of a member is beyond the largest number there is: take another score, as gradsign."
        )
    return math.log(total) if total > 0 else -math.inf


def _passed_on(x: Tensor) -> Tensor:
    return x


def _ones(tensor: Tensor) -> Tensor:
    return torch.ones_like(tensor, dtype=torch.float64) if tensor.is_floating_point() else tensor
