"""Sessions: programs that are loaded into a runtime and ready to run."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supple.errors import SuppleError

Array = NDArray[Any]


@dataclass(frozen=True)
class ModelInput:
    """An input of a model: its name, its shape with None for a free axis, and its NumPy type."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        sizes = ", ".join("batch" if size is None else str(size) for size in self.shape)
        return f"{self.dtype} [{sizes}]"


class Session(ABC):
    """A model that is loaded and ready to run; `run` returns its first output. Each runtime has its own.

    Some take any batch size, some only the one that they were made for: `inputs` says which, and `run_batches` copes.
    """

    inputs: tuple[ModelInput, ...]

    @abstractmethod
    def run(self, *inputs: Array) -> Array:
        """Run one batch and return the model's first output. Raises `SuppleError` where the inputs do not fit."""

    @abstractmethod
    def prepared(self, *inputs: Array) -> Callable[[], object]:
        """Return a call that runs one batch and does nothing else, to be timed: when it returns, all is computed.

        Raises `SuppleError` where the model takes another number of inputs.
        """

    @property
    def batch(self) -> int | None:
        """The one batch size that the model takes; None where it takes any."""
        return next((entry.shape[0] for entry in self.inputs if entry.shape and entry.shape[0] is not None), None)

    def run_batches(self, batches: Iterable[Array | tuple[Array, ...]]) -> Array:
        """Run batch after batch, of any size, and return the first outputs joined along the first axis.

        Where the model takes one batch size only, batches are run in parts of that size; the last part is filled up
        with its own samples, whose outputs are left out.
        """
        outputs = [
            output
            for batch in batches
            for output in self._outputs_in_parts(batch if isinstance(batch, tuple) else (batch,))
        ]
        if not outputs:
            raise SuppleError("There is no batch to run the model on: give at least one.")
        return np.concatenate(outputs)

    def _outputs_in_parts(self, inputs: tuple[Array, ...]) -> Iterator[Array]:
        samples, size = len(inputs[0]), self.batch
        if size is None or size == samples:
            yield self.run(*inputs)
            return
        for start in range(0, samples, size):
            rows = start + np.arange(size) % min(size, samples - start)
            yield self.run(*(array[rows] for array in inputs))[: samples - start]

    def random_inputs(self, batch: int) -> tuple[Array, ...]:
        """Return inputs for one batch: standard normal numbers, zeros for whole numbers; always the same ones.

        Raises `SuppleError` where the model takes another batch size only, or leaves a further axis free.
        """
        random = np.random.default_rng(0)
        arrays: list[Array] = []
        for entry in self.inputs:
            if None in entry.shape[1:] or not entry.shape or entry.shape[0] not in (None, batch):
                raise SuppleError(
                    f'Input "{entry.name}" of the model is {entry}: only the first axis can be free, and must be so or '
                    f"equal the batch size {batch}."
                )
            shape = (batch, *(size for size in entry.shape[1:] if size is not None))
            is_real = np.issubdtype(entry.dtype, np.floating)
            arrays.append((random.standard_normal(shape) if is_real else np.zeros(shape)).astype(entry.dtype))
        return tuple(arrays)

    def check_number(self, inputs: tuple[Array, ...]) -> None:
        """Raise `SuppleError` unless there are as many inputs as the model takes."""
        if len(inputs) != len(self.inputs):
            names = ", ".join(entry.name for entry in self.inputs)
            raise SuppleError(f"The model takes {len(self.inputs)} inputs ({names}), not {len(inputs)}.")

    def check_fit(self, inputs: tuple[Array, ...]) -> None:
        """Raise `SuppleError` unless the inputs have the shapes and types that the model takes."""
        self.check_number(inputs)
        for entry, array in zip(self.inputs, inputs, strict=True):
            sizes = [expected or size for expected, size in zip(entry.shape, array.shape, strict=False)]
            if len(entry.shape) != array.ndim or sizes != list(array.shape) or entry.dtype != array.dtype:
                raise SuppleError(
                    f'Input "{entry.name}" of the model is {entry}, not {array.dtype} {list(array.shape)}.'
                )

    def misfit(self, runtime: str, inputs: tuple[Array, ...], reason: str) -> SuppleError:
        """Return the error that a runtime's complaint about these inputs becomes."""
        given = ", ".join(f"{array.dtype} {list(array.shape)}" for array in inputs)
        expected = ", ".join(map(str, self.inputs))
        return SuppleError(f"{runtime} cannot run the model, which takes {expected}, on {given}: {reason}")


def content_of(program: bytes | Path) -> tuple[bytes, str]:
    """Return a program's content and how to name it in messages. Raises `SuppleError` where there is no such file."""
    if not isinstance(program, Path):
        return program, "The model"
    try:
        return program.read_bytes(), f'"{program}"'
    except OSError as error:
        raise SuppleError(f'Cannot read "{program}": {error.strerror}.') from error
