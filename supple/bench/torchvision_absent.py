"""Let timm and transformers load beside a torch that the installed torchvision was not built for.

torchvision's published wheel for Linux is built for the CUDA build of torch; beside a CPU build its operators cannot
load, and importing it fails because they do not exist. Classification needs none of them: it is enough that they are
declared. A user should install the torchvision that fits; benchmarks and tests take what a machine has.
"""

import importlib
import sys

import torch

# What torchvision, when it is imported, registers the shapes of.
_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# Operators are there as long as the library that declared them.
_libraries: list[torch.library.Library] = []


def declare_missing_operators() -> None:
    """Declare torchvision's operators where it is installed and cannot be loaded without; else do nothing."""
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        return
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in _OPERATORS:
            library.define(operator)  # type: ignore[no-untyped-call]
        _libraries.append(library)
        # What the failed import has left behind.
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        importlib.import_module("torchvision")
