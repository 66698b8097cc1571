"""What a user asks of a structure, by patterns: other values of dimensions, dimensions frozen, dimensions tied.

A pattern is the name of a dimension, or of the modules around it, with `*` for anything: `blocks.*.mlp` finds
`blocks.0.mlp.hidden`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate

from supple.errors import SuppleError, nearest
from supple.space import Dimension, Kind, Space
from supple.trace.attributes import without_fractions
from supple.trace.structure import Structure

FROZEN_ON_REQUEST = "you asked for it to stay as it is"


def with_wishes(
    structure: Structure,
    choices: Mapping[str, Sequence[float]],
    freeze: Iterable[str],
    ties: Mapping[str, str | Sequence[str]],
) -> Structure:
    """Return the structure with other values, with dimensions frozen, and with dimensions tied, in this order.

    `choices` maps a pattern to values: sizes, or, where one of them is no whole number, shares of the full size,
    rounded to whole numbers; the full size is always among them. A later pattern overrides an earlier one. `freeze` may
    also find nothing: a module without a dimension, or a kind that is not there (`*.depth`). `ties` maps the name of a
    new dimension to the pattern, or the patterns, whose dimensions it takes the place of; it has the values that they
    all have. Raises `SuppleError` for a pattern that finds nothing, or values that its dimensions cannot have.
    """
    for pattern, values in choices.items():
        for dimension in find(structure.space, pattern):
            structure = structure.with_values(dimension.name, _values(dimension, values, pattern))
    for pattern in freeze:
        for name in _found_to_freeze(structure, pattern):
            structure = structure.without(name, FROZEN_ON_REQUEST)
    for name, patterns in ties.items():
        structure = _tied(structure, name, [patterns] if isinstance(patterns, str) else list(patterns))
    return without_fractions(structure)


def find(space: Space, pattern: str) -> list[Dimension]:
    """Return the dimensions that a pattern finds. Raises `SuppleError`, with the nearest name, where there is none."""
    found = [entry for entry in space.dimensions if matches(pattern, entry.name)]
    if not found:
        known = {name for entry in space.dimensions for name in names_around(entry.name)}
        raise SuppleError(f'No dimension is found by the pattern "{pattern}"{nearest(pattern, known) or "."}')
    return found


def _found_to_freeze(structure: Structure, pattern: str) -> list[str]:
    """Return the names of the dimensions that a pattern finds: none for a module or a kind that has none anyway."""
    found = [entry.name for entry in structure.space.dimensions if matches(pattern, entry.name)]
    asks_for_a_kind = pattern.rpartition("*.")[2] in set(Kind)
    if found or asks_for_a_kind or any(matches(pattern, key) for key in structure.axes):
        return found
    return [entry.name for entry in find(structure.space, pattern)]


def matches(pattern: str, name: str) -> bool:
    """Say whether a pattern is that of a name, or of a module around it."""
    return any(map(re.compile(translate(pattern)).match, names_around(name)))


def names_around(name: str) -> list[str]:
    """Return the name of a dimension, with and without its number (`width_2`), and of every module around it."""
    parts = name.split(".")
    around = [".".join(parts[: end + 1]) for end in range(len(parts))]
    return [*around, re.sub(r"_\d+$", "", name)]


def _values(dimension: Dimension, values: Sequence[float], pattern: str) -> tuple[int, ...]:
    """Return the values that a user asks for, in the dimension's own order."""
    advice = f'"{pattern}" asks "{dimension.name}" for {", ".join(map(str, values)) or "nothing"}'
    if dimension.kind is Kind.OPERATOR:
        unknown = [value for value in values if value not in dimension.values]
        if unknown or dimension.largest not in values:
            options = ", ".join(str(value) for value in reversed(dimension.values))
            raise SuppleError(f"{advice}: it has the options {options}, and option {dimension.largest} must stay.")
        return tuple(value for value in dimension.values if value in values)
    full = dimension.largest
    # In [0.5, 0.75, 1] the last is a share too.
    are_shares = any(value != int(value) for value in values)
    sizes = {round(value * full) if are_shares else int(value) for value in values}
    wrong = [size for size in sizes if not 1 <= size <= full]
    if dimension.kind in (Kind.KERNEL, Kind.DEPTH):
        wrong += [size for size in sizes if size not in range(dimension.smallest, full + 1, _step(dimension))]
    if wrong or not sizes:
        raise SuppleError(
            f"{advice}: it can have sizes from {_smallest(dimension)} to {full}, or shares of {full} up to "
            f"1.0{_of_which_odd(dimension)}."
        )
    return tuple(sorted({*sizes, full}))


def _step(dimension: Dimension) -> int:
    """Return how far apart the values of a kernel or a depth are: kernels are odd."""
    return 2 if dimension.kind is Kind.KERNEL else 1


def _smallest(dimension: Dimension) -> int:
    return dimension.smallest if dimension.kind in (Kind.KERNEL, Kind.DEPTH) else 1


def _of_which_odd(dimension: Dimension) -> str:
    return "; the sizes of a kernel are odd" if dimension.kind is Kind.KERNEL else ""


def _tied(structure: Structure, name: str, patterns: Sequence[str]) -> Structure:
    """Return the structure with all dimensions that the patterns find made one."""
    found = {entry.name: entry for pattern in patterns for entry in find(structure.space, pattern)}
    first, *others = found.values()
    for other in others:
        if (other.kind, other.largest) != (first.kind, first.largest):
            raise SuppleError(
                f'"{first.name}" ({first.kind.value}, {first.largest}) and "{other.name}" ({other.kind.value}, '
                f"{other.largest}) cannot be tied: they must be of one kind and one full size."
            )
    if name in structure.space and name not in found:
        raise SuppleError(f'There is a dimension "{name}" already: give what you tie another name.')
    common = tuple(value for value in first.values if all(value in other.values for other in others))
    for entry in found:
        structure = structure.with_values(entry, common)
    return structure.tied(list(found), name)
