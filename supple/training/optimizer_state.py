"""What an optimizer remembers, as tensors by name and plain JSON content; whatever its class."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from pydantic import JsonValue
from torch import Tensor, nn

from supple.errors import SuppleError
from supple.training.whole import copy_whole

# How the update is computed, not what it is: that of the machine which resumes holds.
_IMPLEMENTATION = frozenset({"params", "fused", "foreach", "capturable", "differentiable"})


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> tuple[dict[str, Tensor], JsonValue]:
    """Return what the optimizer remembers of a model's parameters, as (tensors by name, JSON content).

    The content is the tree of all values, in which `{"tensor": name}` stands for a tensor. Besides the state of each
    parameter it holds the settings of each group, among which some optimizers count. The tensors are the optimizer's
    own: copy them where training goes on meanwhile. Raises `SuppleError` for values that no file can hold.
    """
    tensors: dict[str, Tensor] = {}
    parameters = dict(model.named_parameters())
    known = set(map(id, parameters.values()))
    tree = {
        "parameters": {key: optimizer.state[value] for key, value in parameters.items() if value in optimizer.state},
        "groups": [_settings(group) for group in optimizer.param_groups],
        # A few optimizers keep values of the whole model beside those of its parameters.
        "whole": {key: value for key, value in optimizer.state.items() if id(key) not in known},
    }
    try:
        return tensors, _packed(tree, "", tensors)
    except TypeError as error:
        kind = type(optimizer).__name__
        raise SuppleError(f"The state of the optimizer {kind} cannot be written to a checkpoint: {error}.") from None


def load_optimizer_state(
    optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Mapping[str, Tensor], content: JsonValue
) -> None:
    """Give the optimizer what `optimizer_state` returned; it goes on bit for bit as the first one would have.

    Tensors of a parameter's shape lie in memory like the parameter, as the optimizer makes them itself, so that sums
    round alike. Raises `SuppleError` where the state is of another model or another optimizer.
    """
    try:
        _load(optimizer, dict(model.named_parameters()), tensors, content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        kind = type(optimizer).__name__
        reason = f"{type(error).__name__}: {error}"
        raise SuppleError(f"The checkpoint holds no state of the optimizer {kind} for this model ({reason}).") from None


def _load(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
    content: Any,
) -> None:
    tree = content["dict"]
    groups = tree["groups"]
    if len(groups) != len(optimizer.param_groups):
        raise ValueError(f"{len(groups)} groups of parameters, not {len(optimizer.param_groups)}")
    group_of = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    state: dict[Any, Any] = {}
    for key, packed in tree["parameters"]["dict"].items():
        parameter = parameters[key]
        group = group_of[id(parameter)]
        state[parameter] = {
            name: _unpacked(value, tensors, _placer(parameter, group, name)) for name, value in packed["dict"].items()
        }
    whole = _unpacked(tree["whole"], tensors, Tensor.clone)
    settings = [_unpacked(group, tensors, Tensor.clone) for group in groups]
    # Only now, when all of it has been read.
    optimizer.state.clear()
    optimizer.state.update(state | whole)
    for group, restored in zip(optimizer.param_groups, settings, strict=True):
        group.update(restored)


def _placer(parameter: nn.Parameter, group: Mapping[str, Any], name: str) -> Callable[[Tensor], Tensor]:
    # PyTorch's rule: counters of steps stay on the CPU, where reading them waits for no device.
    on_device = name != "step" or group.get("capturable") or group.get("fused")
    device = parameter.device if on_device else torch.device("cpu")

    def place(tensor: Tensor) -> Tensor:
        like = parameter if tensor.shape == parameter.shape else tensor
        placed = torch.empty_like(like, dtype=tensor.dtype, device=device, requires_grad=False)
        copy_whole(placed, tensor)
        return placed

    return place


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file can hold of a group's settings; the others, such as functions, cannot have changed."""
    return {name: value for name, value in group.items() if name not in _IMPLEMENTATION and _is_writable(value)}


def _is_writable(value: Any) -> bool:
    try:
        _packed(value, "", {})
    except TypeError:
        return False
    return True


def _packed(value: Any, path: str, tensors: dict[str, Tensor]) -> JsonValue:
    """Return JSON content for a value; its tensors are put under the names of their places."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach()
        return {"tensor": path}
    if isinstance(value, float) and not math.isfinite(value):  # JSON has no such numbers
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [_packed(item, f"{path}/{index}", tensors) for index, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _packed(item, f"{path}/{key}" if path else key, tensors) for key, item in value.items()}}
    raise TypeError(f'"{path}" is of type {type(value).__name__}')


def _unpacked(content: Any, tensors: Mapping[str, Tensor], place: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(content, list):
        return [_unpacked(item, tensors, place) for item in content]
    if not isinstance(content, dict):
        return content
    ((kind, inner),) = content.items()
    if kind == "tensor":
        return place(tensors[inner])
    if kind == "float":
        return float(inner)
    if kind == "tuple":
        return tuple(_unpacked(item, tensors, place) for item in inner)
    if kind == "dict":
        return {key: _unpacked(item, tensors, place) for key, item in inner.items()}
    raise ValueError(f'unknown mark "{kind}"')
