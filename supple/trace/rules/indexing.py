"""Operators that pick parts of their input, and the picking of one output of several."""

from typing import TYPE_CHECKING

from torch import fx

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def getitem(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Take one output tensor of an operator that yields several."""
    source, index = node.args
    return [propagation.axes(source, int(index))]  # type: ignore[arg-type]


RULES = {"getitem": getitem}
