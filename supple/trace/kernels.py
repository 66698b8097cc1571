"""Elastic kernels: a member's convolution keeps the middle of a larger kernel, and pads less.

Source: Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, 2020.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import fx, nn
from torch.nn.modules.conv import _ConvNd

from supple.space import Kind
from supple.trace.capture import module_path
from supple.trace.structure import Attribute, Axis, Factor

SMALLEST_KERNEL = 3


@dataclass(frozen=True)
class ElasticKernel:
    """A convolution whose kernel can shrink along some spatial axes, all of size `full`.

    `paddings` are the zeros on each side of these axes, or None where the convolution works them out for itself.
    """

    path: str
    full: int
    positions: tuple[int, ...]
    paddings: tuple[int, ...] | None

    @property
    def name(self) -> str:
        """The name of the dimension."""
        return f"{self.path}.{Kind.KERNEL.value}".lstrip(".")

    @property
    def values(self) -> tuple[int, ...]:
        """The sizes to choose from: the odd ones from 3 on."""
        return tuple(range(SMALLEST_KERNEL, self.full + 1, 2))

    @property
    def weight(self) -> str:
        """The state-dict key of the weight."""
        return f"{self.path}.weight".lstrip(".")

    def axis(self) -> Axis:
        """Return how the dimension indexes an elastic axis of the weight."""
        return Axis(((Factor(self.full, self.name, centred=True),),))

    def attributes(self) -> Iterator[Attribute]:
        """Yield the sizes of the kernel and of its padding on each side: p = (k - (K - 2 P)) / 2."""
        for index, position in enumerate(self.positions):
            yield Attribute(self.path, "kernel_size", self.axis(), position)
            if self.paddings is not None:
                offset = self.full - 2 * self.paddings[index]
                yield Attribute(self.path, "padding", self.axis(), position, scale=2, offset=offset)


def find_kernels(model: nn.Module, graph: fx.Graph) -> list[ElasticKernel]:
    """Return the convolutions with an odd kernel larger than 3 whose padding can follow it."""
    padding_themselves = _paths_of_pads(graph)
    places = Counter(id(tensor) for _, tensor in model.named_parameters(remove_duplicate=False))
    found = (
        _elastic(path, module, padding_themselves)
        for path, module in model.named_modules()
        # One that modules share has the kernel of several.
        if places[id(getattr(module, "weight", None))] == 1
    )
    return [kernel for kernel in found if kernel is not None]


def with_kernels(axes: Mapping[str, tuple[Axis, ...]], kernels: Iterable[ElasticKernel]) -> dict[str, tuple[Axis, ...]]:
    """Return the axes of all tensors, those of the kernels elastic."""
    changed = dict(axes)
    for kernel in kernels:
        of_weight = list(axes[kernel.weight])
        for position in kernel.positions:
            of_weight[2 + position] = kernel.axis()
        changed[kernel.weight] = tuple(of_weight)
    return changed


def _elastic(path: str, module: nn.Module, padding_themselves: set[str]) -> ElasticKernel | None:
    # A weight that is computed, as under weight norm, is no parameter of its own.
    if not isinstance(module, _ConvNd) or "weight" not in module._parameters:
        return None
    full = max(module.kernel_size)
    positions = tuple(position for position, size in enumerate(module.kernel_size) if size == full)
    if (
        full <= SMALLEST_KERNEL
        or full % 2 == 0
        or module.transposed
        or module.padding_mode != "zeros"
        or any(module.dilation[position] != 1 for position in positions)
    ):
        return None
    paddings: Any = module.padding
    if paddings == "same" or path in padding_themselves:
        return ElasticKernel(path, full, positions, None)
    # The smallest kernel must be left with a padding of nothing or more.
    if isinstance(paddings, str) or any(2 * paddings[position] < full - SMALLEST_KERNEL for position in positions):
        return None
    return ElasticKernel(path, full, positions, tuple(paddings[position] for position in positions))


def _paths_of_pads(graph: fx.Graph) -> set[str]:
    """Return the paths of the modules that pad in their own forward, by as much as their kernel needs."""
    return {
        module_path(node)
        for node in graph.nodes
        if node.op == "call_function" and str(node.target).startswith(("aten.pad.", "aten.constant_pad_nd."))
    }
