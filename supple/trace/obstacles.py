"""What in a model is in the way of its capture, with the line of the user's code."""

import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from supple.errors import class_and_first_line

_TORCH = str(Path(torch.__file__).resolve().parent)
_SUPPLE = str(Path(__file__).resolve().parent.parent)
_STANDARD = sysconfig.get_path("stdlib")
_INSTALLED = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))


def what_is_in_the_way(error: BaseException) -> str:
    """Return one line: what kind of obstacle an export met, where in the user's code, and PyTorch's first words."""
    message = class_and_first_line(error)
    if isinstance(error, GuardOnDataDependentSymNode):
        message = (
            "what it computes depends on the numbers in a tensor, which no graph can hold; say it with torch.where or "
            f"torch.cond, or take that part out of the model ({message})"
        )
    place = users_line(traceback.extract_tb(error.__traceback__))
    return f"{place}: {message}" if place else message


def users_line(frames: Sequence[traceback.FrameSummary]) -> str | None:
    """Return the innermost (last) line of code that is neither PyTorch's nor ours, as `file:line: source`."""
    for frame in reversed(frames):
        if frame.line and _is_users(frame.filename):
            return f"{frame.filename}:{frame.lineno}: `{frame.line.strip()}`"
    return None


def _is_users(filename: str) -> bool:
    if filename.startswith((_TORCH, _SUPPLE, "<")):
        return False
    # Installed packages, as timm, lie within the folder of the standard library.
    return filename.startswith(_INSTALLED) or not filename.startswith(_STANDARD)
