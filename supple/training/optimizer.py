"""The optimizer: AdamW on the shared weights, and its state as tensors by name.

Source: Loshchilov & Hutter, Decoupled Weight Decay Regularization, 2019.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def build_optimizer(model: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return the optimizer of a model's trainable parameters; norms and biases (one axis or none) do not decay."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.dim() > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Return the optimizer's state: tensors by "parameter/name"."""
    return {
        f"{key}/{name}": tensor
        for key, parameter in model.named_parameters()
        for name, tensor in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give the optimizer the state that `optimizer_tensors` returned."""
    parameters = dict(model.named_parameters())
    for path, tensor in tensors.items():
        key, _, name = path.rpartition("/")
        parameter = parameters[key]
        # As the optimizer makes them itself: laid out in memory like the parameter, so that sums round alike.
        like = parameter if tensor.shape == parameter.shape else tensor
        optimizer.state[parameter][name] = torch.empty_like(like, dtype=tensor.dtype, device=parameter.device).copy_(
            tensor
        )
