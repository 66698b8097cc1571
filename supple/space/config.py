"""A config: one value for each dimension of a space. It names one member."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from supple.errors import SuppleError


class Config(Mapping[str, int]):
    """One value for each dimension of one space: immutable, hashable, JSON.

    Two configs are equal when they name the same space and hold the same values. `space` is the digest of the space
    that the config belongs to (`Space.digest`); a space refuses the configs of another by that name.
    """

    __slots__ = ("_hash", "_values", "space")

    def __init__(self, space: str, values: Mapping[str, int]) -> None:
        self.space = space
        self._values = dict(values)
        self._hash = hash((space, tuple(sorted(self._values.items()))))

    def __getitem__(self, dimension: str) -> int:
        return self._values[dimension]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Config):
            return NotImplemented
        return self.space == other.space and self._values == other._values

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{name}={value}' for name, value in self._values.items())})"

    def to_json(self) -> str:
        """Return the config as one line of JSON."""
        return json.dumps({"space": self.space, "values": self._values})

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """Read what `to_json` wrote. Raises `SuppleError` where the text is anything else."""
        try:
            content: Any = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise SuppleError(f"This is no config: not valid JSON ({error}).") from None
        if (
            not isinstance(content, dict)
            or content.keys() != {"space", "values"}
            or not isinstance(content["space"], str)
            or not isinstance(content["values"], dict)
            or not all(type(value) is int for value in content["values"].values())
        ):
            raise SuppleError(
                'This is no config: expected {"space": "<digest>", "values": {"<dimension>": <integer>}}.'
            )
        return cls(content["space"], content["values"])
