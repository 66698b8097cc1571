"""What is kept of a member's run beside its outputs."""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import torch

TensorFunction = Callable[..., tuple[torch.Tensor, ...]]


class Note(NamedTuple):
    """Results that are to be kept, and a label that says what they are."""

    label: Any
    tensors: tuple[Any, ...]


class Notes:
    """What is noted while a member runs without being recorded."""

    def __init__(self) -> None:
        self.noted: list[Note] = []

    def call(self, function: TensorFunction, *args: Any) -> tuple[torch.Tensor, ...]:
        """Run a function."""
        return function(*args)

    def note(self, label: Hashable, *tensors: torch.Tensor) -> None:
        """Keep results."""
        self.noted.append(Note(label, tensors))

    def mark(self) -> tuple[int, int]:
        """Return the place where the run is now."""
        return 0, len(self.noted)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget what came after a mark."""
        del self.noted[mark[1] :]
