"""The multiply-accumulates of any member's layers from one run of the full network: fast enough for every draw."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from supple.family.activation import parameter_places, places_by_tensor
from supple.family.counting import run_counted, samples_of
from supple.family.family import Family
from supple.family.resolution import RESOLUTION
from supple.space import Config
from supple.trace import Structure
from supple.trace.choice import all_options

REMEMBERED = 1 << 16
"""How many layers, each at some size, are remembered at once: a few megabytes."""


class LayerMacs:
    """From a config to the multiply-accumulates of a member's layers, for one sample.

    A layer costs as much as its weight has elements, times the positions (pixels, tokens) that it serves. One run of
    the network with all its options, on zeros in the shapes of the example inputs, says what each weight of full size
    costs (one run for each resolution, where those are elastic); of that a member pays the share of the elements that
    it keeps. `Family.count_macs` runs the member instead, and agrees exactly where every product is one with a weight,
    as in convolutional networks. Products of two activations, as in attention, are left out; those of recurrent layers,
    which PyTorch's own counter leaves out, are there. A weight that several modules share counts in full where any of
    them is present.

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

    `dimensions` are those that what it costs in a member depends on.
    """

    keys: tuple[str, ...]
    structure: Structure
    dimensions: tuple[str, ...]
    whole: Mapping[int | None, int]

    def macs(self, config: Mapping[str, int]) -> int:
        """Return what the weight costs in a member; of the config, the layer's own dimensions are enough."""
        if not any(self._is_present(key, config) for key in self.keys):
            return 0
        kept = full = 1
        for axis in self.structure.axes[self.keys[0]]:
            kept *= axis.size(config)
            full *= axis.full
        return self.whole[config.get(RESOLUTION)] * kept // full

    def _is_present(self, key: str, config: Mapping[str, int]) -> bool:
        return all(block.is_present(config) for block in self.structure.blocks if key.startswith(block.path + "."))


def _layers(family: Family) -> Iterator[_Layer]:
    structure, space = family.structure, family.space
    resolutions = space[RESOLUTION].values if RESOLUTION in space else (None,)
    runs = {resolution: _macs_by_weight(family, resolution) for resolution in resolutions}
    for places in places_by_tensor(parameter_places(family.model)):
        keys = tuple(place.key for place in places)
        whole = {resolution: macs.get(keys[0], 0) for resolution, macs in runs.items()}
        if any(whole.values()):
            names = {name for axis in structure.axes[keys[0]] for name in axis.dimensions}
            names |= {block.dimension for block in structure.blocks for key in keys if key.startswith(block.path + ".")}
            names |= {RESOLUTION} & {entry.name for entry in space.dimensions}
            yield _Layer(keys, structure, tuple(sorted(names)), whole)


def _macs_by_weight(family: Family, resolution: int | None) -> dict[str, int]:
    """Return what each weight costs in the network with all its options, for one sample, by its first key."""
    inputs = family.example_zeros(family.space.config({} if resolution is None else {RESOLUTION: resolution}))
    # Without cuDNN, recurrent layers run as products of matrices on a GPU too.
    without_cudnn = torch.backends.cudnn.flags(enabled=False)
    with family.whole() as model, all_options(model), without_cudnn:
        counting = _Counting(model)
        run_counted(model, inputs, counting)
    return {key: macs // samples_of(inputs) for key, macs in counting.macs.items()}


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up, for each weight, the multiply-accumulates of the products that it enters.

    What is computed from weights alone, such as a weight under weight norm, stands for the largest of them.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs: dict[str, int] = {}
        self._weights: dict[int, tuple[str, torch.Tensor]] = {}
        for places in places_by_tensor(parameter_places(model)):
            self._weights.setdefault(_memory(places[0].tensor), (places[0].key, places[0].tensor))
        # Memory that is given back may be given out again, to an activation.
        self._alive: list[torch.Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        weights = [self._weights[_memory(tensor)] for tensor in tensors if _memory(tensor) in self._weights]
        if weights:
            key, weight = max(weights, key=lambda entry: (entry[1].ndim, entry[1].numel()))
            operations = flop_registry.get(func._overloadpacket)
            if operations is not None:
                self._add(key, operations(*args, **kwargs, out_val=output) // 2)
            elif func._overloadpacket is torch.ops.aten.mkldnn_rnn_layer:
                for key, weight in weights:
                    # inputs: (time, batch, features); biases are vectors.
                    self._add(key, args[0].shape[:2].numel() * weight.numel() if weight.ndim == 2 else 0)
            if len(weights) == len(tensors):
                self._stand_for(key, weight, output)
        return output

    def _add(self, key: str, macs: int) -> None:
        self.macs[key] = self.macs.get(key, 0) + macs

    def _stand_for(self, key: str, weight: torch.Tensor, output: Any) -> None:
        for leaf in tree_leaves(output):
            if isinstance(leaf, torch.Tensor):
                self._weights.setdefault(_memory(leaf), (key, weight))
                self._alive.append(leaf)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
