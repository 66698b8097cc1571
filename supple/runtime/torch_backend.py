"""PyTorch itself as a runtime: a member's exported program, run operator by operator."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from supple.runtime.backend import Backend
from supple.runtime.nvidia import missing_gpu
from supple.runtime.program import Format, Program
from supple.runtime.session import Session
from supple.runtime.target import Device, Runtime, Target

if TYPE_CHECKING:
    from torch import nn

    from supple.family.quantized.formats import Format as NumberFormat
    from supple.family.quantized.layers import LayerKind
    from supple.trace import ModelInputs


class TorchBackend(Backend):
    """PyTorch, eagerly, on the processor or a GPU."""

    runtime = Runtime.TORCH
    format = Format.TORCH

    def missing(self, device: Device) -> str | None:
        """Say whether PyTorch is there, and for CUDA whether it sees a GPU."""
        if find_spec("torch") is None:
            return "PyTorch is not installed: pip install torch"
        return None if device is Device.CPU else missing_gpu() or _missing_cuda()

    def version(self) -> str:
        """Return the version of PyTorch."""
        from importlib.metadata import version

        return version("torch")

    def open(self, program: bytes | Path, target: Target) -> Session:
        """Load a program that `export` wrote. Raises `SuppleError` where it is none."""
        from supple.runtime.torch_session import TorchSession

        return TorchSession(program, target)

    def export(self, module: "nn.Module", inputs: "ModelInputs") -> Program:
        """Return a module as the operators that PyTorch runs for it, with its weights, for fixed shapes.

        It takes a second or two. Raises `SuppleError` where the module cannot be exported.
        """
        import torch

        from supple.family.quantized.quantizers import precisions_of
        from supple.runtime.torch_export import exported_program
        from supple.runtime.torch_program import written
        from supple.runtime.torch_quantizing import quantized_program

        if precisions := precisions_of(module):
            # The compiler's integer operators take bytes without a sign.
            return Program(written(quantized_program(module, precisions, inputs, torch.uint8)), Format.TORCH)
        return Program(written(exported_program(module, inputs)), Format.TORCH)

    def formats(self, device: Device, kind: "LayerKind") -> "frozenset[NumberFormat]":
        """Return the formats of the processor; on GPUs fp32 alone, as nothing else was run there."""
        from supple.family.quantized.formats import Format as NumberFormat
        from supple.family.quantized.layers import LayerKind

        if device is not Device.CPU:
            return frozenset({NumberFormat.FP32})
        found = {NumberFormat.FP32, NumberFormat.FP16, NumberFormat.BF16, NumberFormat.FP8, NumberFormat.INT8_WEIGHTS}
        return frozenset(found | {NumberFormat.INT4_WEIGHTS} if kind is LayerKind.LINEAR else found)


def _missing_cuda() -> str | None:
    """Return why PyTorch cannot use an NVIDIA GPU here; None where it can."""
    import torch

    if torch.version.cuda is None:
        return (
            f"this PyTorch ({torch.__version__}) is built without CUDA: install the build for your GPU's driver, as "
            "https://pytorch.org/get-started/locally says."
        )
    if not torch.cuda.is_available():
        return "PyTorch cannot use the NVIDIA GPU of this machine: its driver is missing, or too old."
    return None
