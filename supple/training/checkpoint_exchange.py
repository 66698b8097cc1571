"""Hand the checkpoint that the main process has read to all: only that one needs to see the folder."""

import torch

from supple.training.checkpoint import Checkpoint
from supple.training.processes import Processes


def checkpoint_of_main(checkpoint: Checkpoint | None, processes: Processes) -> Checkpoint | None:
    """Return in every process the checkpoint, or none, that the main process gives; the others' is ignored."""
    if processes.world == 1:
        return checkpoint
    described = None
    if processes.is_main and checkpoint is not None:
        kinds = {name: [_name(tensor.dtype), *tensor.shape] for name, tensor in checkpoint.tensors.items()}
        described = {"step": checkpoint.step, "state": dict(checkpoint.state), "tensors": kinds}
    told = processes.told_by_main(described)
    if told is None:
        return None
    if not processes.is_main or checkpoint is None:
        tensors = {name: torch.empty(shape, dtype=_dtype(kind)) for name, (kind, *shape) in told["tensors"].items()}
        checkpoint = Checkpoint(told["step"], tensors, told["state"])
    processes.take_from_main(checkpoint.tensors.values())
    return checkpoint


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name)
    assert isinstance(dtype, torch.dtype)
    return dtype
