"""GradSign: in how many weights the samples pull the same way.

Source: Zhang and Jia, GradSign: Model Performance Inference with Theoretical Insights, 2021.
"""

from typing import Any

import torch
from lightning_fabric.utilities import move_data_to_device

from supple.family import Family
from supple.searching.zero_cost.members import inputs_of, normalise_by, samples_of, taken_out
from supple.space import Config
from supple.training.diagnosis import run_or_tell
from supple.training.task import Task


def gradsign(family: Family, config: Config, batch: Any, task: Task) -> float:
    """Return the sum over the weights of |sum over the samples of sign(gradient of the sample's loss)|."""
    member = taken_out(family, config)
    normalise_by(member, inputs_of(family, config, batch, task))
    weights = [parameter for parameter in member.parameters() if parameter.requires_grad]
    device = weights[0].device
    signs = [torch.zeros_like(weight) for weight in weights]
    samples = task.samples(batch)
    for index in range(samples):
        one = samples_of(batch, slice(index, index + 1), samples)
        outputs = run_or_tell(member, inputs_of(family, config, one, task))
        loss = task.loss(outputs, move_data_to_device(one, device))
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        for total, gradient in zip(signs, gradients, strict=True):
            if gradient is not None:
                total.add_(gradient.sign())
    # Whole numbers: only their sum, over millions of weights, needs more digits than float32 has.
    return float(sum(total.abs().sum(dtype=torch.float64) for total in signs))
