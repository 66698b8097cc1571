"""What the weights of a member take, by formulas of the config: their number, and the bytes of a file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supple.cost.quantized_weights import weight_bytes_by_key
from supple.cost.sizes import Values
from supple.cost.tables import Term
from supple.errors import SuppleError, nearest
from supple.family import Family
from supple.family.activation import Place, buffer_places, parameter_places, places_by_tensor
from supple.trace import Structure

DEFAULT_BITS = 32


def parameter_terms(family: Family) -> Iterator[Term]:
    """Yield the number of elements of each parameter; one that modules share is there where any of them is."""
    for places in places_by_tensor(parameter_places(family.model)):
        yield _term(family.structure, places, lambda sizes, _: _count(sizes))


def weight_file_terms(family: Family, bits: int | Mapping[str, int] | None) -> Iterator[Term]:
    """Yield the bytes of each parameter and buffer of the state dict, see `AnalyticCosts.weights_bytes`."""
    together = places_by_tensor(parameter_places(family.model))
    chosen = weight_bytes_by_key(family.quantization) if bits is None else {}
    for places in together:
        found = next((chosen[place.key] for place in places if place.key in chosen), None)
        if found is None:
            yield _term(family.structure, places, _bytes_at(_bits_of(places, DEFAULT_BITS if bits is None else bits)))
        else:
            yield _term(family.structure, places, found, found.dimension)
    if bits is not None and not isinstance(bits, int):
        known = {place.key for places in together for place in places}
        for key in bits:
            if key not in known:
                raise SuppleError(f'The model has no parameter "{key}"{nearest(key, known)}')
    for places in places_by_tensor(buffer_places(family.model)):
        saved = tuple(place for place in places if place.name not in place.module._non_persistent_buffers_set)
        if saved:
            yield _term(family.structure, saved, _bytes_at(8 * saved[0].tensor.element_size()))


def _bits_of(places: Sequence[Place], bits: int | Mapping[str, int]) -> int:
    if isinstance(bits, int):
        found = bits
    else:
        found = next((bits[place.key] for place in places if place.key in bits), DEFAULT_BITS)
    if not 1 <= found <= 64:
        raise SuppleError(f"A weight has from 1 to 64 bits, not {found}.")
    return found


SizeCost = Callable[[Sequence[Any], Values], NDArray[Any]]
"""From the sizes of a tensor's axes in many members, and the values of their dimensions, to what it costs there."""


def _count(sizes: Sequence[Any]) -> NDArray[Any]:
    count: Any = np.ones(())
    for size in sizes:
        count = count * size
    return np.asarray(count)


def _bytes_at(bits: int) -> SizeCost:
    return lambda sizes, _: np.ceil(_count(sizes) * bits / 8)


def _term(structure: Structure, places: Sequence[Place], cost: SizeCost, *precision: str) -> Term:
    """Return what a tensor costs in members that have it; `precision` are the dimensions that its cost follows too."""
    axes = structure.axes[places[0].key]
    around = [[block for block in structure.blocks if place.key.startswith(block.path + ".")] for place in places]
    dimensions = {name for axis in axes for name in axis.dimensions} | set(precision)
    dimensions |= {block.dimension for blocks in around for block in blocks}

    def formula(values: Values) -> NDArray[Any]:
        sizes = [axis.size(values) for axis in axes]  # type: ignore[arg-type]
        is_there: Any = np.zeros((), bool)
        for blocks in around:
            has_all: Any = np.ones((), bool)
            for block in blocks:
                value = values[block.dimension]
                has_all = has_all & (value >= block.at_least)
                if block.at_most is not None:
                    has_all = has_all & (value <= block.at_most)
            is_there = is_there | has_all
        return np.where(is_there, cost(sizes, values), 0)

    return Term(frozenset(dimensions), formula)
