"""What a person wants to know of a family at a glance: its dimensions, its sizes, and what is frozen and why."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from supple.errors import SuppleError
from supple.family.patterns import grouped
from supple.space import Config, Kind
from supple.text_table import text_table

if TYPE_CHECKING:
    from supple.family.family import Family

# Beyond this many lines with one reason the rest is counted: the table is for a person.
MAX_LINES_PER_REASON = 6


@dataclass(frozen=True)
class DimensionRow:
    """Dimensions of one kind, with the same values, whose names differ only in the numbers of repeated parts.

    `share` is the share of the full network's parameters that lie in tensors which these dimensions cut or drop.
    """

    pattern: str
    names: tuple[str, ...]
    kind: Kind
    values: tuple[int, ...]
    share: float


@dataclass(frozen=True)
class FrozenRow:
    """Things that did not become elastic for one reason, whose names differ only in the numbers of repeated parts."""

    pattern: str
    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Size:
    """What a member takes. `macs` are those of one sample, None where the model does not run on inputs of zeros."""

    parameters: int
    macs: int | None


@dataclass(frozen=True)
class Summary:
    """A family at a glance: `print(summary)` shows it as a table."""

    model: str
    members: int
    smallest: Size
    largest: Size
    dimensions: tuple[DimensionRow, ...]
    frozen: tuple[FrozenRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain JSON content."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            f"{self.model}: a family of {_count(self.members)} members",
            "",
            *text_table(("", "smallest", "largest", "in %"), self._sizes(), right_aligned={1, 2, 3}),
            "",
            *text_table(("dimension", "kind", "count", "values", "reaches"), self._dimensions(), right_aligned={2, 4}),
        ]
        if self.frozen:
            lines += ["", "not elastic:", *(f"  {line}" for line in self._not_elastic())]
        return "\n".join(lines)

    def _sizes(self) -> list[tuple[str, ...]]:
        sizes = (
            ("parameters", self.smallest.parameters, self.largest.parameters),
            ("MACs of a sample", self.smallest.macs, self.largest.macs),
        )
        return [
            (what, f"{small:,}", f"{large:,}", f"{100 * small / large:.1f}")
            for what, small, large in sizes
            if small is not None and large
        ]

    def _dimensions(self) -> list[tuple[str, ...]]:
        return [
            (row.pattern, row.kind.value, str(len(row.names)), _values(row.values), f"{100 * row.share:.1f} %")
            for row in self.dimensions
        ]

    def _not_elastic(self) -> list[str]:
        by_reason: dict[str, list[FrozenRow]] = {}
        for row in self.frozen:
            by_reason.setdefault(row.reason, []).append(row)
        lines = []
        for reason, rows in by_reason.items():
            shown = rows if len(rows) <= MAX_LINES_PER_REASON else rows[: MAX_LINES_PER_REASON - 1]
            for row in shown:
                times = f"{len(row.names)} x " if len(row.names) > 1 else ""
                lines.append(f"{times}{row.pattern}: {reason}")
            others = sum(len(row.names) for row in rows[len(shown) :])
            lines += [f"{others} others: {reason}"] if others else []
        return lines


def summarise(family: "Family") -> Summary:
    """Return the summary of a family; its smallest and its largest member run once, which counts their MACs."""
    space, structure = family.space, family.structure
    return Summary(
        model=type(family.model).__name__,
        members=space.count(),
        smallest=_size(family, space.min()),
        largest=_size(family, space.max()),
        dimensions=tuple(
            DimensionRow(group.pattern, group.names, kind, values, _share(family, group.names))
            for group, (kind, values) in grouped((entry.name, (entry.kind, entry.values)) for entry in space.dimensions)
        ),
        frozen=tuple(
            FrozenRow(group.pattern, group.names, reason)
            for group, reason in grouped((entry.what, entry.reason) for entry in structure.frozen)
        ),
    )


def _size(family: "Family", config: Config) -> Size:
    try:
        macs = family.count_macs(config)
    except SuppleError:  # A model may want more of its inputs than their shapes: a summary does without.
        macs = None
    return Size(family.count_parameters(config), macs)


def _share(family: "Family", dimensions: tuple[str, ...]) -> float:
    structure = family.structure
    dropped = tuple(
        f"{block.path}."
        for block in structure.blocks
        if block.dimension in dimensions
        and not all(block.is_present({block.dimension: value}) for value in family.space[block.dimension].values)
    )
    total = reached = 0
    for key, parameter in family.model.named_parameters():
        total += parameter.numel()
        cut = {name for axis in structure.axes[key] for name in axis.dimensions}
        if key.startswith(dropped) or not cut.isdisjoint(dimensions):
            reached += parameter.numel()
    return reached / total


def _count(members: int) -> str:
    """Return the number as a person reads it; `Summary.members` is exact."""
    if members < 10**15:
        return f"{members:,}"
    digits = str(members)
    return f"about {digits[0]}.{digits[1:3]}e{len(digits) - 1}"


def _values(values: tuple[int, ...]) -> str:
    if len(values) <= 6:
        return ", ".join(map(str, values))
    return f"{values[0]}, {values[1]}, {values[2]}, ..., {values[-1]}  ({len(values)})"
