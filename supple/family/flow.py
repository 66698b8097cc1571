"""What flows where while a network runs: which operators and which layers and norms read what others give."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from supple.family.counting import run_counted
from supple.trace import ModelInputs

WATCHED = (nn.Linear, _ConvNd, _BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
"""Modules that are steps as a whole."""

_SAME = {"detach", "alias"}


class Step(NamedTuple):
    """A call of a watched module, by its path, or of an operator: the values that it reads and makes, by number.

    `arguments` are those that an operator was called with, by position.
    """

    name: str
    is_module: bool
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    arguments: tuple[Any, ...] = ()


class Flow(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The steps of one run, and the watched modules that were called with named inputs.

    A tensor that is changed in place is another value afterwards.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[Step] = []
        self.takes_names: set[str] = set()
        self.ndims: dict[int, int] = {}
        self.outputs: frozenset[int] = frozenset()
        self._values: dict[int, int] = {}
        # All tensors live until the end, so that their ids are names.
        self._kept: list[torch.Tensor] = []
        self._count = 0
        self._inside: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if self._inside:
            return result
        name: str = function._schema.name.partition("::")[2]
        reads = self._numbers((args, kwargs))
        if name in _SAME and isinstance(result, torch.Tensor):
            self._name(result, reads[0])
        else:
            made = self._new(result)
            self.steps.append(Step(name.removesuffix("_"), False, reads, made, args))
        return result

    def enter(self, path: str, inputs: tuple[Any, ...], named_inputs: dict[str, Any]) -> None:
        """Note what a watched module takes."""
        if named_inputs:
            self.takes_names.add(path)
        if not self._inside:
            self.steps.append(Step(path, True, self._numbers((inputs, named_inputs)), ()))
        self._inside.append(path)

    def leave(self, output: Any) -> None:
        """Note what the watched module that was entered last gives."""
        self._inside.pop()
        if not self._inside:
            self.steps[-1] = self.steps[-1]._replace(makes=self._new(output))

    def end(self, output: Any) -> None:
        """Note what the model returns."""
        self.outputs = frozenset(self._numbers(output))

    def readers(self) -> dict[int, list[Step]]:
        """Return the steps that read each value."""
        found: defaultdict[int, list[Step]] = defaultdict(list)
        for step in self.steps:
            for value in dict.fromkeys(step.reads):
                found[value].append(step)
        return found

    def _numbers(self, content: Any) -> tuple[int, ...]:
        return tuple(self._number(leaf) for leaf in tree_leaves(content) if isinstance(leaf, torch.Tensor))

    def _number(self, tensor: torch.Tensor) -> int:
        return self._values[id(tensor)] if id(tensor) in self._values else self._name(tensor, None)

    def _new(self, content: Any) -> tuple[int, ...]:
        return tuple(self._name(leaf, None) for leaf in tree_leaves(content) if isinstance(leaf, torch.Tensor))

    def _name(self, tensor: torch.Tensor, number: int | None) -> int:
        self._kept.append(tensor)
        if number is None:
            number = self._count
            self._count += 1
            self.ndims[number] = tensor.ndim
        self._values[id(tensor)] = number
        return number


def flow_of(model: nn.Module, inputs: ModelInputs) -> Flow:
    """Run a model once, in eval mode, and return what flowed. Raises `SuppleError` where it does not run."""
    flow = Flow()
    with _watched(model, flow):
        flow.end(run_counted(model, inputs, flow))
    return flow


@contextmanager
def _watched(model: nn.Module, flow: Flow) -> Iterator[None]:
    handles = []
    for path, module in model.named_modules():
        if isinstance(module, WATCHED):
            handles.append(
                module.register_forward_pre_hook(
                    lambda _, args, kwargs, path=path: flow.enter(path, args, kwargs), with_kwargs=True
                )
            )
            handles.append(module.register_forward_hook(lambda _, args, output: flow.leave(output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
