"""The layers whose precision a family's dimensions choose."""

from dataclasses import dataclass
from enum import StrEnum


class LayerKind(StrEnum):
    """What a layer computes."""

    CONVOLUTION = "convolution"
    DEPTHWISE = "depthwise convolution"
    LINEAR = "linear"


@dataclass(frozen=True)
class Layer:
    """A layer whose precision can be chosen: its module path and what it computes.

    `output` is the path of the module that gives the result that a runtime rounds, the batch norm behind the layer or
    the layer itself. All who read that see it cut off at `least` and at `most`, where there are such.
    """

    path: str
    kind: LayerKind
    output: str
    least: float | None = None
    most: float | None = None
