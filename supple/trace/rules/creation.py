"""Operators that make tensors from nothing, or check them and yield none."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import POSITION
from supple.trace.capture import output_shapes

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def create(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a tensor of sizes that the code names: they stay as they are."""
    return [tuple(propagation.fresh(size, POSITION) for size in shape) for shape in output_shapes(node)]


RULES = dict.fromkeys(
    (
        "_assert_tensor_metadata",
        "arange",
        "empty",
        "eye",
        "full",
        "linspace",
        "new_full",
        "new_ones",
        "new_zeros",
        "ones",
        "scalar_tensor",
        "zeros",
    ),
    create,
)
