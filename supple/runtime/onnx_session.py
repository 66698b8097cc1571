"""Open an ONNX model in ONNX Runtime on the processor, and run it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from supple.errors import SuppleError, first_line

Array = NDArray[Any]
_NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
_FATAL = 4


@dataclass(frozen=True)
class ModelInput:
    """An input of a model: its name, its shape with None for a free axis, and its NumPy type."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


class OnnxSession:
    """A model that is loaded and ready to run; `run` returns its first output."""

    def __init__(self, model: bytes | Path, threads: int = 1) -> None:
        """Load a model from a file or from its bytes. Raises `SuppleError` where it is no model that can run."""
        if isinstance(model, Path) and not model.is_file():
            raise SuppleError(f'There is no ONNX file "{model}".')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Errors reach the user as exceptions; what the library prints besides does not help.
        options.log_severity_level = _FATAL
        # Several sessions live in one process: idle threads of one must not take the cores from another.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        source = str(model) if isinstance(model, Path) else model
        name = f'"{model}"' if isinstance(model, Path) else "The model"
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's errors share no base of their own
            raise SuppleError(f"{name} cannot be loaded by ONNX Runtime: {first_line(error)}") from error
        self._outputs = [self._session.get_outputs()[0].name]
        self.inputs = tuple(
            ModelInput(
                entry.name,
                tuple(size if isinstance(size, int) else None for size in entry.shape),
                np.dtype(_NUMPY_TYPES.get(entry.type, np.float32)),
            )
            for entry in self._session.get_inputs()
        )

    def run(self, *inputs: Array) -> Array:
        """Run one batch and return the model's first output. Raises `SuppleError` where the inputs do not fit."""
        try:
            return self.prepared(*inputs)()
        except Exception as error:  # the library's errors share no base of their own
            if isinstance(error, SuppleError):
                raise
            given = ", ".join(f"{array.dtype} {list(array.shape)}" for array in inputs)
            expected = ", ".join(f"{entry.dtype} {_shape(entry)}" for entry in self.inputs)
            raise SuppleError(
                f"ONNX Runtime cannot run the model, which takes {expected}, on {given}: {first_line(error)}"
            ) from error

    def run_batches(self, batches: Iterable[Array | tuple[Array, ...]]) -> Array:
        """Run batch after batch and return the first outputs joined along the first axis."""
        outputs = [self.run(*batch) if isinstance(batch, tuple) else self.run(batch) for batch in batches]
        if not outputs:
            raise SuppleError("There is no batch to run the model on: give at least one.")
        return np.concatenate(outputs)

    def prepared(self, *inputs: Array) -> Callable[[], Array]:
        """Return a call that runs one batch and does nothing else, to be timed."""
        if len(inputs) != len(self.inputs):
            names = ", ".join(entry.name for entry in self.inputs)
            raise SuppleError(f"The model takes {len(self.inputs)} inputs ({names}), not {len(inputs)}.")
        feed = {entry.name: array for entry, array in zip(self.inputs, inputs, strict=True)}
        return partial(_first_output, self._session.run, self._outputs, feed)

    def random_inputs(self, batch: int) -> tuple[Array, ...]:
        """Return inputs for one batch: standard normal numbers, zeros for whole numbers; always the same ones.

        Raises `SuppleError` where the model takes another batch size only, or leaves a further axis free.
        """
        random = np.random.default_rng(0)
        arrays: list[Array] = []
        for entry in self.inputs:
            if None in entry.shape[1:] or not entry.shape or entry.shape[0] not in (None, batch):
                raise SuppleError(
                    f'Input "{entry.name}" of the model has the shape {_shape(entry)}: only the first axis can be '
                    f"free, and must be so or equal the batch size {batch}."
                )
            shape = (batch, *(size for size in entry.shape[1:] if size is not None))
            is_real = np.issubdtype(entry.dtype, np.floating)
            arrays.append((random.standard_normal(shape) if is_real else np.zeros(shape)).astype(entry.dtype))
        return tuple(arrays)


def _first_output(run: Callable[..., list[Array]], outputs: list[str], feed: dict[str, Array]) -> Array:
    return run(outputs, feed)[0]


def _shape(entry: ModelInput) -> str:
    return f"[{', '.join('batch' if size is None else str(size) for size in entry.shape)}]"
