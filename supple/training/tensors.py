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
    check_same_tensors("The checkpoint is of another model: tensor", tensors, own)
    for name, tensor in tensors.items():
        copy_whole(own[name], tensor)


def check_same_tensors(beginning: str, there: Mapping[str, Tensor], here: Mapping[str, Tensor]) -> None:
    """Raise `SuppleError`, beginning with these words, where names or shapes of saved tensors are others than here."""
    for name in {**here, **there}:
        saved, own = (str(tuple(side[name].shape)) if name in side else "missing" for side in (there, here))
        if saved != own:
            raise SuppleError(f'{beginning} "{name}" is {saved} there, but {own} here.')
