"""The one form of a benchmark: what it is asked, what it answers, and how the answer is shown."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supple.bench.timing import Spread
from supple.machine import Machine
from supple.progress import Progress

Cell = str | int | float | Spread


class Bound(StrEnum):
    """On which side of its target a value should lie."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


@dataclass(frozen=True)
class Wanted:
    """A value that the benchmark was made to watch, and its target."""

    what: str
    value: float
    bound: Bound
    target: float

    @property
    def met(self) -> bool:
        """Say whether the value lies on the right side; one that is not a number does not."""
        return self.value <= self.target if self.bound is Bound.AT_MOST else self.value >= self.target


@dataclass(frozen=True)
class Options:
    """What a benchmark is asked: `quick` wants its form only, in seconds, whatever the numbers.

    `models` are those to measure where a benchmark lets one choose; without any it takes its own. A benchmark of many
    parts keeps those that are done in `folder`; `data` is a folder of its data. Both are for those that take them.
    """

    quick: bool
    seed: int
    models: tuple[str, ...] = ()
    folder: Path | None = None
    data: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What a benchmark answers. Rows map column names, with their units (`latency_ms`), to cells."""

    rows: tuple[Mapping[str, Cell], ...]
    wanted: tuple[Wanted, ...]


Benchmark = Callable[[Options, Progress], Outcome]


@dataclass(frozen=True)
class Result:
    """An outcome and all that it was obtained with."""

    name: str
    options: Options
    machine: Machine
    versions: Mapping[str, str]
    outcome: Outcome

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON content; a spread becomes its median and quartiles."""
        return {
            "name": self.name,
            "quick": self.options.quick,
            "seed": self.options.seed,
            "models": list(self.options.models),
            "machine": self.machine.to_json(),
            "versions": dict(self.versions),
            "rows": [
                {column: asdict(cell) if isinstance(cell, Spread) else cell for column, cell in row.items()}
                for row in self.outcome.rows
            ],
            "wanted": [
                {"what": f"{entry.what}, {entry.bound}", "value": entry.value, "target": entry.target, "met": entry.met}
                for entry in self.outcome.wanted
            ],
        }


def print_result(result: Result, console: Console) -> None:
    """Print the rows as a table of Markdown, then what was wanted, the machine and the versions."""
    columns = list(dict.fromkeys(column for row in result.outcome.rows for column in row))
    table = Table(box=box.MARKDOWN)
    for column in columns:
        table.add_column(escape(column.replace("_", " ")))
    for row in result.outcome.rows:
        table.add_row(*(escape(_text(row[column])) if column in row else "" for column in columns))
    console.print(table)
    for entry in result.outcome.wanted:
        verdict = "met" if entry.met else "not met"
        _print_line(console, f"{entry.what}: {_text(entry.value)}, wanted {entry.bound} {entry.target:g}: {verdict}")
    _print_line(console, f"Machine: {result.machine.summary()}")
    _print_line(console, f"Versions: {', '.join(f'{name} {version}' for name, version in result.versions.items())}")
    _print_line(console, f"Seed: {result.options.seed}")
    if result.options.quick:
        _print_line(console, "This was a quick run: it shows the form, and its numbers mean nothing.")


def _print_line(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False)


def _text(cell: Cell) -> str:
    if isinstance(cell, Spread):
        # Quartiles differ in a digit that the median alone would not need.
        return f"{cell.median:.4g} ({cell.lower_quartile:.4g} to {cell.upper_quartile:.4g})"
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) else cell
