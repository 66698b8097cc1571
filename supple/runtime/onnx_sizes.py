"""Sizes that an exported graph holds as constants, and how they follow the config.

The exporter writes some sizes of the network as plain numbers: the groups of a convolution, the shape of a reshape. A
second export, of a member with other widths (a probe), shows which numbers are such sizes: those that differ. Each is
then matched with the axes of the family: the axis whose size is that number (or a whole fraction of it) in the full
network and in every probe. What a convolution pads by follows its own kernel, in any whole way.
"""

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import onnx
from onnx import numpy_helper

from supple.errors import SuppleError
from supple.space import Config, Dimension, Kind, Space
from supple.trace import Attribute, Axis, Factor, Structure

_CANDIDATE_PROBES = 256
_OF_KERNELS = ("kernel_shape", "pads")


class Place(NamedTuple):
    """Where a number stands: in an attribute of the node that gives the value `holder`, or in a constant tensor.

    A constant tensor has no `attribute`; `position` counts through it, or through an attribute that is a list.
    """

    holder: str
    attribute: str
    position: int


@dataclass(frozen=True)
class Size:
    """A sum of products of dimensions, less an offset, in parts of `scale`; equal sizes have the same terms."""

    terms: tuple[tuple[int, tuple[str, ...]], ...]
    offset: int = 0
    scale: int = 1

    @classmethod
    def of(cls, axis: Axis, factor: int = 1) -> "Size":
        """Return `factor` times the size of an axis."""
        terms: dict[tuple[str, ...], int] = {}
        for segment in axis.segments:
            names = tuple(sorted(part.dimension for part in segment if part.dimension is not None))
            constant = factor * math.prod(part.full for part in segment if part.dimension is None)
            terms[names] = terms.get(names, 0) + constant
        return cls(tuple(sorted((coefficient, names) for names, coefficient in terms.items())))

    def __call__(self, config: Mapping[str, int]) -> int:
        """Return the size in a member."""
        whole = sum(coefficient * math.prod(config[name] for name in names) for coefficient, names in self.terms)
        return (whole - self.offset) // self.scale


def elastic_axes(structure: Structure) -> tuple[Axis, ...]:
    """Return the different elastic axes of a family, and each dimension by itself."""
    axes = [axis for entry in structure.axes.values() for axis in entry if axis.dimensions]
    axes += [entry.axis for entry in structure.attributes]
    alone = [
        Axis(((Factor(dimension.largest, dimension.name),),))
        for dimension in structure.space.dimensions
        if dimension.kind is not Kind.DEPTH
    ]
    return tuple(dict.fromkeys((*axes, *alone)))


def shifted_attributes(structure: Structure) -> tuple[Attribute, ...]:
    """Return the attributes that are no multiple of an axis: the paddings of elastic kernels."""
    return tuple(entry for entry in structure.attributes if entry.offset)


def kernel_dimensions(structure: Structure, model: onnx.ModelProto) -> dict[str, Dimension]:
    """Return the dimension of each convolution's elastic kernel, by the value that the convolution gives."""
    found = {}
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[1] in structure.axes:
            spatial = structure.axes[node.input[1]][2:]
            names = {name for axis in spatial for name in axis.dimensions}
            if len(names) == 1:
                found[node.output[0]] = structure.space[names.pop()]
    return found


def choose_probe(space: Space, axes: Sequence[Axis], probes: Sequence[Config]) -> Config:
    """Return the config of a member with all blocks whose sizes tell the axes apart best, beside earlier probes.

    In the first probe no other dimension is at its largest: a size that does not move is not seen. In later ones any
    can be: dimensions of two values are told apart only where one of them is at its largest.
    """
    full = space.max()
    rng = random.Random(len(probes))
    moved = {
        entry.name: entry.values if probes else entry.values[:-1] or entry.values
        for entry in space.dimensions
        if entry.kind is not Kind.DEPTH
    }
    candidates = [
        space.config({name: rng.choice(values) for name, values in moved.items()}) for _ in range(_CANDIDATE_PROBES)
    ]

    def told_apart(candidate: Config) -> int:
        configs = (full, *probes, candidate)
        return len({tuple(axis.size(config) for config in configs) for axis in axes})

    return max(candidates, key=told_apart)


def match_sizes(
    models: Sequence[onnx.ModelProto],
    configs: Sequence[Config],
    axes: Sequence[Axis],
    shifted: Sequence[Attribute],
    weights: Iterable[str],
    kernels: Mapping[str, Dimension],
) -> dict[Place, frozenset[Size]]:
    """Return which numbers of the first model differ from the others', each with the sizes that it could be.

    `models` are exports of the members of `configs`, the full one first; `kernels` are the dimensions of convolutions'
    kernels, by what they give. Raises `SuppleError` where they differ in
    anything but whole numbers, or where a number is no size of any axis.
    """
    names = set(weights)
    for model in models[1:]:
        _check_same_form(models[0], model, names)
    numbers = [dict(_numbers(model, names)) for model in models]
    if any(other.keys() != numbers[0].keys() for other in numbers[1:]):
        raise SuppleError("constants of the exported graph have other shapes in narrower members")
    matches: dict[Place, frozenset[Size]] = {}
    for place, full in numbers[0].items():
        seen = [other[place] for other in numbers]
        if any(value != full for value in seen):
            kernel = kernels.get(place.holder) if place.attribute in _OF_KERNELS else None
            matches[place] = (
                (_sizes_of_kernel(seen, configs, kernel) if kernel else frozenset())
                or _sizes_of(seen, configs, axes)
                or _shifted_sizes_of(seen, configs, shifted)
            )
            if not matches[place]:
                raise SuppleError(f'a size at "{place.holder}" ({full} in the full network) is that of no known axis')
    return matches


