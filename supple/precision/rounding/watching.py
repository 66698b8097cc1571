"""One run of a network, with an eye on what single modules take and give."""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from supple.trace import ModelInputs

See = Callable[[torch.Tensor], torch.Tensor | None]
"""Called with what a module takes or gives; what it returns, if anything, goes on in its place."""


def run_watched(
    model: nn.Module, inputs: ModelInputs, taken: Mapping[str, See] = {}, given: Mapping[str, See] = {}
) -> None:
    """Run a model once and show what modules take, after it is rounded, and what they give, before it is, by path.

    Of a module that runs more than once, only the first run is shown.
    """
    handles = []
    for path, see in taken.items():
        handles.append(model.get_submodule(path).register_forward_pre_hook(_First(see).take))
    for path, see in given.items():
        # In front of the hooks that the member has already: they round.
        handles.append(model.get_submodule(path).register_forward_hook(_First(see).give, prepend=True))
    try:
        inputs.run(model)
    finally:
        for handle in handles:
            handle.remove()


class _First:
    """Hooks that show what they see once."""

    def __init__(self, see: See) -> None:
        self._see: See | None = see

    def take(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        see, self._see = self._see, None
        changed = None if see is None else see(inputs[0])
        return None if changed is None else (changed, *inputs[1:])

    def give(self, module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor | None:
        see, self._see = self._see, None
        return None if see is None else see(output)
