"""A place in a network where blocks may differ: a member holds only the one that its config chooses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from supple.errors import SuppleError


class Choice(nn.Module):
    """One of several modules, to be written into a model where its blocks may differ.

    Every option takes the same inputs and gives outputs of the same shape. By itself the module runs its first option,
    so a model of choices is an ordinary network; `supple.convert` makes an `operator` dimension of each choice, whose
    values are the numbers of the options. A member holds the chosen option alone, under its own state-dict keys
    (`options.2.weight`). The options' widths are tied to each other where they meet, at both ends.

    Sources: mixed operations as in ProxylessNAS (Cai et al., 2019) and FBNet (Wu et al., 2019).
    """

    def __init__(self, *options: nn.Module) -> None:
        """Take two options or more. Raises `SuppleError` for fewer, or for what is no module."""
        super().__init__()
        for option in options:
            if not isinstance(option, nn.Module):
                raise SuppleError(f"supple.Choice takes modules, not {option!r:.80}: write nn.Identity() to skip.")
        if len(options) < 2:
            raise SuppleError(f"supple.Choice takes two modules or more to choose from, not {len(options)}.")
        self.options = nn.ModuleList(options)
        self._runs_all = False

    def forward(self, *inputs: Any, **named_inputs: Any) -> Any:
        """Run the option that is there; of several, the first."""
        # Not iter(options), which counts from 0: of a member's options only one is left, under its own number.
        first, *others = self.options._modules.values()
        output = first(*inputs, **named_inputs)
        if self._runs_all:
            for other in others:
                output = tree_map(torch.add, output, other(*inputs, **named_inputs))
        return output


@dataclass(frozen=True)
class ChoicePlace:
    """Where a choice stands in a model, and the paths of its options."""

    path: str
    options: tuple[str, ...]


def find_choices(model: nn.Module) -> tuple[ChoicePlace, ...]:
    """Return the choices of a model, the outermost first."""
    return tuple(
        ChoicePlace(path, tuple(f"{path}.options.{name}".lstrip(".") for name in module.options._modules))
        for path, module in model.named_modules()
        if isinstance(module, Choice)
    )


@contextmanager
def all_options(model: nn.Module) -> Iterator[None]:
    """Let every choice run all its options and add them up: a graph of the model then shows what each ties together."""
    choices = [module for module in model.modules() if isinstance(module, Choice)]
    for choice in choices:
        choice._runs_all = True
    try:
        yield
    finally:
        for choice in choices:
            choice._runs_all = False
