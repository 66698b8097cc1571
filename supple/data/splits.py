"""What every data source becomes: batches for training, validation and test, and the names of the classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


@runtime_checkable
class Batches(Protocol):
    """Batches that can be run through again and again: `(inputs float32 (b, ...), labels int64 (b,))`."""

    def __len__(self) -> int:
        """Return the number of batches."""

    def __iter__(self) -> Iterator[tuple["Tensor", "Tensor"]]:
        """Begin a pass over the batches."""


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set; `test` is read once, at the end of a run.

    `classes` are the names of the labels 0, 1, ...; `example_inputs` are a model's inputs for two examples.
    """

    train: Batches
    valid: Batches
    test: Batches
    classes: tuple[str, ...]
    example_inputs: tuple["Tensor", ...]
