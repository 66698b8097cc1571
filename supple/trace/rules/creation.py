"""Operators that make tensors from nothing, or check them and yield none."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import POSITION

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def create(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a tensor of sizes that the code names."""
    return [propagation.make(node, POSITION)]


def meshgrid(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a grid of coordinates: each output has the axes of all operands."""
    axes = [propagation.axes(operand)[0] for operand in propagation.argument(node, "tensors")]
    if propagation.has_argument(node, "indexing") and propagation.argument(node, "indexing") == "xy":
        axes[:2] = reversed(axes[:2])
    return [tuple(axes)] * len(axes)


RULES = {"meshgrid": meshgrid} | dict.fromkeys(
    (
        "_assert_tensor_metadata",
        "arange",
        "empty",
        "eye",
        "full",
        "linspace",
        "new_empty",
        "new_full",
        "new_ones",
        "new_zeros",
        "ones",
        "rand",
        "randint",
        "randn",
        "scalar_tensor",
        "zeros",
    ),
    create,
)
