"""ONNX Runtime as a runtime: members cut out of one ONNX export."""

from pathlib import Path
from typing import TYPE_CHECKING

from supple.progress import Progress, Silent
from supple.runtime.backend import Backend, Emitter
from supple.runtime.program import Format, Program
from supple.runtime.session import Session
from supple.runtime.target import Device, Runtime, Target
from supple.space import Config

if TYPE_CHECKING:
    from supple.family import Family
    from supple.runtime.onnx_template import OnnxTemplate
    from supple.trace import Inputs


class OnnxEmitter(Emitter):
    """Cuts members out of a template: for every runtime that opens ONNX."""

    def __init__(self, template: "OnnxTemplate") -> None:
        self._template = template

    def emit(self, config: Config) -> Program:
        """Return a member as an ONNX model whose batch size is free."""
        return Program(self._template.cut(config), Format.ONNX)


class OnnxRuntimeBackend(Backend):
    """ONNX Runtime on the processor."""

    runtime = Runtime.ONNXRUNTIME
    format = Format.ONNX

    def missing(self, device: Device) -> str | None:
        """Return None: ONNX Runtime for the processor comes with supple."""
        return None

    def version(self) -> str:
        """Return the version of ONNX Runtime."""
        import onnxruntime

        return str(onnxruntime.__version__)

    def open(self, program: bytes | Path, target: Target) -> Session:
        """Load an ONNX model. Raises `SuppleError` where it is none that can run."""
        from supple.runtime.onnx_session import OnnxSession

        return OnnxSession(program, target.threads)

    def emitter(
        self, family: "Family", example_inputs: "Inputs", target: Target, progress: Progress = Silent()
    ) -> Emitter:
        """Return what cuts members out of one export of the full network."""
        from supple.runtime.onnx_template import OnnxTemplate

        return OnnxEmitter(OnnxTemplate(family, example_inputs, progress))
