"""What each value of each dimension adds to a cost or to the loss: a table, with terms for pairs where sums fail.

The figure of a config is  base + sum of the entries of its dimensions + sum of the terms of its pairs,  over the
dimensions that reach the member: what lies in a dropped block adds nothing, so the entry of the depth holds what
dropping it changes.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from supple.errors import SuppleError, nearest
from supple.space import Config, Space
from supple.storage.json_files import parse_json, read_json, write_json

Entries = Mapping[str, Mapping[int, float]]
Pairs = Mapping[tuple[str, str], Mapping[tuple[int, int], float]]


@dataclass(frozen=True)
class Table:
    """One figure of every member of a space, as a sum over its dimensions.

    `entries` maps a dimension to what each of its values adds; a dimension that is left out adds nothing. `base` is
    what every config has. `pairs` maps two dimensions to what pairs of their values add beyond their entries; pairs
    that are left out add nothing. `name` is that of the figure, with its unit. Raises `SuppleError` for names and
    values that the space does not have, for dimensions that lack a value, and for what is not finite.
    """

    space: Space
    entries: Entries
    base: float = 0.0
    pairs: Pairs = field(default_factory=dict)
    name: str = "figure"

    def __post_init__(self) -> None:
        for name, row in self.entries.items():
            self._check_values(name, row)
            if missing := [value for value in self.space[name].values if value not in row]:
                raise SuppleError(f'The table of {self.name} lacks the value {missing[0]} of dimension "{name}".')
        for (first, second), terms in self.pairs.items():
            if first == second:
                raise SuppleError(f'The table of {self.name} pairs dimension "{first}" with itself.')
            self._check_values(first, {one: term for (one, _), term in terms.items()})
            self._check_values(second, {other: term for (_, other), term in terms.items()})
        figures = [self.base, *_figures(self.entries), *_figures(self.pairs)]
        if bad := [figure for figure in figures if not math.isfinite(figure)]:
            raise SuppleError(f"The table of {self.name} holds {bad[0]}: every entry must be a finite number.")

    def _check_values(self, name: str, row: Mapping[int, float]) -> None:
        if name not in self.space:
            known = (dimension.name for dimension in self.space.dimensions)
            raise SuppleError(
                f'The table of {self.name} has a dimension "{name}" that the space lacks{nearest(name, known)}'
            )
        if unknown := [value for value in row if value not in self.space[name].values]:
            raise SuppleError(
                f'The table of {self.name} has a value {unknown[0]} of dimension "{name}", which can be '
                f"{', '.join(map(str, self.space[name].values))}."
            )

    def of(self, config: Mapping[str, int]) -> float:
        """Return the figure of a config, in the unit of the table."""
        active = {entry.name for entry in self.space.dimensions if self.space.is_active(entry.name, config)}
        entries = (row[config[name]] for name, row in self.entries.items() if name in active)
        terms = (
            row.get((config[first], config[second]), 0.0)
            for (first, second), row in self.pairs.items()
            if first in active and second in active
        )
        return math.fsum((self.base, *entries, *terms))

    @property
    def rounding(self) -> float:
        """How far sums over this table may be off, in its unit: figures that differ by less count as equal."""
        largest = [*_largest(self.entries), *_largest(self.pairs)]
        return 1e-13 * math.fsum((abs(self.base), *largest))

    def to_json(self) -> str:
        """Return the table as JSON; the space is named by its digest."""
        return json.dumps(self._content())

    @classmethod
    def from_json(cls, text: str, space: Space) -> Self:
        """Read what `to_json` wrote. Raises `SuppleError` for anything else, and for the table of another space."""
        return cls._from_content(parse_json(text.encode(), "The table"), space)

    def save(self, path: Path | str) -> None:
        """Write the table to a file of JSON, wholly or not at all."""
        write_json(path, self._content())

    @classmethod
    def load(cls, path: Path | str, space: Space) -> Self:
        """Read what `save` wrote. Raises `SuppleError` for anything else, and for the table of another space."""
        return cls._from_content(read_json(path), space)

    def _content(self) -> dict[str, Any]:
        return {
            "space": self.space.digest,
            "name": self.name,
            "base": self.base,
            "entries": {name: [[value, figure] for value, figure in row.items()] for name, row in self.entries.items()},
            "pairs": [
                [first, second, [[one, other, term] for (one, other), term in row.items()]]
                for (first, second), row in self.pairs.items()
            ],
        }

    @classmethod
    def _from_content(cls, content: Any, space: Space) -> Self:
        try:
            digest, name = content["space"], content["name"]
            entries = {
                str(dimension): {_integer(value): float(figure) for value, figure in row}
                for dimension, row in content["entries"].items()
            }
            pairs = {
                (str(first), str(second)): {(_integer(one), _integer(other)): float(term) for one, other, term in row}
                for first, second, row in content["pairs"]
            }
            base = float(content["base"])
            if not isinstance(name, str):
                raise TypeError("its name is no text")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SuppleError(f"This is no table of figures by dimension and value: {error!r}.") from None
        if digest != space.digest:
            raise SuppleError(f"The table of {name} belongs to space {digest}, not to this one, {space.digest}.")
        return cls(space, entries, base, pairs, name)


@dataclass(frozen=True)
class SensitivityTable(Table):
    """What each value of each dimension adds to the loss (or to an error, or an output distortion): less is better.

    `base` is the loss of the full network, whose values add nothing.
    """

    name: str = "loss"


@dataclass(frozen=True)
class CostTable(Table):
    """What each value of each dimension adds to one cost, measured or predicted; `name` says which, with its unit."""

    name: str = "cost"

    def at_most(self, limit: float) -> "Budget":
        """Return the budget that lets this cost be `limit` or less."""
        return Budget(self, limit)


@dataclass(frozen=True)
class Budget:
    """A limit to the figure of a table. It counts as kept up to the rounding of sums (`Table.rounding`)."""

    table: Table
    limit: float

    def __post_init__(self) -> None:
        if math.isnan(self.limit):
            raise SuppleError(f"A budget of {self.table.name} must be a number, not {self.limit}.")

    def holds(self, config: Config) -> bool:
        """Say whether a config keeps within the budget."""
        return self.table.of(config) <= self.limit + self.table.rounding


def require_one_space(tables: Iterable[Table]) -> Space:
    """Return the space of the tables. Raises `SuppleError`, with the names of both, where two differ."""
    first, *others = tables
    for table in others:
        if table.space != first.space:
            raise SuppleError(
                f"The tables of {first.name} and {table.name} belong to different spaces: {first.space.digest} and "
                f"{table.space.digest}."
            )
    return first.space


def _figures(rows: Mapping[Any, Mapping[Any, float]]) -> list[float]:
    return [figure for row in rows.values() for figure in row.values()]


def _largest(rows: Mapping[Any, Mapping[Any, float]]) -> list[float]:
    return [max(map(abs, row.values()), default=0.0) for row in rows.values()]


def _integer(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no value of a dimension")
    return value
