"""JSON that is safe to read from anybody: bounded in size, in depth and in the number of values."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supple.errors import SuppleError
from supple.storage.files import read_bounded, write_atomically

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
# An empty list of two characters takes about 70 bytes once parsed: so the number of values bounds memory and time.
MAX_VALUES = 250_000


def write_json(path: Path | str, content: object) -> None:
    """Write `content` as JSON, wholly or not at all. Raises `SuppleError` where it cannot be written."""
    try:
        text = to_text(content)
    except (TypeError, ValueError, RecursionError) as error:
        raise SuppleError(f'Could not write "{path}" as JSON: {error}.') from error
    write_atomically(path, text)


def read_json(path: Path | str, max_bytes: int = MAX_BYTES) -> Any:
    """Return the content of a JSON file.

    Raises `SuppleError` where the file is missing, larger than `max_bytes`, not JSON, deeper than 64 levels, holds more
    than 250,000 values, holds a key twice, or holds a number that is not finite.
    """
    return parse_json(read_bounded(Path(path), max_bytes), f'"{path}"')


def parse_json(data: bytes, source: str) -> Any:
    """Return the content of JSON text; `source` names it in the `SuppleError` that is raised where it is refused."""
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise SuppleError(f"{source} holds more than {MAX_VALUES:,} values.")
    try:
        content = json.loads(
            data.decode(), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_not_a_number
        )
    except RecursionError:
        raise SuppleError(f"{source} is nested too deeply (more than {MAX_DEPTH} levels).") from None
    except ValueError as error:  # A text that is not UTF-8 or not JSON, or an integer of thousands of digits.
        raise SuppleError(f"{source} is not valid JSON ({error}).") from None
    if _depth(content) > MAX_DEPTH:
        raise SuppleError(f"{source} is nested too deeply (more than {MAX_DEPTH} levels).")
    return content


def to_text(content: object) -> str:
    """Return the one JSON text that supple writes for `content`: indented, ASCII, numbers finite."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:20]} is too large")
    return number


def _not_a_number(name: str) -> float:
    raise ValueError(f"{name} is not allowed as a number")


def _depth(content: object) -> int:
    depth = 0
    level = _containers([content])
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [inner for outer in level for inner in _containers(outer)]
    return depth


def _containers(values: dict[str, Any] | list[Any]) -> list[dict[str, Any] | list[Any]]:
    inner = values.values() if isinstance(values, dict) else values
    return [value for value in inner if isinstance(value, dict | list)]


def flattened(content: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    """Return nested content by dotted names; an empty mapping stays as it is."""
    flat: dict[str, Any] = {}
    # What a section is stands before what is in it.
    for name, value in sorted(content.items(), key=lambda entry: entry[0] != "kind"):
        flat |= (
            flattened(value, f"{section}{name}.") if isinstance(value, dict) and value else {f"{section}{name}": value}
        )
    return flat
