"""All of a family that looking at its members could change."""

from typing import Any

import torch

from supple import Family


def snapshot_of(family: Family) -> dict[str, Any]:
    """Return weights, gradients, buffers, calibrations, modes, hooks and attributes, down to the last bit."""
    found: dict[str, Any] = {}
    for path, module in family.named_modules(remove_duplicate=False):
        tensors = {**module._parameters, **module._buffers}
        found[f"{path}:children"] = {name: id(child) for name, child in module._modules.items()}
        found[f"{path}:tensors"] = {name: (id(tensor), _bits(tensor)) for name, tensor in tensors.items()}
        found[f"{path}:gradients"] = {
            name: None if tensor is None else _bits(tensor.grad) for name, tensor in module._parameters.items()
        }
        found[f"{path}:hooks"] = (len(module._forward_hooks), len(module._forward_pre_hooks))
        found[f"{path}:attributes"] = {
            name: value for name, value in vars(module).items() if isinstance(value, bool | int | float | tuple)
        }
        found[f"{path}:forward"] = "forward" in vars(module)
    found["calibrations"] = {
        config: {key: _bits(tensor) for key, tensor in statistics.items()}
        for config, statistics in family.statistics.items()
    }
    found["ranges"] = dict(family.ranges)
    found["random numbers"] = _bits(torch.get_rng_state())
    return found


def _bits(tensor: torch.Tensor | None) -> bytes | None:
    return None if tensor is None else tensor.detach().numpy().tobytes()
