"""Jacobian covariance: whether a network answers different samples in different ways.

Source: Mellor et al., Neural Architecture Search without Training, in its first version, 2020 ("jacob_cov"). The later
version, 2021, compares which ReLUs are active ("NASWOT"), and needs a network of ReLUs.
"""

from typing import Any

import numpy as np
import torch

from supple.errors import SuppleError
from supple.family import Family
from supple.searching.zero_cost.members import inputs_of, normalise_by, summed_outputs, taken_out
from supple.space import Config
from supple.training.diagnosis import run_or_tell
from supple.training.task import Task

_OFFSET = 1e-5


def jacobian(family: Family, config: Config, batch: Any, task: Task) -> float:
    """Return -sum over the eigenvalues v of log(v + k) + 1 / (v + k), k = 1e-5.

    They are those of the correlations between the samples' gradients of the summed outputs with respect to the inputs:
    most where no two samples are alike. Raises `SuppleError` where no input is a tensor of real numbers.
    """
    member = taken_out(family, config)
    inputs = inputs_of(family, config, batch, task)
    normalise_by(member, inputs)
    inputs = inputs.map(lambda tensor: tensor.clone().requires_grad_(tensor.is_floating_point()))
    reals = [tensor for tensor in inputs.tensors if tensor.requires_grad]
    if not reals:
        raise SuppleError(
            "The Jacobian score needs inputs that are real numbers, as images; these are whole numbers, as tokens: "
            "take another score, as gradsign."
        )
    gradients = torch.autograd.grad(summed_outputs(run_or_tell(member, inputs)), reals, allow_unused=True)
    samples = task.samples(batch)
    rows = [gradient.reshape(samples, -1).double() for gradient in gradients if gradient is not None]
    return _from_jacobian(torch.cat(rows, 1)) if rows else -samples * (np.log(_OFFSET) + 1 / _OFFSET)


def _from_jacobian(rows: torch.Tensor) -> float:
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1, keepdim=True)
    correlations = (rows / norms) @ (rows / norms).T
    # A sample that no input moves is like every other.
    values = torch.linalg.eigvalsh(correlations.nan_to_num(1.0)).clamp_min(0) + _OFFSET
    return float(-(values.log() + 1 / values).sum())
