"""What each choice of precision costs on a target, measured where a layer stands alone and where it has company.

A runtime converts numbers where a layer in int8 meets one in fp32, so that one such layer alone may be slower, and all
of them together much faster. So each choice is measured from both ends: it alone in the member in full precision, and
it taken out of the member in which everything is rounded. The mean of both differences is each choice's own part: where
choices change each other's cost in pairs only, these parts add up to the whole exactly (Shapley, A Value for n-Person
Games, 1953). The rest is noise, and what choices do to each other in threes and more; all choices share it alike, so
that parts always add up to the cost that was measured of the whole.
"""

import math
from collections.abc import Callable, Sequence

from supple.family.quantized.formats import FULL_BITS
from supple.searching.allocator.table import CostTable
from supple.space import Config, Dimension, Kind, Space

CostsOf = Callable[[Sequence[Config]], Sequence[float]]
"""Measures one cost of several configs, next to each other."""

# Of the mean saving: what a choice is taken to save at least, once the whole has shown that all of them pay.
_LEAST_PART = 0.01


def precision_costs(space: Space, name: str, costs_of: CostsOf) -> CostTable:
    """Return what each number of bits adds to a cost, over a space of nothing but precision.

    All configs are given to `costs_of` in one call: two for each choice, two for each number of bits. Raises
    `SuppleError` where a cost is not finite.
    """
    full = space.max()
    together = all_in_bits(space)
    alone: dict[tuple[str, int], Config] = {}
    without: dict[tuple[str, int], Config] = {}
    for dimension in space.dimensions:
        for bits in dimension.values[:-1]:
            key = dimension.name, bits
            alone[key] = space.config({dimension.name: bits})
            without[key] = space.config({**together[bits], dimension.name: FULL_BITS})
    configs = list(dict.fromkeys([full, *together.values(), *alone.values(), *without.values()]))
    costs = dict(zip(configs, map(float, costs_of(configs)), strict=True))
    entries: dict[str, dict[int, float]] = {dimension.name: {FULL_BITS: 0.0} for dimension in space.dimensions}
    for (dimension_name, bits), config in alone.items():
        in_full = costs[config] - costs[full]
        in_company = costs[together[bits]] - costs[without[dimension_name, bits]]
        entries[dimension_name][bits] = (in_full + in_company) / 2
    for bits, config in together.items():
        sharing = [row for row in entries.values() if bits in row]
        parts = math.fsum(row[config[name]] for name, row in entries.items())
        rest = (costs[config] - costs[full] - parts) / len(sharing)
        for row in sharing:
            row[bits] += rest
    return CostTable(space, entries, costs[full], name=name)


def only_what_pays(costs: CostTable) -> Space:
    """Return the space without the choices that cost no less than full precision."""
    return Space(
        Dimension(
            dimension.name,
            Kind.BITS,
            tuple(bits for bits in dimension.values if bits == FULL_BITS or costs.entries[dimension.name][bits] < 0),
        )
        for dimension in costs.space.dimensions
    )


def cost_table_within(costs: CostTable, space: Space) -> CostTable:
    """Return the part of a table that a space with fewer values has."""
    entries = {
        entry.name: {bits: costs.entries[entry.name][bits] for bits in entry.values} for entry in space.dimensions
    }
    return CostTable(space, entries, costs.base, name=costs.name)


def all_in_bits(space: Space) -> dict[int, Config]:
    """Return, by each number of bits below 32, most first, the config with everything in it.

    What cannot have so many has its most below 32.
    """
    lower = {dimension.name: dimension.values[:-1] for dimension in space.dimensions}
    return {
        bits: space.config({name: bits if bits in values else values[-1] for name, values in lower.items()})
        for bits in sorted({bits for values in lower.values() for bits in values}, reverse=True)
    }


def all_paying(costs: CostTable, config: Config, saved: float) -> CostTable:
    """Return a table in which every choice of a config saves something, and all of them together what they do.

    For costs of which the whole was measured to be lower than the table's cheapest: what does not pay there is chance.
    """
    least = _LEAST_PART * saved / len(config)
    gains = {name: max(-costs.entries[name][chosen], least) for name, chosen in config.items()}
    factor = saved / math.fsum(gains.values())
    entries = {name: {**row, config[name]: -factor * gains[name]} for name, row in costs.entries.items()}
    return CostTable(costs.space, entries, costs.base, name=costs.name)
