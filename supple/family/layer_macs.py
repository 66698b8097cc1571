"""The multiply-accumulates of any member's layers from one run of the full network: fast enough for every draw."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from supple.family.activation import parameter_places, places_by_tensor
from supple.family.counting import run_counted, samples_of
from supple.family.family import Family
from supple.family.products import macs_of
from supple.family.resolution import RESOLUTION
from supple.space import Config
from supple.trace import Axis, Structure
from supple.trace.choice import all_options

REMEMBERED = 1 << 16
"""How many layers, each at some size, are remembered at once: a few megabytes."""


class LayerMacs:
    """From a config to the multiply-accumulates of a member's layers, for one sample.

    A layer costs as much as its weight has elements, times the positions (pixels, tokens) that it serves. One run of
    the network with all its options, on zeros in the shapes of the example inputs, says what each weight of full size
    costs (one run for each resolution, where those are elastic); of that a member pays the share of the elements that
    it keeps. A product of two activations, as in attention, costs as much as the layer that made one of them has
    outputs: so a member pays the share of those that it keeps. `Family.count_macs` runs the member instead, and agrees
    exactly where every product is of one of these kinds, as in convolutional networks, recurrent ones and
    transformers. A weight that several modules share counts in full where any of them is present.

    Raises `SuppleError` where the shapes of the example inputs could not be written down, or the model does not run on
    them.
    """

    def __init__(self, family: Family) -> None:
        self._layers = tuple(_layers(family))
        self._macs = lru_cache(REMEMBERED)(self._count)

    def __call__(self, config: Config) -> int:
        """Return the multiply-accumulates of the layers with weights, for one sample at the member's resolution."""
        # A config is a mapping written in Python: a dictionary answers far faster.
        values = dict(config)
        return sum(
            self._macs(index, tuple([values[name] for name in layer.dimensions]))
            for index, layer in enumerate(self._layers)
        )

    def _count(self, index: int, values: tuple[int, ...]) -> int:
        layer = self._layers[index]
        return layer.macs(dict(zip(layer.dimensions, values, strict=True)))


@dataclass(frozen=True)
class _Layer:
    """A weight under the `keys` of all its modules, and what it costs whole, by resolution (None where all are one).

    A member pays in proportion to the sizes of `axes`. `dimensions` are those that what it costs depends on. Products
    of tensors that no weight has made have no keys.
    """

    keys: tuple[str, ...]
    axes: tuple[Axis, ...]
    structure: Structure
    dimensions: tuple[str, ...]
    whole: Mapping[int | None, int]

    def macs(self, config: Mapping[str, int]) -> int:
        """Return what the weight costs in a member; of the config, the layer's own dimensions are enough."""
        if self.keys and not any(self._is_present(key, config) for key in self.keys):
            return 0
        kept = full = 1
        for axis in self.axes:
            kept *= axis.size(config)
            full *= axis.full
        return self.whole[config.get(RESOLUTION)] * kept // full

    def _is_present(self, key: str, config: Mapping[str, int]) -> bool:
        return all(block.is_present(config) for block in self.structure.blocks if key.startswith(block.path + "."))


class _Charge(NamedTuple):
    """What a product costs in proportion to: all axes of a weight, or the one that counts the layer's outputs."""

    key: str | None
    axis: int | None = None


def _layers(family: Family) -> Iterator[_Layer]:
    structure, space = family.structure, family.space
    resolutions = space[RESOLUTION].values if RESOLUTION in space else (None,)
    runs = {resolution: _macs_by_charge(family, resolution) for resolution in resolutions}
    places = {together[0].key: together for together in places_by_tensor(parameter_places(family.model))}
    for charge in dict.fromkeys(charge for macs in runs.values() for charge in macs):
        keys = () if charge.key is None else tuple(place.key for place in places[charge.key])
        axes = structure.axes[keys[0]] if keys else ()
        axes = axes if charge.axis is None else (axes[charge.axis],)
        names = {name for axis in axes for name in axis.dimensions}
        names |= {block.dimension for block in structure.blocks for key in keys if key.startswith(block.path + ".")}
        names |= {RESOLUTION} & {entry.name for entry in space.dimensions}
        whole = {resolution: macs.get(charge, 0) for resolution, macs in runs.items()}
        yield _Layer(keys, axes, structure, tuple(sorted(names)), whole)


