"""Links: channels that can be divided by factors where they are given and multiplied by them where they are read.

Between both only what passes positive factors through: ReLU (not ReLU6, hardswish or GELU) and pooling. What a residual
trunk gives is read by sums, so it is no link.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from supple.family import Family
from supple.family.flow import Flow, Step, flow_of

_PASSES_FACTORS = {
    "relu", "clone", "mean",
    "max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool2d",
    "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d",
}  # fmt: skip


@dataclass(frozen=True)
class Link:
    """Channels on their way from one module to the layers that read them.

    `giver` is the path of a convolution, a linear layer or a norm (batch, group, layer or RMS norm), whose weight and
    bias begin with the channel axis. `layer` is the layer in front of a batch norm, if there is one, else the giver.
    `readers` are the convolutions and linear layers that alone read the channels.
    """

    giver: str
    layer: str
    readers: tuple[str, ...]


def find_links(family: Family) -> list[Link]:
    """Return the links of a family that hold in every member, in the order of the full network's run.

    The full network runs once, on zeros in the shapes of the example inputs.
    """
    model, full = family.model, family.space.max()
    with family.activate(family.full_precision(full)):
        flow = flow_of(model, family.example_zeros(full))
    finder = _Finder(model, flow)
    return [link for link in finder.links() if len({_blocks_around(family, path) for path in _paths(link)}) == 1]


def _paths(link: Link) -> Iterator[str]:
    yield from (link.giver, link.layer, *link.readers)


def _blocks_around(family: Family, path: str) -> frozenset[str]:
    """Return the blocks that a module lies in: where they are dropped, others read, or give, what it gave and read."""
    blocks = family.structure.blocks
    return frozenset(block.path for block in blocks if path == block.path or path.startswith(block.path + "."))


class _Finder:
    def __init__(self, model: nn.Module, flow: Flow) -> None:
        self._model = model
        self._flow = flow
        self._readers = flow.readers()
        self._calls: defaultdict[str, list[Step]] = defaultdict(list)
        self._makers = {value: step for step in flow.steps for value in step.makes}
        for step in flow.steps:
            if step.is_module:
                self._calls[step.name].append(step)
        self._uses = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))

    def links(self) -> Iterator[Link]:
        for path, calls in self._calls.items():
            if readers := self._readers_of(path, calls):
                yield Link(path, self._layer_of(path, calls), readers)

    def _readers_of(self, path: str, calls: Sequence[Step]) -> tuple[str, ...]:
        """Return the layers that alone read what a module gives; none where others do, or where it cannot be scaled."""
        module = self._model.get_submodule(path)
        if not self._is_own(module, is_giver=True) or any(len(call.makes) != 1 for call in calls):
            return ()
        given = {call.makes[0] for call in calls}
        passed: set[int] = set()
        found: list[Step] = []
        while given - passed:
            value = min(given - passed)
            passed.add(value)
            steps = self._readers[value]
            if value in self._flow.outputs or not steps:
                return ()
            for step in steps:
                if self._is_reader(step, value, module):
                    found.append(step)
                elif self._passes_factors(step, value):
                    given.add(step.makes[0])
                else:
                    return ()
        paths = tuple(dict.fromkeys(step.name for step in found))
        # A layer that also reads something else could not take it as before.
        reads = {call.reads[0] for name in paths for call in self._calls[name]}
        return paths if reads <= passed else ()

    def _is_reader(self, step: Step, value: int, giver: nn.Module) -> bool:
        if not step.is_module or step.reads != (value,):
            return False
        module = self._model.get_submodule(step.name)
        channels = _channels(giver)
        if isinstance(module, nn.Linear):
            fits = module.in_features == channels
        elif isinstance(module, _ConvNd) and not module.transposed:
            fits = module.in_channels == channels and self._flow.ndims[value] == len(module.kernel_size) + 2
        else:
            return False
        is_aligned = _channel_axis(giver, self._flow.ndims[value]) == _channel_axis(module, self._flow.ndims[value])
        return fits and is_aligned and self._is_own(module, is_giver=False)

    def _passes_factors(self, step: Step, value: int) -> bool:
        """Say whether a step gives channels times their factors where it takes them so, in as many axes."""
        if step.is_module or step.name not in _PASSES_FACTORS or step.reads != (value,):
            return False
        first, *others = step.makes
        return self._flow.ndims[first] == self._flow.ndims[value] and not any(self._readers[one] for one in others)

    def _layer_of(self, path: str, calls: Sequence[Step]) -> str:
        if not isinstance(self._model.get_submodule(path), _BatchNorm):
            return path
        makers = {self._makers[call.reads[0]] for call in calls if call.reads[0] in self._makers}
        if len({step.name for step in makers}) != 1 or not next(iter(makers)).is_module:
            return path
        name = next(iter(makers)).name
        return name if isinstance(self._model.get_submodule(name), nn.Linear | _ConvNd) else path

    def _is_own(self, module: nn.Module, is_giver: bool) -> bool:
        """Say whether a module has parameters that nobody shares, and which factors may change."""
        weight = module._parameters.get("weight")
        bias = module._parameters.get("bias") if is_giver else None
        if weight is None or (isinstance(module, _ConvNd) and module.transposed):
            return False
        if isinstance(module, nn.LayerNorm | nn.RMSNorm) and weight.ndim != 1:
            return False
        return all(self._uses[id(entry)] == 1 for entry in (weight, bias) if entry is not None)


def _channels(module: nn.Module) -> int:
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    return len(weight)


def _channel_axis(module: nn.Module, ndim: int) -> int:
    """Return which axis of tensors, counted from the end, holds the channels of what a module gives or takes."""
    return 1 - ndim if isinstance(module, _ConvNd | _BatchNorm | nn.GroupNorm) else -1
