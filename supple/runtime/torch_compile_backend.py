"""torch.compile as a runtime: a member's exported program, compiled by TorchInductor where it is measured."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from supple.runtime.session import Session
from supple.runtime.target import Device, Runtime, Target
from supple.runtime.torch_backend import TorchBackend

if TYPE_CHECKING:
    from supple.family.quantized.formats import Format as NumberFormat
    from supple.family.quantized.layers import LayerKind
    from supple.family.quantized.quantization import Quantization


class TorchCompileBackend(TorchBackend):
    """PyTorch's compiler, on the processor (through a C++ compiler) or a GPU (through Triton)."""

    runtime = Runtime.TORCH_COMPILE

    def missing(self, device: Device) -> str | None:
        """Say whether PyTorch, its device and the compiler that it needs for that are there."""
        return super().missing(device) or (_missing_triton() if device is Device.CUDA else _missing_compiler())

    def formats(self, device: Device, kind: "LayerKind") -> "frozenset[NumberFormat]":
        """Return PyTorch's formats; on the processor int8 too, by oneDNN's integer operators."""
        from supple.family.quantized.formats import Format as NumberFormat

        found = super().formats(device, kind)
        return found | {NumberFormat.INT8} if device is Device.CPU else found

    def rounding_wish(self, quantization: "Quantization") -> str | None:
        """Say what oneDNN's integer operators lack: weights with a zero point."""
        from supple.family.quantized.formats import Format as NumberFormat

        is_wanted = any(NumberFormat.INT8 in choice.formats.values() for choice in quantization.choices.values())
        if quantization.config.symmetric_weights or not is_wanted:
            return None
        return "PyTorch's integer operators have no weights with a zero point: set symmetric_weights=True."

    def open(self, program: bytes | Path, target: Target) -> Session:
        """Load a program. It is compiled when inputs are prepared. Raises `SuppleError` where it is none."""
        from supple.runtime.torch_session import TorchSession

        return TorchSession(program, target, compiled=True)


def _missing_compiler() -> str | None:
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler):
        return None
    return (
        f'torch.compile needs a C++ compiler, and there is no "{compiler}": apt-get install g++ (macOS: xcode-select '
        "--install), or name one in the environment variable CXX."
    )


def _missing_triton() -> str | None:
    if find_spec("triton") is None:
        return "torch.compile for GPUs needs Triton: pip install triton"
    return None
