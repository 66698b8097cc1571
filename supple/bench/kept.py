"""Results of a long benchmark's parts, kept in a folder once they are there: an interruption loses one at most."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from supple.storage import read_json, write_json


class Kept:
    """Results by name, plain JSON content, as files of a folder if there is one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the result of this name: the one that is kept, else a new one."""
        path = None if self._folder is None else self._folder / f"{name}.json"
        if path is not None and path.exists():
            return read_json(path)
        result = make()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, result)
        return result