def _macs_by_charge(family: Family, resolution: int | None) -> dict[_Charge, int]:
    """Return what the network with all its options costs, for one sample, by what that is in proportion to."""
    inputs = family.example_zeros(family.space.config({} if resolution is None else {RESOLUTION: resolution}))
    with family.whole() as model, all_options(model):
        counting = _Counting(model)
        run_counted(model, inputs, counting)
    return {charge: macs // samples_of(inputs) for charge, macs in counting.macs.items() if macs}


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up, for each weight, the multiply-accumulates of the products that it enters.

    What is computed from weights alone, such as a weight under weight norm, stands for the largest of them. An
    activation remembers the layer that made it, up to the next product.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs: dict[_Charge, int] = {}
        self._weights: dict[int, tuple[str, torch.Tensor]] = {}
        for places in places_by_tensor(parameter_places(model)):
            self._weights.setdefault(_memory(places[0].tensor), (places[0].key, places[0].tensor))
        self._makers: dict[int, _Charge] = {}
        # Memory that is given back may be given out again, to another activation.
        self._alive: list[torch.Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        weights = [tensor for tensor in tensors if _memory(tensor) in self._weights]
        makers = [self._makers[_memory(tensor)] for tensor in tensors if _memory(tensor) in self._makers]
        macs = macs_of(func, args, kwargs, output)
        if weights:
            operand = max(weights, key=self._rank)
            key, weight = self._weights[_memory(operand)]
            if macs is not None and func._overloadpacket is torch.ops.aten.mkldnn_rnn_layer:
                for matrix in {self._weights[_memory(tensor)] for tensor in weights if tensor.ndim == 2}:
                    # inputs: (time, batch, features); biases are vectors.
                    self._add(_Charge(matrix[0]), args[0].shape[:2].numel() * matrix[1].numel())
            elif macs is not None:
                self._add(_Charge(key), macs)
                makers = [_Charge(key, _output_axis(func, args, operand, weight))]
            if len(weights) == len(tensors):
                self._stand_for(key, weight, output)
                return output
        elif macs is not None:
            self._add(makers[0] if makers else _Charge(None), macs)
            makers = []
        self._remember(makers, output)
        return output

    def _rank(self, tensor: torch.Tensor) -> tuple[int, int]:
        weight = self._weights[_memory(tensor)][1]
        return weight.ndim, weight.numel()

    def _add(self, charge: _Charge, macs: int) -> None:
        self.macs[charge] = self.macs.get(charge, 0) + macs

    def _stand_for(self, key: str, weight: torch.Tensor, output: Any) -> None:
        for leaf in tree_leaves(output):
            if isinstance(leaf, torch.Tensor):
                self._weights.setdefault(_memory(leaf), (key, weight))
                self._alive.append(leaf)

    def _remember(self, makers: list[_Charge], output: Any) -> None:
        for leaf in tree_leaves(output):
            if isinstance(leaf, torch.Tensor) and makers:
                self._makers.setdefault(_memory(leaf), makers[0])
                self._alive.append(leaf)


def _output_axis(func: Any, args: tuple[Any, ...], operand: torch.Tensor, weight: torch.Tensor) -> int:
    """Return the axis of a weight that counts the outputs of its product, however the product takes the weight."""
    if func._overloadpacket is torch.ops.aten.convolution:
        is_transposed: bool = args[6]
        return 1 if is_transposed else 0
    strides = weight.stride()
    return strides.index(operand.stride(-1)) if operand.stride(-1) in strides else 0


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
