"""Whole tensors out of those that may be sharded over processes, and back: what a checkpoint needs to know of it."""

import torch
from torch import Tensor


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor with its parts from all processes, each of which must ask; one that is not sharded as it is."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def copy_whole(target: Tensor, tensor: Tensor) -> None:
    """Copy a whole tensor into one that may be sharded: each process takes its part."""
    if is_sharded(target):
        from torch.distributed.tensor import DTensor, distribute_tensor

        assert isinstance(target, DTensor)
        placed = tensor.detach().to(target.device, target.dtype)
        # No process sends: all have the whole.
        tensor = distribute_tensor(placed, target.device_mesh, target.placements, src_data_rank=None)
    with torch.no_grad():
        target.copy_(tensor)


def is_sharded(tensor: Tensor) -> bool:
    """Say whether each process holds a part of the tensor only."""
    # Asked of the tensor, since to load the class takes a second that few runs need to spend.
    return hasattr(tensor, "full_tensor")
