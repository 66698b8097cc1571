"""Runtimes: write members as the runtimes' files, open them, run them, and check that they are right."""

from supple.runtime.accuracy import evaluate_accuracy
from supple.runtime.onnx_export import export
from supple.runtime.onnx_session import OnnxSession
from supple.runtime.onnx_template import OnnxTemplate
from supple.runtime.parity import Parity, check_export, compare
from supple.runtime.target import Device, Runtime, Target, parse_target

__all__ = [
    "Device",
    "OnnxSession",
    "OnnxTemplate",
    "Parity",
    "Runtime",
    "Target",
    "check_export",
    "compare",
    "evaluate_accuracy",
    "export",
    "parse_target",
]
