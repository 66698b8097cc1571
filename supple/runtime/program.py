"""Programs: members in the forms that runtimes take."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class Format(StrEnum):
    """The form of a program, by the usual ending of its file."""

    ONNX = "onnx"
    EXECUTORCH = "pte"
    TORCH = "safetensors"


@dataclass(frozen=True)
class Program:
    """The content of a file that a runtime opens: what is measured, sent to other machines, and known by its hash."""

    content: bytes
    format: Format

    @cached_property
    def digest(self) -> str:
        """The SHA-256 sum of the content, as 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()
