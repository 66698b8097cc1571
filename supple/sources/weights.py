"""Weights for a named model, from a safetensors file and from nothing else."""

from pathlib import Path

import torch
from torch import nn

from supple.errors import SuppleError, nearest
from supple.storage import load_tensors

# Files that PyTorch and its exporters unpickle: reading one can run whatever code it holds.
_PICKLES = frozenset({".bin", ".ckpt", ".joblib", ".mar", ".pickle", ".pkl", ".pt", ".pt2", ".ptc", ".pth", ".tar"})


def refuse_pickles(name: str) -> None:
    """Raise `SuppleError` where the name is that of a file that would have to be unpickled."""
    suffix = Path(name).suffix.lower()
    if suffix in _PICKLES:
        raise SuppleError(
            f'"{name}" would have to be unpickled, which can run any code: build the model in Python, and save its '
            "weights with safetensors.torch.save_model as a .safetensors file."
        )


def load_weights(model: nn.Module, path: Path) -> None:
    """Copy the tensors of a safetensors file into the model, by their state-dict keys.

    A tensor that modules share may stand in the file under any one of its keys. Raises `SuppleError` where the file and
    the model do not hold the same tensors.
    """
    tensors = load_tensors(path)
    state = model.state_dict(keep_vars=True)
    for key, tensor in tensors.items():
        if key not in state:
            raise SuppleError(f'"{path}" holds a tensor "{key}" that the model has not{nearest(key, state)}')
        if tensor.shape != state[key].shape:
            raise SuppleError(
                f'"{path}" holds "{key}" as {list(tensor.shape)}, and the model has it as {list(state[key].shape)}.'
            )
    given = {id(state[key]) for key in tensors}
    for key, tensor in state.items():
        if id(tensor) not in given:
            raise SuppleError(f'"{path}" holds no tensor "{key}", which the model has{nearest(key, tensors)}')
    with torch.no_grad():
        for key, tensor in tensors.items():
            state[key].copy_(tensor)
