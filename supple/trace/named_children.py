"""Blocks that the code of their container asks for by name: without them it does not run.

A list or a `Sequential` says that its blocks stand in a row. Any other module may go through its children in turn, as
the stages of timm's RegNet do, or name them one by one, as most modules do: only a run can tell.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from supple.trace.blocks import Run
from supple.trace.caches import emptied_afterwards
from supple.trace.inputs import ModelInputs
from supple.trace.modes import evaluating


def without_named_blocks(runs: Sequence[Run], model: nn.Module, inputs: ModelInputs) -> list[Run]:
    """Return the runs but for those of whose blocks the code of the container asks for one by name.

    The model is run once, in eval mode, where there is a container of the user's own class. In containers of PyTorch's
    a loop over numbers or keys is as usual as one over the blocks, so those are not looked at.
    """
    own = {
        run.container: module
        for run in runs
        if not isinstance(module := model.get_submodule(run.container), nn.Sequential | nn.ModuleList | nn.ModuleDict)
    }
    if not own:
        return list(runs)
    with _watched(list(own.values())) as asked:
        with evaluating(model), emptied_afterwards(model):
            inputs.run(model)
        named = {f"{path}.{name}".lstrip(".") for path, module in own.items() for name in asked[module]}
    return [run for run in runs if named.isdisjoint(run.blocks)]


class _Children(dict[str, nn.Module | None]):
    """The children of a module; remembers which were asked for by name."""

    def __init__(self, children: dict[str, nn.Module | None]) -> None:
        super().__init__(children)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> nn.Module | None:
        self.asked.add(name)
        return super().__getitem__(name)


@contextmanager
def _watched(modules: list[nn.Module]) -> Iterator[dict[nn.Module, set[str]]]:
    """Give, by module, the names of the children that are asked for while the context lasts."""
    before = {module: module._modules for module in modules}
    watching = {module: _Children(module._modules) for module in modules}
    for module in modules:
        vars(module)["_modules"] = watching[module]
    try:
        yield {module: watching[module].asked for module in modules}
    finally:
        for module in modules:
            vars(module)["_modules"] = before[module]
