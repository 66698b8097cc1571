"""Open an ONNX model in ONNX Runtime, and run it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime

from supple.errors import SuppleError, first_line
from supple.runtime.session import Array, ModelInput, Session

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


class OnnxSession(Session):
    """An ONNX model in ONNX Runtime on the processor."""

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
        call = self.prepared(*inputs)
        try:
            return call()
        except Exception as error:  # the library's errors share no base of their own
            raise self.misfit("ONNX Runtime", inputs, first_line(error)) from error

    def prepared(self, *inputs: Array) -> Callable[[], Array]:
        """Return a call that runs one batch and does nothing else, to be timed."""
        self.check_number(inputs)
        feed = {entry.name: array for entry, array in zip(self.inputs, inputs, strict=True)}
        return partial(_first_output, self._session.run, self._outputs, feed)


def _first_output(run: Callable[..., list[Array]], outputs: list[str], feed: dict[str, Array]) -> Array:
    return run(outputs, feed)[0]
