"""Shard a family's parameters, gradients and optimizer over the processes, for models that do not fit one GPU.

Each process keeps one part of every parameter. While a block runs, its parameters are gathered, and a member's are
views of them; a block that a member drops is never gathered. Built on PyTorch's `fully_shard`.
Source: Zhao et al., PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel, 2023.
"""

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from supple.errors import SuppleError
from supple.family import Family
from supple.training.processes import Processes
from supple.training.whole import whole


@contextlib.contextmanager
def sharded(family: Family, processes: Processes) -> Iterator[Family]:
    """Give a copy of the family whose parameters are sharded over the processes, on the device of each.

    The copy is there to be trained and run: `activate` makes its members, but `materialize`, `extract` and `save` take
    the parameters where none is whole. Its gradients are summed over the processes by each backward pass. At the end of
    the context, without an error, its weights and statistics are copied into `family`, which stays where it is: whole,
    in the memory of each machine. Raises `SuppleError` for a family with kernel transforms, or
    with dimensions of precision.
    """
    if family.quantization is not None:
        raise SuppleError(
            'A quantized family cannot be sharded: train the family that it was made of, or set sharding to "none".'
        )
    if family.kernel_transforms is not None:
        raise SuppleError(
            "A family with kernel transforms cannot be sharded: convert it without kernel_transform, or set sharding "
            'to "none".'
        )
    device = processes.device
    copied = copy.deepcopy(family)
    units = _units(copied)
    mesh = init_device_mesh(device.type, (processes.world,))
    for unit in units:
        # The whole model too: whoever asks for its parameters between two runs is to find the sharded ones.
        module = fully_shard(unit, mesh=mesh, reshard_after_forward=True)
        # A process's loss is weighted by its share of the batch, so that sums are what is wanted, not means.
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)  # gloo knows no other
    copied.to(device)  # buffers that no unit has taken along
    copied.make_parameters_late(units)
    yield copied
    targets = {**dict(family.named_parameters()), **dict(family.named_buffers())}
    with torch.no_grad():
        for name, tensor in {**dict(copied.named_parameters()), **dict(copied.named_buffers())}.items():
            targets[name].copy_(whole(tensor))


def _units(family: Family) -> list[nn.Module]:
    """Return the blocks that can be gathered on their own, inner ones first, and the model."""
    model = family.model
    paths = sorted({block.path for block in family.structure.blocks}, key=lambda path: -path.count("."))
    blocks = dict.fromkeys(model.get_submodule(path) for path in paths)
    return [*(block for block in blocks if _is_on_its_own(block, model)), model]


def _is_on_its_own(block: nn.Module, model: nn.Module) -> bool:
    """Say whether a block has parameters, and shares none with modules outside."""
    own = {id(parameter) for parameter in block.parameters()}
    inner = set(block.modules())
    outside = (module for module in model.modules() if module not in inner)
    return bool(own) and not any(id(parameter) in own for module in outside for parameter in module.parameters(False))
