"""Runtimes: write members as the runtimes' programs, open them, run them, and check that they are right.

Each name is imported when it is first used: opening and timing programs needs no PyTorch.
"""

from typing import TYPE_CHECKING

from supple.lazy import lazy_names

if TYPE_CHECKING:
    from supple.runtime.accuracy import evaluate_accuracy
    from supple.runtime.backend import Backend, Emitter
    from supple.runtime.exporting import export, judging_target
    from supple.runtime.onnx_session import OnnxSession
    from supple.runtime.onnx_template import OnnxTemplate
    from supple.runtime.parity import Parity, check_export, compare
    from supple.runtime.program import Format, Program
    from supple.runtime.runtimes import BACKENDS, Availability, availability, backend_for
    from supple.runtime.session import Session
    from supple.runtime.target import Device, Runtime, Target, parse_target
    from supple.runtime.target_formats import check_formats

__all__ = [
    "BACKENDS",
    "Availability",
    "Backend",
    "Device",
    "Emitter",
    "Format",
    "OnnxSession",
    "OnnxTemplate",
    "Parity",
    "Program",
    "Runtime",
    "Session",
    "Target",
    "availability",
    "backend_for",
    "check_export",
    "check_formats",
    "compare",
    "evaluate_accuracy",
    "export",
    "judging_target",
    "parse_target",
]

_HOMES = {
    "Availability": "supple.runtime.runtimes",
    "BACKENDS": "supple.runtime.runtimes",
    "Backend": "supple.runtime.backend",
    "Device": "supple.runtime.target",
    "Emitter": "supple.runtime.backend",
    "Format": "supple.runtime.program",
    "OnnxSession": "supple.runtime.onnx_session",
    "OnnxTemplate": "supple.runtime.onnx_template",
    "Parity": "supple.runtime.parity",
    "Program": "supple.runtime.program",
    "Runtime": "supple.runtime.target",
    "Session": "supple.runtime.session",
    "Target": "supple.runtime.target",
    "availability": "supple.runtime.runtimes",
    "backend_for": "supple.runtime.runtimes",
    "check_export": "supple.runtime.parity",
    "check_formats": "supple.runtime.target_formats",
    "compare": "supple.runtime.parity",
    "evaluate_accuracy": "supple.runtime.accuracy",
    "export": "supple.runtime.exporting",
    "judging_target": "supple.runtime.exporting",
    "parse_target": "supple.runtime.target",
}

if not TYPE_CHECKING:
    __getattr__ = lazy_names(__name__, _HOMES, globals())
