"""What a person wants to know of a family at a glance."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supple.family.family import Family


def summary(family: "Family") -> str:
    """Return a table of the dimensions, the number of members, the range of parameters, and what is frozen and why."""
    space = family.space
    rows = [(entry.name, entry.kind.value, _values(entry.values)) for entry in space.dimensions]
    name_width = max(len("dimension"), *(len(name) for name, _, _ in rows))
    kind_width = max(len(kind) for _, kind, _ in rows)
    lines = [
        f"{type(family.model).__name__}: a family of {space.count():,} members, from "
        f"{family.count_parameters(space.min()):,} to {family.count_parameters(space.max()):,} parameters",
        "",
        f"{'dimension':{name_width}}  {'kind':{kind_width}}  values",
        *(f"{name:{name_width}}  {kind:{kind_width}}  {values}" for name, kind, values in rows),
    ]
    if family.structure.frozen:
        lines += ["", "not elastic:", *(f"  {entry.what}: {entry.reason}" for entry in family.structure.frozen)]
    return "\n".join(lines)


def _values(values: tuple[int, ...]) -> str:
    if len(values) <= 6:
        return ", ".join(map(str, values))
    return f"{values[0]}, {values[1]}, {values[2]}, ..., {values[-1]}  ({len(values)})"
