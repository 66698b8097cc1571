"""Operators that pick entries by index, and the picking of one output of several."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import LOOKED_UP
from supple.trace.rules.pointwise import broadcast

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def getitem(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Take one output tensor of an operator that yields several."""
    source, index = node.args
    return [propagation.axes(source, int(index))]  # type: ignore[arg-type]


def embedding(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a look-up of rows; weight: (rows, size), indices of any shape."""
    weight = propagation.axes(propagation.argument(node, "weight"))
    indices = propagation.axes(propagation.argument(node, "indices"))
    propagation.fix(weight[0], LOOKED_UP)
    return [(*indices, weight[1])]


def index(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label advanced indexing: indexed axes are fixed and become those of the index; the others stay."""
    x = propagation.axes(node.args[0])
    indices = list(node.args[1])  # type: ignore[arg-type]
    indexed = [position for position, entry in enumerate(indices) if entry is not None]
    for position in indexed:
        propagation.fix(x[position], LOOKED_UP)
    if indexed != list(range(indexed[0], indexed[-1] + 1)):
        raise ValueError("indices with gaps between them")
    shape = broadcast(propagation, node, [propagation.axes(indices[position]) for position in indexed])
    return [(*x[: indexed[0]], *shape, *x[indexed[-1] + 1 :])]


def index_select(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a choice of entries along one axis, which is fixed."""
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dim") % len(x)
    propagation.fix(x[position], LOOKED_UP)
    return [(*x[:position], *propagation.axes(propagation.argument(node, "index")), *x[position + 1 :])]


RULES = {"embedding": embedding, "index": index, "index_select": index_select}
