"""What a checkpoint holds of a model and of PyTorch's random numbers, as tensors by name."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from supple.errors import SuppleError


def below(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names "part/name"."""
    return {f"{part}/{name}": tensor for name, tensor in tensors.items()}


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's parameters and all its buffers; one that modules share stands there once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def load_tensors_into(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy what `tensors_of` returned into a model. Raises `SuppleError` where it is of another model."""
    own = tensors_of(model)
    for name in {**own, **tensors}:
        shapes = [str(tuple(side[name].shape)) if name in side else "missing" for side in (tensors, own)]
        if shapes[0] != shapes[1]:
            raise SuppleError(
                f'The checkpoint is of another model: tensor "{name}" is {shapes[0]} there, but {shapes[1]} here.'
            )
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of PyTorch's global random numbers: of the CPU, and of the GPU where that is the device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Set the states that `random_states` returned, as far as there are any and they fit the device."""
    if "cpu" in states:
        torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
