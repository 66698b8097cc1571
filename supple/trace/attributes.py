"""Integer attributes of modules that repeat the size of an axis.

Most are there to be read by people and exporters (`in_features`); a few steer the forward pass (`groups`,
`normalized_shape`, `num_heads`). All follow the member's shape, so that an extracted network describes itself truly.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from torch import nn
from torch.nn.modules.conv import _ConvNd

from supple.space import Space
from supple.trace.reparametrized import weight_key
from supple.trace.structure import Attribute, Axis, Structure


def module_attributes(
    model: nn.Module, axes: Mapping[str, tuple[Axis, ...]], noted: Iterable[Attribute]
) -> tuple[Attribute, ...]:
    """Return the attributes of all modules of the tree that follow an elastic axis.

    `noted` are those that rules and the run with tagged integers found; they say more than the shapes of parameters.
    """
    noted = (entry for entry in noted if hasattr(model.get_submodule(entry.module), entry.name))
    found = {
        (entry.module, entry.name, entry.position): entry
        for entry in (*_of_parameters(model, axes), *noted)
        if entry.axis.dimensions
    }
    return tuple(found.values())


def _of_parameters(model: nn.Module, axes: Mapping[str, tuple[Axis, ...]]) -> Iterator[Attribute]:
    """Yield the attributes of PyTorch's own modules that repeat the size of a parameter's axis."""
    for path, module in model.named_modules():
        names: tuple[str, ...] = ()
        if isinstance(module, _ConvNd):
            names = ("in_channels", "out_channels") if module.transposed else ("out_channels", "in_channels")
            # The other axis of a grouped convolution holds the channels of one group.
            names = names if module.groups == 1 else names[:1]
        elif isinstance(module, nn.Linear):
            names = ("out_features", "in_features")
        elif isinstance(module, nn.Embedding):
            names = ("num_embeddings", "embedding_dim")
        of_weight = axes.get(weight_key(path, module), ()) if names else ()
        yield from (Attribute(path, name, axis) for name, axis in zip(names, of_weight, strict=False))


def without_fractions(structure: Structure) -> Structure:
    """Return the structure without the dimensions at some of whose values an attribute would not be a whole number."""
    for index in range(len(structure.attributes)):
        # As it is now: what froze for an earlier one is no longer in its axis.
        entry = structure.attributes[index]
        if not _is_always_whole(entry, structure.space):
            reason = f"{entry.module}.{entry.name} times {entry.scale} cannot follow each of its values"
            for dimension in entry.axis.dimensions:
                structure = structure.without(dimension, reason)
    return structure


def _is_always_whole(attribute: Attribute, space: Space) -> bool:
    """Say whether the axis, less the offset, is a multiple of the attribute's scale in every member."""
    names = attribute.axis.dimensions
    if len(names) == 1:
        sizes = (attribute.axis.size({names[0]: value}) for value in space[names[0]].values)
        return all((size - attribute.offset) % attribute.scale == 0 for size in sizes)
    units = [
        count
        * math.prod(
            math.gcd(*space[factor.dimension].values) if factor.dimension else factor.full for factor in segment
        )
        for segment, count in Counter(attribute.axis.segments).items()
    ]
    return all((unit - attribute.offset) % attribute.scale == 0 for unit in units)
