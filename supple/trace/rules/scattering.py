"""Operators that write entries by index."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.rules.indexing import indexed_axes, look_up, match_beside
from supple.trace.rules.pointwise import broadcast

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def scatter(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a write of one entry for each index; the result has the axes of what is written into."""
    x = propagation.axes(node.args[0])
    indices = propagation.argument(node, "index")
    position = propagation.argument(node, "dim") % len(x)
    look_up(propagation, x[position], indices, node)
    match_beside(propagation, node, position, x, propagation.axes(indices))
    written = propagation.argument(node, "src") if propagation.has_argument(node, "src") else None
    if propagation.has_axes(written):
        # One entry for each index along this axis too.
        match_beside(propagation, node, len(x), propagation.axes(written), propagation.axes(indices))
    return [x]


def index_add(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a write of slices at indices along one axis."""
    x = propagation.axes(node.args[0])
    indices = propagation.argument(node, "index")
    position = propagation.argument(node, "dim") % len(x)
    look_up(propagation, x[position], indices, node)
    written = propagation.argument(node, "source") if propagation.has_argument(node, "source") else None
    if propagation.has_axes(written):
        match_beside(propagation, node, position, x, propagation.axes(written))
        propagation.unify(propagation.axes(written)[position], propagation.axes(indices)[0], node)
    return [x]


def index_put(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label advanced indexing that is written to."""
    x = propagation.axes(node.args[0])
    written_to = indexed_axes(propagation, node, x, list(propagation.argument(node, "indices")))
    broadcast(propagation, node, [written_to, propagation.axes(propagation.argument(node, "values"))])
    return [x]


RULES = {
    "scatter": scatter,
    "scatter_add": scatter,
    "scatter_reduce": scatter,
    "index_add": index_add,
    "index_copy": index_add,
    "index_fill": index_add,
    "index_put": index_put,
}
