"""The optimizer of a run: any class of PyTorch's kind, named by its import path."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from supple.errors import SuppleError, class_and_first_line, nearest
from supple.importing import import_object
from supple.training.diagnosis import check_trainable
from supple.training.weight_decay import decaying_parameters

ADAMW = "torch.optim:AdamW"
# Where PyTorch has a kernel that updates all parameters at once. It says so only by an error at the first step.
_FUSED_ON: Mapping[type[torch.optim.Optimizer], tuple[str, ...]] = {
    torch.optim.Adam: ("cpu", "cuda"),
    torch.optim.AdamW: ("cpu", "cuda"),
    torch.optim.SGD: ("cpu", "cuda"),
    torch.optim.Adagrad: ("cpu",),
}
# With one of these given, the user has chosen the implementation.
_IMPLEMENTATION_ARGUMENTS = ("fused", "foreach", "differentiable", "capturable")
_SET_ELSEWHERE = {"params": "the model", "lr": "learning_rate", "weight_decay": "weight_decay"}


def build_optimizer(
    model: nn.Module,
    learning_rate: float,
    weight_decay: float,
    target: str = ADAMW,
    arguments: Mapping[str, object] = {},
    scales_gradients: bool = False,
) -> torch.optim.Optimizer:
    """Return the optimizer of a model's trainable parameters.

    `target` names its class ("package.module:Class"), `arguments` what else it is given. Weight decay acts on what
    `decaying_parameters` returns, in the way of the class: decoupled in AdamW (Loshchilov & Hutter, Decoupled Weight
    Decay Regularization, 2019), as part of the gradient in SGD. The fused kernel is used where class and device have
    one, unless `arguments` choose or `scales_gradients` (fp16: Fabric cannot clip gradients for a fused optimizer).

    Raises `SuppleError` where the model has nothing to train, or the target cannot be imported, is no optimizer, needs
    a closure, has no learning rate or weight decay per group of parameters, or does not take the arguments.
    """
    check_trainable(model)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    kind = _optimizer_class(target)
    _check_arguments(target, kind, arguments)
    settings: dict[str, Any] = {**arguments, "lr": learning_rate}
    if (
        not scales_gradients
        and _has_fused_kernel(kind, trained)
        and not set(_IMPLEMENTATION_ARGUMENTS) & set(arguments)
    ):
        settings["fused"] = True
    try:
        optimizer = kind(_groups(model, trained, weight_decay), **settings)
    except Exception as error:  # whatever the class raises at its arguments
        raise SuppleError(f'The optimizer "{target}" cannot be made: {class_and_first_line(error)}') from error
    if weight_decay > 0 and "weight_decay" not in optimizer.defaults:
        raise SuppleError(
            f'The optimizer "{target}" has no weight decay, but weight_decay is {weight_decay:g}: set it to 0.'
        )
    return optimizer


def _optimizer_class(target: str) -> type[torch.optim.Optimizer]:
    kind = import_object(target)
    if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)):
        raise SuppleError(f'"{target}" is no optimizer: expected a class derived from torch.optim.Optimizer.')
    closure = inspect.signature(kind.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise SuppleError(
            f'The optimizer "{target}" computes the loss several times per step (its step needs a closure), which '
            f'training cannot: choose one that does not, such as "{ADAMW}".'
        )
    return kind


def _check_arguments(target: str, kind: type[torch.optim.Optimizer], arguments: Mapping[str, object]) -> None:
    accepted = inspect.signature(kind).parameters
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in accepted.values())
    for name in arguments:
        if name in _SET_ELSEWHERE:
            raise SuppleError(
                f'optimizer_arguments hold "{name}", which is set by {_SET_ELSEWHERE[name]}: leave it out.'
            )
        if name not in accepted and not takes_any:
            raise SuppleError(f'The optimizer "{target}" takes no argument "{name}"{nearest(name, accepted)}')
    if "lr" not in accepted and not takes_any:
        raise SuppleError(f'The optimizer "{target}" takes no learning rate ("lr"), which the schedule would set.')


def _groups(model: nn.Module, trained: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, object]]:
    decaying = decaying_parameters(model)
    decaying_ids = set(map(id, decaying))
    groups = (
        {"params": decaying, "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if id(parameter) not in decaying_ids], "weight_decay": 0.0},
    )
    return [group for group in groups if group["params"]]


def _has_fused_kernel(kind: type[torch.optim.Optimizer], trained: Sequence[nn.Parameter]) -> bool:
    devices = _FUSED_ON.get(kind, ())
    return all(parameter.device.type in devices and parameter.is_floating_point() for parameter in trained)
