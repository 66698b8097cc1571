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
    """A dimension matters only where `parent` has a value from `at_least` to `at_most`.

    So it is with what lies in a block that a depth may drop, or in one option of a choice.
    """

    parent: str
    at_least: int
    at_most: int | None = None

    def allows(self, value: int) -> bool:
        """Say whether the dimension matters at this value of the parent."""
        return self.at_least <= value and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True)
class Dimension:
    """One elastic choice: its name, its kind and its values in ascending order; the last is the user's own model.

    The values of an operator are the numbers of the options, in descending order: option 0 is the user's own model.
    Where one of the `conditions` does not hold, the dimension does not reach the member: every config of a space holds
    the largest value there, so that one member has one config.
    """

    name: str
    kind: Kind
    values: tuple[int, ...]
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        is_operator = self.kind is Kind.OPERATOR
        if not self.values or list(self.values) != sorted(set(self.values), reverse=is_operator):
            raise SuppleError(
                f'The values of dimension "{self.name}" must be {"descending" if is_operator else "ascending"} and '
                f"distinct, not {list(self.values)}."
            )

    @property
    def largest(self) -> int:
        """The value of the user's own model."""
        return self.values[-1]

    @property
    def smallest(self) -> int:
        """The value of the smallest member."""
        return self.values[0]
