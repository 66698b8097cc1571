"""The layers whose precision can be chosen, found by watching the full network run once.

Where a convolution's result goes to a batch norm alone, the two become one layer in a runtime, and so does an
activation function after it that only cuts off what lies outside a range (ReLU, ReLU6): the result of all of them is
what a runtime rounds.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from supple.family.activation import parameter_places
from supple.family.counting import run_counted
from supple.family.quantized.layers import Layer, LayerKind
from supple.trace import ModelInputs

_VIEWS = {"detach", "alias"}


@dataclass(frozen=True)
class LeftAlone:
    """A layer whose precision cannot be chosen, and why."""

    path: str
    reason: str


def find_layers(model: nn.Module, inputs: ModelInputs) -> tuple[list[Layer], list[LeftAlone]]:
    """Return the convolutions and linear layers of a module tree, in their order, and those that stay as they are.

    The model runs once on the inputs, in eval mode. Raises `SuppleError` where it does not.
    """
    kinds = {path: kind for path, module in model.named_modules() if (kind := _kind(module)) is not None}
    flow = _Flow()
    with _watched(model, flow):
        run_counted(model, inputs, flow)
    users: defaultdict[int, set[str]] = defaultdict(set)
    for place in parameter_places(model):
        users[id(place.tensor)].add(place.key.rpartition(".")[0])
    norms = [path for path, module in model.named_modules() if isinstance(module, _BatchNorm)]
    found: list[Layer] = []
    left: list[LeftAlone] = []
    for path, kind in kinds.items():
        module = model.get_submodule(path)
        if reason := _obstacle(module, path, flow, users):
            left.append(LeftAlone(path, reason))
            continue
        norm = flow.norm_after(path, norms)
        output = path if norm is None else norm
        found.append(Layer(path, kind, output, *flow.cut_off(output)))
    return found, left


def _kind(module: nn.Module) -> LayerKind | None:
    if isinstance(module, nn.Linear):
        return LayerKind.LINEAR
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        is_depthwise = module.groups == module.in_channels and module.groups > 1
        return LayerKind.DEPTHWISE if is_depthwise else LayerKind.CONVOLUTION
    return None


def _obstacle(module: nn.Module, path: str, flow: "_Flow", users: dict[int, set[str]]) -> str | None:
    weight = module._parameters.get("weight")
    if weight is None:
        return "its weight is computed from other parameters"
    if others := users[id(weight)] - {path}:
        return f'its weight is also that of "{min(others)}"'
    if path not in flow.results:
        return "the model reads its weight without calling it"
    if path in flow.takes_names:
        return "the model calls it with named inputs"
    return None


Cut = tuple[float | None, float | None]
_NO_CUT: Cut = (None, None)


class _Reader(NamedTuple):
    operator: str
    is_in_place: bool
    cut: Cut


def _cut_by(operator: str, args: tuple[Any, ...]) -> Cut:
    """Return where an operator cuts off what it takes first, if that is all that it does."""
    if operator == "relu":
        return 0.0, None
    if operator not in ("hardtanh", "clamp"):
        return _NO_CUT
    bounds = [bound if isinstance(bound, int | float) else None for bound in args[1:3]]
    low, high = [*bounds, None, None][:2] if operator == "clamp" else (bounds or [-1.0, 1.0])
    # A range without 0 in it would move what is padded with 0.
    return (low, high) if (low is None or low <= 0) and (high is None or high >= 0) else _NO_CUT


class _Flow(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Which operators read which tensors, and which modules made them; tensors live until the end, so ids are names."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.results: dict[str, list[torch.Tensor]] = defaultdict(list)
        self.taken: dict[str, list[torch.Tensor]] = defaultdict(list)
        self.takes_names: set[str] = set()
        self._readers: defaultdict[int, list[_Reader]] = defaultdict(list)
        self._kept: list[torch.Tensor] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function._schema.name.partition("::")[2]
        result = function(*args, **(kwargs or {}))
        if name not in _VIEWS:
            reader = _Reader(name.removesuffix("_"), name.endswith("_"), _cut_by(name.removesuffix("_"), args))
            for leaf in tree_leaves((args, kwargs)):
                if isinstance(leaf, torch.Tensor):
                    self._readers[id(leaf)].append(reader)
                    self._kept.append(leaf)
        self._kept.extend(leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
        return result

    def norm_after(self, path: str, norms: list[str]) -> str | None:
        """Return the path of the batch norm that alone reads what a module gives, whenever it runs."""
        readers = [self._readers[id(tensor)] for tensor in self.results[path]]
        if not all(len(found) == 1 and "batch_norm" in found[0].operator for found in readers):
            return None
        given = {id(tensor) for tensor in self.results[path]}
        for norm in norms:
            taken = {id(tensor) for tensor in self.taken[norm]}
            if taken and taken == given:
                return norm
        return None

    def cut_off(self, path: str) -> Cut:
        """Return where all who read what a module gives see it cut off."""
        cuts: set[Cut] = set()
        for tensor in self.results[path]:
            found = self._readers[id(tensor)]
            # What is changed in place is read by the others after that.
            cuts |= {reader.cut for reader in (found[:1] if found and found[0].is_in_place else found)} or {_NO_CUT}
        return cuts.pop() if len(cuts) == 1 else _NO_CUT


@contextmanager
def _watched(model: nn.Module, flow: _Flow) -> Iterator[None]:
    """Let the flow see what modules take and give, while the context lasts."""

    def enter(path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if kwargs:
            flow.takes_names.add(path)
        flow.taken[path].extend(leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor))

    def leave(path: str, output: Any) -> None:
        flow.results[path].extend(leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor))

    handles = []
    for path, module in model.named_modules():
        if _kind(module) is not None or isinstance(module, _BatchNorm):
            handles.append(
                module.register_forward_pre_hook(
                    lambda _, args, kwargs, path=path: enter(path, args, kwargs), with_kwargs=True
                )
            )
            handles.append(module.register_forward_hook(lambda _, args, output, path=path: leave(path, output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
