"""ONNX Runtime as a runtime, on the processor or an NVIDIA GPU."""

from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from supple.runtime.nvidia import missing_gpu
from supple.runtime.onnx_backend import OnnxBackend
from supple.runtime.session import Session
from supple.runtime.target import Device, Runtime, Target

if TYPE_CHECKING:
    from supple.family.quantized.formats import Format as NumberFormat
    from supple.family.quantized.layers import LayerKind

_FOR_GPUS = 'pip uninstall -y onnxruntime && pip install "onnxruntime-gpu[cuda,cudnn]"'


class OnnxRuntimeBackend(OnnxBackend):
    """ONNX Runtime on the processor, or on an NVIDIA GPU by CUDA or TensorRT."""

    runtime = Runtime.ONNXRUNTIME

    def missing(self, device: Device) -> str | None:
        """Say whether this build of ONNX Runtime has the device, and the machine too."""
        if find_spec("onnxruntime") is None:
            return "ONNX Runtime is not installed: pip install onnxruntime"
        if device is Device.CPU:
            return None
        if missing := missing_gpu():
            return missing
        import onnxruntime

        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            return f"this ONNX Runtime is built for the processor only: {_FOR_GPUS}"
        if device is Device.TENSORRT and find_spec("tensorrt") is None and find_library("nvinfer") is None:
            return "TensorRT is not installed: pip install tensorrt"
        return None

    def version(self) -> str:
        """Return the version of ONNX Runtime."""
        import onnxruntime

        return str(onnxruntime.__version__)

    def formats(self, device: Device, kind: "LayerKind") -> "frozenset[NumberFormat]":
        """Return the formats of the processor; on GPUs fp32 alone, as nothing else was run there."""
        from supple.family.quantized.formats import Format as NumberFormat
        from supple.family.quantized.layers import LayerKind

        if device is not Device.CPU:
            return frozenset({NumberFormat.FP32})
        found = {NumberFormat.FP32, NumberFormat.INT8, NumberFormat.INT8_DYNAMIC, NumberFormat.INT8_WEIGHTS}
        return frozenset(found | {NumberFormat.INT4_WEIGHTS} if kind is LayerKind.LINEAR else found)

    def open(self, program: bytes | Path, target: Target) -> Session:
        """Load an ONNX model. Raises `SuppleError` where it is none that can run."""
        if target.device is not Device.CPU:
            import onnxruntime

            # Finds CUDA's libraries where pip has put them.
            onnxruntime.preload_dlls()
        from supple.runtime.onnx_session import OnnxSession

        return OnnxSession(program, target.threads, target.device)
