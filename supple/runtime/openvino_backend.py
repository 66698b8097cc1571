"""OpenVINO as a runtime: it opens the ONNX models that members are cut into."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from supple.errors import SuppleError, first_line
from supple.runtime.onnx_backend import OnnxBackend
from supple.runtime.session import Array, ModelInput, Session, content_of
from supple.runtime.target import Device, Runtime, Target

if TYPE_CHECKING:
    from supple.family.quantized.formats import Format as NumberFormat
    from supple.family.quantized.layers import LayerKind

_TELEMETRY = "openvino_telemetry"


class OpenVinoSession(Session):
    """An ONNX model in OpenVINO on the processor, compiled for one batch size, for latency.

    It computes in float32, as the model says: by itself OpenVINO would take bfloat16 where the processor has it, and
    what is measured would no longer be the network whose accuracy is known.
    """

    def __init__(self, program: bytes | Path, target: Target) -> None:
        """Load a model. Raises `SuppleError` where it is none that OpenVINO can run."""
        content, name = content_of(program)
        openvino = _openvino()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(target.threads),
            "ENABLE_CPU_PINNING": True,
            "INFERENCE_PRECISION_HINT": "f32",
            # It would round what layers with compressed weights take to 8 bits, which their format does not say.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
        }
        try:
            core = openvino.Core()
            model = core.read_model(content)
            model.reshape({entry: _with_batch(entry, target.batch) for entry in model.inputs})
            self._compiled = core.compile_model(model, "CPU", settings)
            self._request = self._compiled.create_infer_request()
            self.inputs = tuple(
                ModelInput(
                    entry.any_name,
                    tuple(size.get_length() if size.is_static else None for size in entry.partial_shape),
                    np.dtype(entry.element_type.to_dtype()),
                )
                for entry in model.inputs
            )
        except Exception as error:  # the library's errors share no base of their own
            raise SuppleError(f"{name} cannot be loaded by OpenVINO: {_reason(error)}") from error
        self._openvino = openvino

    def run(self, *inputs: Array) -> Array:
        """Run one batch and return the model's first output. Raises `SuppleError` where the inputs do not fit."""
        self.check_fit(inputs)
        return self._call(self._request, inputs)().copy()

    def prepared(self, *inputs: Array) -> Callable[[], Array]:
        """Return a call that runs one batch on inputs that lie in place; its output is good until the next call."""
        self.check_fit(inputs)
        return self._call(self._compiled.create_infer_request(), inputs)

    def _call(self, request: Any, inputs: tuple[Array, ...]) -> Callable[[], Array]:
        # A request reads and writes the memory of the arrays that its tensors hold: nothing is copied, and the call
        # keeps them. Freed memory holds whatever comes, as numbers so small that computing with them is far slower.
        tensors = [self._openvino.Tensor(np.ascontiguousarray(array), shared_memory=True) for array in inputs]
        for index, tensor in enumerate(tensors):
            request.set_input_tensor(index, tensor)
        output: Array = request.get_output_tensor(0).data
        return partial(_inferred, request, output, tensors)


def _inferred(request: Any, output: Array, _held: list[Any]) -> Array:
    request.infer()
    return output


class OpenVinoBackend(OnnxBackend):
    """OpenVINO on the processor."""

    runtime = Runtime.OPENVINO

    def missing(self, device: Device) -> str | None:
        """Say whether OpenVINO is installed."""
        return None if find_spec("openvino") else 'OpenVINO is not installed: pip install "supple[openvino]"'

    def version(self) -> str:
        """Return the version of OpenVINO."""
        from importlib.metadata import version

        return version("openvino")

    def formats(self, device: Device, kind: "LayerKind") -> "frozenset[NumberFormat]":
        """Return the formats; int8-dynamic is none, as OpenVINO turns the integers back to float32 to multiply them."""
        from supple.family.quantized.formats import Format as NumberFormat
        from supple.family.quantized.layers import LayerKind

        found = {NumberFormat.FP32, NumberFormat.INT8, NumberFormat.INT8_WEIGHTS}
        return frozenset(found | {NumberFormat.INT4_WEIGHTS} if kind is LayerKind.LINEAR else found)

    def open(self, program: bytes | Path, target: Target) -> Session:
        """Load an ONNX model for the target's batch size. Raises `SuppleError` where it is none that can run."""
        return OpenVinoSession(program, target)


def _with_batch(entry: Any, batch: int) -> list[int]:
    shape = [size.get_length() if size.is_static else -1 for size in entry.partial_shape]
    return [batch if shape[0] == -1 else shape[0], *shape[1:]]


def _openvino() -> ModuleType:
    """Import OpenVINO without what it tells its makers at every import."""
    if "openvino" not in sys.modules:
        with without_telemetry():
            import openvino
    import openvino

    module: ModuleType = openvino
    return module


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Let the telemetry package look as if it were not installed: OpenVINO then takes a stand-in that sends nothing."""
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]


def _reason(error: Exception) -> str:
    """Return what is wrong without the places in OpenVINO's own source that it begins with."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if line and not line.startswith("Exception from ")), first_line(error))
