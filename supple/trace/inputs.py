"""The inputs of a model's forward: one tensor, several, or several by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map_only

from supple.errors import SuppleError


@dataclass(frozen=True)
class ModelInputs:
    """One batch of inputs as the model's forward takes them."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @classmethod
    def of(cls, inputs: "Inputs") -> "ModelInputs":
        """Read what a user gives for one batch. Raises `SuppleError` where there is no tensor in it."""
        if isinstance(inputs, ModelInputs):
            return inputs
        if isinstance(inputs, torch.Tensor):
            return cls((inputs,), {})
        if isinstance(inputs, Mapping):
            read = cls((), dict(inputs))
        elif isinstance(inputs, tuple):
            read = cls(inputs, {})
        else:
            raise SuppleError(f"{_EXPECTED} Got an object of type {type(inputs).__name__}.")
        if not read.tensors:
            raise SuppleError(f"{_EXPECTED} Got no tensor at all.")
        return read

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All tensors, in the order of the arguments."""
        return [leaf for leaf in tree_leaves((self.args, dict(self.kwargs))) if isinstance(leaf, torch.Tensor)]

    @property
    def shapes(self) -> str:
        """The shapes of all tensors, for messages."""
        return ", ".join(str(list(tensor.shape)) for tensor in self.tensors)

    def run(self, module: nn.Module, **named: Any) -> Any:
        """Run a module on these inputs; `named` are further arguments."""
        return module(*self.args, **self.kwargs, **named)

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "ModelInputs":
        """Return the inputs with every tensor changed."""
        args, kwargs = tree_map_only(torch.Tensor, change, (self.args, dict(self.kwargs)))
        return ModelInputs(args, kwargs)


Inputs = torch.Tensor | tuple[Any, ...] | Mapping[str, Any] | ModelInputs
"""One batch of inputs as a user gives it: a tensor, a tuple of positional arguments, or a mapping of named ones.

An argument may be a tensor, a nested tuple, list or mapping of tensors, or a constant that is no tensor.
"""

_EXPECTED = (
    "The example inputs must be a tensor, a tuple of the model's positional inputs, or a mapping of its named inputs."
)
