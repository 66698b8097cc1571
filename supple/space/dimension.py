"""A dimension: one elastic choice of a family, with its values."""

from dataclasses import dataclass
from enum import StrEnum

from supple.errors import SuppleError


class Kind(StrEnum):
    """What a dimension changes."""

    WIDTH = "width"
    HIDDEN = "hidden"
    HEADS = "heads"
    EMBED = "embed"
    DEPTH = "depth"
    KERNEL = "kernel"
    RANK = "rank"
    BITS = "bits"
    RESOLUTION = "resolution"
    EXPERT = "expert"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Condition:
    """A dimension matters only where `parent` has at least the value `at_least` (a block that is not dropped)."""

    parent: str
    at_least: int


@dataclass(frozen=True)
class Dimension:
    """One elastic choice: its name, its kind and its values in ascending order; the last is the user's own model.

    Where `condition` does not hold, the dimension does not reach the member: every config of a space holds the
    largest value there, so that one member has one config.
    """

    name: str
    kind: Kind
    values: tuple[int, ...]
    condition: Condition | None = None

    def __post_init__(self) -> None:
        if not self.values or list(self.values) != sorted(set(self.values)):
            raise SuppleError(
                f'The values of dimension "{self.name}" must be ascending and distinct, not {list(self.values)}.'
            )

    @property
    def largest(self) -> int:
        """The value of the user's own model."""
        return self.values[-1]

    @property
    def smallest(self) -> int:
        """The value of the smallest member."""
        return self.values[0]
