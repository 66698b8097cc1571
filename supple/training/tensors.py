"""What a checkpoint holds of a model, as tensors by name."""

from collections.abc import Mapping

from torch import Tensor, nn

from supple.errors import SuppleError
from supple.training.whole import copy_whole


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
    for name, tensor in tensors.items():
        copy_whole(own[name], tensor)
