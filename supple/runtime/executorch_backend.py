"""ExecuTorch as a runtime: each member is exported and lowered to XNNPACK by itself, for one batch size."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from supple.errors import SuppleError, class_and_first_line, first_line
from supple.runtime.backend import Backend
from supple.runtime.program import Format, Program
from supple.runtime.session import Array, ModelInput, Session, content_of
from supple.runtime.target import Device, Runtime, Target

if TYPE_CHECKING:
    import torch
    from torch import nn

    from supple.family.quantized.formats import Format as NumberFormat
    from supple.family.quantized.layers import LayerKind
    from supple.family.quantized.quantization import Quantization
    from supple.trace import ModelInputs


# By the numbers of ExecuTorch's ScalarType.
_NUMPY_TYPES = {
    0: np.uint8,
    1: np.int8,
    2: np.int16,
    3: np.int32,
    4: np.int64,
    5: np.float16,
    6: np.float32,
    7: np.float64,
    11: np.bool_,
}
_ROUNDED_RESULTS = "what XNNPACK's integer linear layers give is rounded: set round_linear_results=True."
_THREADS: list[int] = []
"""The number of threads that this process's first program was opened with; empty before."""


class ExecuTorchSession(Session):
    """An ExecuTorch program, in the float32 that XNNPACK computes in by default."""

    def __init__(self, program: bytes | Path, target: Target) -> None:
        """Load a program. Raises `SuppleError` where it is none that can run."""
        content, name = content_of(program)
        library = _library(target.threads)
        try:
            # It holds the content that the method reads from at every run.
            self._program = library.load_program(content)
            self._method = self._program.load_method("forward")
            self.inputs = _model_inputs(self._method.metadata)
        except Exception as error:  # the library's errors share no base of their own
            raise SuppleError(f"{name} cannot be loaded by ExecuTorch: {first_line(error)}") from error

    def run(self, *inputs: Array) -> Array:
        """Run one batch and return the model's first output. Raises `SuppleError` where the inputs do not fit."""
        call = self.prepared(*inputs)
        try:
            outputs = call()
        except Exception as error:  # the library's errors share no base of their own
            raise self.misfit("ExecuTorch", inputs, first_line(error)) from error
        output: Array = outputs[0].numpy()
        return output

    def prepared(self, *inputs: Array) -> Callable[[], Any]:
        """Return a call that runs one batch and does nothing else, to be timed."""
        import torch

        self.check_fit(inputs)
        return partial(_executed, self._method, [torch.tensor(array) for array in inputs], self._program)


def _executed(method: Any, tensors: list[Any], _held: Any) -> Any:
    return method.execute(tensors)


class ExecuTorchBackend(Backend):
    """ExecuTorch with XNNPACK on the processor, by its Python runtime, which needs PyTorch."""

    runtime = Runtime.EXECUTORCH
    format = Format.EXECUTORCH

    def missing(self, device: Device) -> str | None:
        """Say whether ExecuTorch is installed."""
        return None if find_spec("executorch") else 'ExecuTorch is not installed: pip install "supple[executorch]"'

    def version(self) -> str:
        """Return the version of ExecuTorch."""
        from importlib.metadata import version

        return version("executorch")

    def open(self, program: bytes | Path, target: Target) -> Session:
        """Load an ExecuTorch program. Raises `SuppleError` where it is none that can run."""
        return ExecuTorchSession(program, target)

    def export(self, module: "nn.Module", inputs: "ModelInputs") -> Program:
        """Return a module as an ExecuTorch program whose operators run in XNNPACK wherever that has them.

        What ExecuTorch makes of a graph depends on its sizes, so members are exported one by one. Raises `SuppleError`
        where the module cannot be exported, or ExecuTorch lacks an operator.
        """
        import torch

        from supple.family.quantized.formats import Format as NumberFormat
        from supple.family.quantized.layers import LayerKind
        from supple.family.quantized.quantizers import precisions_of
        from supple.runtime.torch_export import exported_program
        from supple.runtime.torch_quantizing import quantized_program

        precisions = precisions_of(module)
        for path, entry in precisions.items():
            if entry.format is not NumberFormat.INT8:
                raise SuppleError(f'Layer "{path}" is {entry.format}, which has no form in our ExecuTorch programs.')
            if entry.layer.kind is LayerKind.LINEAR and entry.output is None:
                raise SuppleError(f'Layer "{path}" cannot be exported: {_ROUNDED_RESULTS}')
        if precisions:
            return Program(_lowered(quantized_program(module, precisions, inputs, torch.int8)), Format.EXECUTORCH)
        return Program(_lowered(exported_program(module, inputs)), Format.EXECUTORCH)

    def formats(self, device: Device, kind: "LayerKind") -> "frozenset[NumberFormat]":
        """Return the formats. XNNPACK's dynamic one has a range for each row, and ours one for the batch."""
        from supple.family.quantized.formats import Format as NumberFormat

        return frozenset({NumberFormat.FP32, NumberFormat.INT8})

    def rounding_wish(self, quantization: "Quantization") -> str | None:
        """Say what XNNPACK's integer operators lack: sums that become float32, and weights with a zero point."""
        from supple.family.quantized.layers import LayerKind

        config = quantization.config
        if not config.symmetric_weights:
            return "XNNPACK has no weights with a zero point: set symmetric_weights=True."
        if not config.round_linear_results and any(layer.kind is LayerKind.LINEAR for layer in quantization.layers):
            return _ROUNDED_RESULTS
        return None


def _lowered(program: "torch.export.ExportedProgram") -> bytes:
    """Return an exported program as an ExecuTorch program. Raises `SuppleError` where ExecuTorch lacks an operator."""
    from supple.trace.silence import silenced

    try:
        with silenced():
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
            from executorch.exir import to_edge_transform_and_lower

            edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            content: bytes = edge.to_executorch().buffer
    except Exception as error:  # whatever ExecuTorch's passes raise
        raise SuppleError(f"ExecuTorch cannot lower the member: {class_and_first_line(error)}") from error
    return content


def _library(threads: int) -> Any:
    """Return ExecuTorch's runtime with so many threads. Raises `SuppleError` where the process has another number.

    A program keeps to the threads that there were when it was loaded; to run it after they were replaced crashes.
    """
    from supple.trace.silence import silenced

    with silenced():
        from executorch.extension.pybindings import portable_lib
        from executorch.runtime import Runtime as Library
    if not _THREADS:
        portable_lib._unsafe_reset_threadpool(threads)
        _THREADS.append(threads)
    if threads not in _THREADS:
        raise SuppleError(
            f"ExecuTorch has {_THREADS[0]} threads in this process already, and cannot change to {threads}: measure in "
            "another process."
        )
    return Library.get()


def _model_inputs(meta: Any) -> tuple[ModelInput, ...]:
    entries = [meta.input_tensor_meta(index) for index in range(meta.num_inputs())]
    return tuple(
        ModelInput(f"input_{index}", tuple(entry.sizes()), np.dtype(_NUMPY_TYPES[entry.dtype()]))
        for index, entry in enumerate(entries)
    )
