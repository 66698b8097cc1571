"""Another order in which a depth dimension drops its blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from supple.errors import SuppleError, nearest
from supple.space import Condition, Dimension, Kind, Space
from supple.trace.structure import Structure


def with_block_order(structure: Structure, dimension: str, paths: Sequence[str]) -> Structure:
    """Return the structure in which a depth dimension drops its blocks in another order: the last one first.

    `paths`: the module paths of all its blocks, the one that is kept longest leading. What hangs on a block, such as
    the widths inside it, hangs on the block's new place; so the space has another digest. Raises `SuppleError` where
    there is no such dimension, or `paths` are not its blocks.
    """
    depths = [entry.name for entry in structure.space.dimensions if entry.kind is Kind.DEPTH]
    if dimension not in depths:
        raise SuppleError(f'The space has no depth dimension "{dimension}"{nearest(dimension, depths)}')
    own = sorted((block for block in structure.blocks if block.dimension == dimension), key=lambda one: one.at_least)
    if sorted(paths) != sorted(block.path for block in own):
        raise SuppleError(
            f'The order of the blocks of "{dimension}" must name each of {[block.path for block in own]} once, '
            f"not {list(paths)}."
        )
    at_least = {path: block.at_least for path, block in zip(paths, own, strict=True)}
    blocks = tuple(replace(block, at_least=at_least.get(block.path, block.at_least)) for block in structure.blocks)
    moved = (
        replace(entry, conditions=_conditions(structure, entry, dimension, at_least))
        for entry in structure.space.dimensions
    )
    return replace(structure, space=Space(moved), blocks=blocks)


def _conditions(
    structure: Structure, entry: Dimension, depth: str, at_least: Mapping[str, int]
) -> tuple[Condition, ...]:
    """Return what a dimension hangs on where the blocks of `depth` are there from these values on."""
    places = [key for key, axes in structure.axes.items() if any(entry.name in axis.dimensions for axis in axes)]
    places += [block.path for block in structure.blocks if block.dimension == entry.name]
    needed = [
        next((value for path, value in at_least.items() if place.startswith(f"{path}.")), None) for place in places
    ]
    above = structure.space[depth].conditions
    on_depth = any(condition.parent == depth for condition in entry.conditions)
    others = tuple(condition for condition in entry.conditions if condition.parent != depth and condition not in above)
    # Where it hangs on a gate further inside, or reaches beyond these blocks, nothing changes.
    if (others and not on_depth) or None in needed or not needed:
        return entry.conditions
    smallest = min(value for value in needed if value is not None)
    return (*others, *((Condition(depth, smallest),) if smallest > structure.space[depth].smallest else above))
