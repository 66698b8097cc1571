"""Members as ONNX models, for every runtime that opens them."""

import onnx
from torch import nn

from supple.errors import SuppleError, class_and_first_line
from supple.family import Family
from supple.progress import Progress
from supple.runtime.backend import Emitter
from supple.runtime.onnx_export import file_content, onnx_model
from supple.runtime.onnx_template import OnnxTemplate
from supple.runtime.program import Format, Program
from supple.runtime.target import Target
from supple.runtime.target_formats import check_member_formats
from supple.runtime.target_inputs import inputs_at_resolution
from supple.space import Config
from supple.trace import Inputs, ModelInputs


class OnnxEmitter(Emitter):
    """Cuts members out of a template, for a target: by default ONNX Runtime on the processor."""

    def __init__(self, template: OnnxTemplate, target: Target = Target()) -> None:
        self.template = template
        self._target = target

    def emit(self, config: Config) -> Program:
        """Return a member as an ONNX model whose batch size is free."""
        check_member_formats(self.template.family, self.template.family.space.check(config), self._target)
        return Program(self.template.cut(config), Format.ONNX)


def onnx_emitter(family: Family, example_inputs: Inputs, target: Target, progress: Progress) -> OnnxEmitter:
    """Return what cuts members out of one export of the full network, at the target's resolution.

    Raises `SuppleError` where the network cannot be exported, or the target's resolution does not suit it.
    """
    return OnnxEmitter(OnnxTemplate(family, inputs_at_resolution(family, example_inputs, target), progress), target)


def onnx_program(module: nn.Module, inputs: ModelInputs) -> Program:
    """Return a module, exported by itself, as an ONNX model whose batch size is free.

    Raises `SuppleError` where it cannot be exported, or the exporter wrote no valid model.
    """
    model = onnx_model(module, inputs)
    try:
        onnx.checker.check_model(model, full_check=True)
        return Program(file_content(model), Format.ONNX)
    except Exception as error:  # the checker, the shape inference and protobuf each have errors of their own
        raise SuppleError(
            f"{type(module).__name__} became no valid ONNX model: {class_and_first_line(error)}"
        ) from error
