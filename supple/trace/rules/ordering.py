"""Operators that order the entries along an axis, or find the largest."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import CHOSEN
from supple.trace.rules.pointwise import pointwise
from supple.trace.rules.reduction import reduce

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def top(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label the choice of the k largest entries along an axis, which keeps at least k; values and indices."""
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dim") % len(x)
    count = int(propagation.argument(node, "k"))
    propagation.labels.keep_at_least(x[position], count, CHOSEN)
    propagation.note_routed(x[position])
    propagation.note_range(node, 1, x[position])
    chosen = propagation.fresh(count, CHOSEN)
    return [(*x[:position], chosen, *x[position + 1 :])] * 2


def sort(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a sort: the axis is fixed, because its order matters; the last output holds indices."""
    x = propagation.axes(node.args[0])
    searched = propagation.range_of(node.args[0])  # type: ignore[arg-type]
    if searched is not None:  # sorted indices are still indices of the same axis
        propagation.note_range(node, 0, searched)
    position = propagation.argument(node, "dim") % len(x)
    propagation.fix(x[position], "its order is changed")
    return [x] if node.target._opname == "argsort" else [x, x]  # type: ignore[union-attr]


def extreme(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a search for the largest entry along an axis (its value, its index or both), or of two tensors."""
    if propagation.has_argument(node, "other"):
        return pointwise(propagation, node)
    found = reduce(propagation, node)
    dim = propagation.argument(node, "dim") if propagation.has_argument(node, "dim") else None
    if dim is not None:
        # An index along an axis is smaller than its size in every member.
        propagation.note_range(node, len(found) - 1, propagation.axes(node.args[0])[dim])
    return found


def kth(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label the choice of the k-th smallest entry: what it means depends on how many there are."""
    position = propagation.argument(node, "dim")
    propagation.fix(propagation.axes(node.args[0])[position], CHOSEN)
    return reduce(propagation, node)


RULES = {
    "topk": top,
    "sort": sort,
    "argsort": sort,
    "max": extreme,
    "min": extreme,
    "argmax": extreme,
    "argmin": extreme,
    "median": extreme,
    "mode": extreme,
    "kthvalue": kth,
}
