"""Export modules by `torch.export`, for fixed shapes: one batch size and one resolution."""

import torch
from torch import nn

from supple.errors import SuppleError, class_and_first_line
from supple.trace import ModelInputs
from supple.trace.modes import evaluating
from supple.trace.silence import silenced


def exported_program(module: nn.Module, inputs: ModelInputs) -> torch.export.ExportedProgram:
    """Return a module in eval mode as an exported program. Raises `SuppleError` where that fails."""
    try:
        with silenced(), evaluating(module):
            return torch.export.export(module, inputs.args, dict(inputs.kwargs), strict=False)
    except Exception as error:  # whatever the user's forward or the exporter raises
        raise SuppleError(
            f"{type(module).__name__} cannot be exported with inputs of shape {inputs.shapes}: "
            f"{class_and_first_line(error)}"
        ) from error
