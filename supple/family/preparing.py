"""The copy of the user's model that becomes a family: without wrappers that only run it, and with weights in place."""

import warnings

import torch
from torch import nn
from torch._dynamo.eval_frame import OptimizedModule
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.parameter import is_lazy

from supple.errors import SuppleError
from supple.family.copying import deepcopy_model


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the module that a compiled or data-parallel one runs; any other as it is."""
    while isinstance(model, OptimizedModule | DataParallel | DistributedDataParallel):
        model = model._orig_mod if isinstance(model, OptimizedModule) else model.module
    return model


def own_parameters(shared: nn.Module) -> None:
    """Give the parameters of a prepared model memory of their own."""
    for parameter in shared.parameters():
        parameter.data = parameter.data.clone()


def _parameters_in_place(model: nn.Module) -> dict[int, nn.Parameter]:
    """Return, for the id of every parameter, one on the same memory: a conversion reads the weights, no more."""
    return {
        id(parameter): nn.Parameter(parameter.detach(), parameter.requires_grad)
        for parameter in model.parameters()
        if type(parameter) is nn.Parameter
    }


def prepared(model: nn.Module) -> nn.Module:
    """Return a copy of the model that is safe to trace and to cut; warn where it leaves out a wrapper.

    Its parameters still share the memory of the model's, until `own_parameters`. Raises `SuppleError` where parameters
    have no data yet, or something in the model cannot be copied.
    """
    for key, tensor in model.state_dict(keep_vars=True).items():
        if is_lazy(tensor):
            raise SuppleError(
                f'"{key}" of {type(model).__name__} has no shape yet: run the model once on a batch, first.'
            )
        if isinstance(tensor, torch.Tensor) and tensor.device.type == "meta":
            raise SuppleError(
                f'"{key}" of {type(model).__name__} is on the device "meta", which holds no numbers: load its weights '
                "first, or make it anew with  model.to_empty(device=...)"
            )
    try:
        shared = deepcopy_model(unwrapped(model), _parameters_in_place(model))
    except Exception as error:  # whatever the user's modules raise
        raise SuppleError(f"{type(model).__name__} cannot be copied: {error}") from error
    compiled = [] if shared.__class__ is model.__class__ else [type(model).__name__]
    for path, module in list(shared.named_modules()):
        for name, child in module._modules.items():
            if child is not None and (inner := unwrapped(child)) is not child:
                module._modules[name] = inner
                compiled.append(f"{path}.{name}" if path else name)
    if compiled:
        warnings.warn(
            f"The family runs without torch.compile and data-parallel wrappers ({', '.join(compiled)}), under which no "
            "member could take its weights; compile or wrap what extract() returns. To silence this, convert the model "
            "that is wrapped.",
            stacklevel=3,
        )
    return shared