def with_sizes(node: onnx.NodeProto, sizes: Mapping[Place, int]) -> onnx.NodeProto:
    """Return a copy of a node whose attributes hold these numbers."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    attributes = {entry.name: entry for entry in copy.attribute}
    for place, size in sizes.items():
        attribute = attributes[place.attribute]
        if attribute.type == onnx.AttributeProto.INT:
            attribute.i = size
        else:
            attribute.ints[place.position] = size
    return copy


def _sizes_of(seen: Sequence[int], configs: Sequence[Config], axes: Sequence[Axis]) -> frozenset[Size]:
    """Return the sizes that have these values in these members, from the axes with the smallest factor that fits."""
    fitting: dict[int, set[Size]] = {}
    for axis in axes:
        factor, rest = divmod(seen[0], axis.full)
        if rest == 0 and all(value == factor * axis.size(config) for value, config in zip(seen, configs, strict=True)):
            fitting.setdefault(factor, set()).add(Size.of(axis, factor))
    return frozenset(fitting[min(fitting)]) if fitting else frozenset()


def _sizes_of_kernel(seen: Sequence[int], configs: Sequence[Config], kernel: Dimension) -> frozenset[Size]:
    """Return the sizes that are the kernel less an offset, or half of that, in these members.

    Of those that are the same for all values of the kernel, one. A layer that pads as TensorFlow does has halves that
    are rounded down before, and up behind.
    """
    found: dict[tuple[int, ...], Size] = {}
    for scale in (1, 2):
        for offset in range(-kernel.largest, kernel.largest + 1):
            size = Size(((1, (kernel.name,)),), offset, scale)
            if all(value == size(config) for value, config in zip(seen, configs, strict=True)):
                found.setdefault(tuple(size({kernel.name: value}) for value in kernel.values), size)
    return frozenset(found.values())


def _shifted_sizes_of(seen: Sequence[int], configs: Sequence[Config], shifted: Sequence[Attribute]) -> frozenset[Size]:
    return frozenset(
        replace(Size.of(entry.axis), offset=entry.offset, scale=entry.scale)
        for entry in shifted
        if all(value == entry.value(config) for value, config in zip(seen, configs, strict=True))
    )


def _numbers(model: onnx.ModelProto, weights: set[str]) -> Iterator[tuple[Place, int]]:
    """Yield the whole numbers of a graph that are no weights."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.INT:
                yield Place(node.output[0], attribute.name, 0), attribute.i
            elif attribute.type == onnx.AttributeProto.INTS:
                for position, value in enumerate(attribute.ints):
                    yield Place(node.output[0], attribute.name, position), value
    for entry in _constants(model, weights):
        if entry.data_type == onnx.TensorProto.INT64:
            for position, value in enumerate(numpy_helper.to_array(entry).reshape(-1).tolist()):
                yield Place(entry.name, "", position), value


def _constants(model: onnx.ModelProto, weights: set[str]) -> list[onnx.TensorProto]:
    return [entry for entry in model.graph.initializer if entry.name not in weights]


def _check_same_form(one: onnx.ModelProto, other: onnx.ModelProto, weights: set[str]) -> None:
    """Raise `SuppleError` where two graphs differ in anything but the whole numbers in them."""
    for left, right in zip(one.graph.node, other.graph.node, strict=False):
        if (left.op_type, *left.input, *left.output) != (right.op_type, *right.input, *right.output):
            raise SuppleError(f'the exported graph of a narrower member has another form from "{left.output[0]}" on')
        if _other_attributes(left) != _other_attributes(right):
            raise SuppleError(f'a number at "{left.output[0]}" that is not whole is another one in narrower members')
    if len(one.graph.node) != len(other.graph.node):
        raise SuppleError("the exported graph of a narrower member has another number of nodes")
    if _other_constants(one, weights) != _other_constants(other, weights):
        raise SuppleError("constants of the exported graph that are no sizes are others in narrower members")


def _other_attributes(node: onnx.NodeProto) -> list[bytes]:
    whole = (onnx.AttributeProto.INT, onnx.AttributeProto.INTS)
    return [entry.SerializeToString(deterministic=True) for entry in node.attribute if entry.type not in whole]


def _other_constants(model: onnx.ModelProto, weights: set[str]) -> dict[str, tuple[tuple[int, ...], bytes]]:
    return {
        entry.name: (tuple(entry.dims), numpy_helper.to_array(entry).tobytes())
        for entry in _constants(model, weights)
        if entry.data_type != onnx.TensorProto.INT64
    }
