"""Open an ONNX model in ONNX Runtime, and run it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from supple.errors import SuppleError, first_line
from supple.runtime.session import Array, ModelInput, Session
from supple.runtime.target import Device

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
_CPU = "CPUExecutionProvider"
# Float32 as the model says: by itself the library would let a GPU round factors to TF32.
_CUDA = ("CUDAExecutionProvider", {"use_tf32": "0"})
# Each takes what the one before it has no form for.
_PROVIDERS: dict[Device, tuple[Any, ...]] = {
    Device.CPU: (_CPU,),
    Device.CUDA: (_CUDA, _CPU),
    Device.TENSORRT: ("TensorrtExecutionProvider", _CUDA, _CPU),
}


class OnnxSession(Session):
    """An ONNX model in ONNX Runtime on the processor, or on an NVIDIA GPU by CUDA or TensorRT."""

    def __init__(self, model: bytes | Path, threads: int = 1, device: Device = Device.CPU) -> None:
        """Load a model from a file or from its bytes.

        Raises `SuppleError` where it is no model that can run, or cannot run on that device: the processor never
        stands in for a GPU.
        """
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
            self._session = onnxruntime.InferenceSession(
                source, options, providers=list(_PROVIDERS[device]), enable_fallback=0
            )
        except Exception as error:  # the library's errors share no base of their own
            raise SuppleError(f"{name} cannot be loaded by ONNX Runtime: {first_line(error)}") from error
        _check_device(self._session, device)
        self._device = device
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
        """Return a call that runs one batch and does nothing else, to be timed; a GPU has the inputs already."""
        self.check_number(inputs)
        feed = {entry.name: array for entry, array in zip(self.inputs, inputs, strict=True)}
        if self._device is Device.CPU:
            return partial(_first_output, self._session.run, self._outputs, feed)
        return bound_run(self._session, feed, self._outputs[0], "cuda")


def bound_run(
    session: onnxruntime.InferenceSession, feed: dict[str, Array], output: str, memory: str
) -> Callable[[], Array]:
    """Return a call that runs a session on inputs that lie in the memory of a device ("cuda" or "cpu") already."""
    binding = session.io_binding()
    for name, array in feed.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array, memory, 0))
    binding.bind_output(output)

    def run() -> Array:
        session.run_with_iobinding(binding)
        result: Array = binding.copy_outputs_to_cpu()[0]
        return result

    return run


def _check_device(session: onnxruntime.InferenceSession, device: Device) -> None:
    wanted = _PROVIDERS[device][0]
    name = wanted if isinstance(wanted, str) else wanted[0]
    if name not in session.get_providers():
        raise SuppleError(
            f"ONNX Runtime could not start {name.removesuffix('ExecutionProvider')} and took the processor instead, "
            "which is refused: check that the CUDA and cuDNN (and TensorRT) libraries of its version are installed."
        )


def _first_output(run: Callable[..., list[Array]], outputs: list[str], feed: dict[str, Array]) -> Array:
    return run(outputs, feed)[0]
