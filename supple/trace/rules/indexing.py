"""Operators that pick entries by index, and the picking of one output of several."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import LOOKED_UP

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def getitem(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Take one output tensor of an operator that yields several."""
    source, index = node.args
    return [propagation.axes(source, int(index))]  # type: ignore[arg-type]


def embedding(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a table look-up; weight: (entries, features), indices: any shape."""
    entries, features = propagation.axes(propagation.argument(node, "weight"))
    propagation.fix(entries, LOOKED_UP)
    return [(*propagation.axes(propagation.argument(node, "indices")), features)]


RULES = {"embedding": embedding}
