"""Names of repeated parts, told by one pattern: `blocks.0.mlp.hidden` to `blocks.11.mlp.hidden` are one line."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

Content = TypeVar("Content", bound=Hashable)
Part = str | tuple[int, ...]
Row = tuple[tuple[Part, ...], Content]


@dataclass(frozen=True)
class Group:
    """Names that differ only in the numbers of repeated parts, as one pattern: `blocks.{0-11}.mlp.hidden`."""

    pattern: str
    names: tuple[str, ...]


def grouped(entries: Iterable[tuple[str, Content]]) -> list[tuple[Group, Content]]:
    """Return groups of the (name, content) entries that have equal content and names that differ only in numbers.

    A pattern stands for its names and for no others. Groups come in the order of their first entries.
    """
    rows: dict[Row[Content], list[str]] = {}
    for name, content in entries:
        parts = tuple(_part(text) for text in name.split("."))
        rows.setdefault((parts, content), []).append(name)
    depth = max((len(parts) for parts, _ in rows), default=0)
    # The innermost numbers first: blocks within a stage are more alike than stages are.
    for position in reversed(range(depth)):
        rows = _merged(rows, position)
    return [(Group(_pattern(parts), tuple(names)), content) for (parts, content), names in rows.items()]


def _merged(rows: dict[Row[Content], list[str]], position: int) -> dict[Row[Content], list[str]]:
    """Merge the rows that are equal but for the number at one position of their names."""
    together: dict[Hashable, list[Row[Content]]] = {}
    for parts, content in rows:
        part = parts[position] if position < len(parts) else ""
        numbered = isinstance(part, tuple)
        around = (parts[:position], None, parts[position + 1 :]) if numbered else parts
        together.setdefault((around, content), []).append((parts, content))
    merged: dict[Row[Content], list[str]] = {}
    for alike in together.values():
        parts, content = alike[0]
        if len(alike) > 1:
            numbers = tuple(sorted({number for other, _ in alike for number in _numbers(other[position])}))
            parts = (*parts[:position], numbers, *parts[position + 1 :])
        merged[parts, content] = [name for row in alike for name in rows[row]]
    return merged


def _part(text: str) -> Part:
    # "00" is a name of its own: written as a number it would be another one.
    return (int(text),) if text.isdecimal() and str(int(text)) == text else text


def _numbers(part: Part) -> tuple[int, ...]:
    return part if isinstance(part, tuple) else ()


def _pattern(parts: tuple[Part, ...]) -> str:
    return ".".join(part if isinstance(part, str) else _number_range(part) for part in parts)


def _number_range(numbers: tuple[int, ...]) -> str:
    if len(numbers) == 1:
        return str(numbers[0])
    return f"{{{','.join(_runs(numbers))}}}"


def _runs(numbers: tuple[int, ...]) -> Iterator[str]:
    first = last = numbers[0]
    for number in (*numbers[1:], None):
        if number == last + 1:
            last = number
            continue
        yield str(first) if first == last else f"{first}-{last}"
        if number is not None:
            first = last = number
