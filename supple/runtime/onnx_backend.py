"""What runtimes that open ONNX have in common: members are cut out of one ONNX export."""

from typing import TYPE_CHECKING

from supple.progress import Progress, Silent
from supple.runtime.backend import Backend, Emitter
from supple.runtime.program import Format, Program
from supple.runtime.target import Target

if TYPE_CHECKING:
    from torch import nn

    from supple.family import Family
    from supple.family.quantized.quantization import Quantization
    from supple.trace import Inputs, ModelInputs


class OnnxBackend(Backend):
    """A runtime of ONNX models."""

    format = Format.ONNX

    def rounding_wish(self, quantization: "Quantization") -> str | None:
        """Say where weights with a zero point stand before a batch norm, whose factors cannot be part of them."""
        from supple.family.quantized.formats import Format as NumberFormat

        folded = (NumberFormat.INT8, NumberFormat.INT8_DYNAMIC)
        if quantization.config.symmetric_weights:
            return None
        for choice in quantization.choices.values():
            for layer in choice.layers:
                if layer.output != layer.path and any(entry in folded for entry in choice.formats.values()):
                    return (
                        f'the weights of "{layer.path}" have a zero point, and the batch norm behind it multiplies '
                        "them: set symmetric_weights=True."
                    )
        return None

    def export(self, module: "nn.Module", inputs: "ModelInputs") -> Program:
        """Return a module as an ONNX model of any batch size. Raises `SuppleError` where it cannot be exported."""
        from supple.runtime.onnx_emitter import onnx_program

        return onnx_program(module, inputs)

    def emitter(
        self, family: "Family", example_inputs: "Inputs", target: Target, progress: Progress = Silent()
    ) -> Emitter:
        """Return what cuts members out of one export of the full network."""
        from supple.runtime.onnx_emitter import onnx_emitter

        return onnx_emitter(family, example_inputs, target, progress)
