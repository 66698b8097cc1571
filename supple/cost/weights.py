"""What the weights of a member take, by formulas of the config: their number, and the bytes of a file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        yield _term(family.structure, places, lambda count: count)


def weight_file_terms(family: Family, bits: int | Mapping[str, int]) -> Iterator[Term]:
    """Yield the bytes of each parameter and buffer of the state dict, see `AnalyticCosts.weights_bytes`."""
    together = places_by_tensor(parameter_places(family.model))
    for places in together:
        yield _term(family.structure, places, partial(_whole_bytes, bits=_bits_of(places, bits)))
    if not isinstance(bits, int):
        known = {place.key for places in together for place in places}
        for key in bits:
            if key not in known:
                raise SuppleError(f'The model has no parameter "{key}"{nearest(key, known)}')
    for places in places_by_tensor(buffer_places(family.model)):
        saved = tuple(place for place in places if place.name not in place.module._non_persistent_buffers_set)
        if saved:
            yield _term(family.structure, saved, partial(_whole_bytes, bits=8 * saved[0].tensor.element_size()))


def _bits_of(places: Sequence[Place], bits: int | Mapping[str, int]) -> int:
    if isinstance(bits, int):
        found = bits
    else:
        found = next((bits[place.key] for place in places if place.key in bits), DEFAULT_BITS)
    if not 1 <= found <= 64:
        raise SuppleError(f"A weight has from 1 to 64 bits, not {found}.")
    return found


def _whole_bytes(count: NDArray[Any], bits: int) -> NDArray[Any]:
    return np.ceil(count * bits / 8)


def _term(structure: Structure, places: Sequence[Place], cost: Callable[[NDArray[Any]], NDArray[Any]]) -> Term:
    axes = structure.axes[places[0].key]
    around = [[block for block in structure.blocks if place.key.startswith(block.path + ".")] for place in places]
    dimensions = {name for axis in axes for name in axis.dimensions}
    dimensions |= {block.dimension for blocks in around for block in blocks}

    def formula(values: Values) -> NDArray[Any]:
        count: Any = np.ones(())
        for axis in axes:
            count = count * axis.size(values)  # type: ignore[arg-type]
        is_there: Any = np.zeros((), bool)
        for blocks in around:
            has_all: Any = np.ones((), bool)
            for block in blocks:
                value = values[block.dimension]
                has_all = has_all & (value >= block.at_least)
                if block.at_most is not None:
                    has_all = has_all & (value <= block.at_most)
            is_there = is_there | has_all
        return np.where(is_there, cost(np.asarray(count)), 0)

    return Term(frozenset(dimensions), formula)
