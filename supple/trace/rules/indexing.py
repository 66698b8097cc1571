"""Operators that read entries by index, and the picking of one output of several.

Where indices come from the user, the axis that they point into stays whole. Where a search along some axis found them
(`topk`, `argmax`), they are as small as a member needs: what they point into then shrinks with that axis.
"""

from typing import TYPE_CHECKING, Any

from torch import fx

from supple.trace.axes import LOOKED_UP, POSITION, Expression, expression_size
from supple.trace.capture import output_shapes
from supple.trace.rules.pointwise import broadcast

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation

CARRIERS = frozenset(
    {
        *("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t"),
        *("expand", "expand_as", "repeat", "select", "slice", "chunk", "split", "unbind"),
        *("clone", "contiguous", "detach", "to"),
    }
)
"""Operators whose results hold the same indices as their first operand."""


def look_up(propagation: "Propagation", axis: Expression, indices: Any, node: fx.Node) -> None:
    """Say that indices point into an axis."""
    searched = propagation.range_of(indices)
    if searched is None:
        propagation.fix(axis, LOOKED_UP)
    else:
        propagation.unify(axis, searched, node)


def getitem(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Take one output tensor of an operator that yields several."""
    source, index = node.args
    searched = propagation.range_of(source, int(index))  # type: ignore[arg-type]
    if searched is not None:
        propagation.note_range(node, 0, searched)
    return [propagation.axes(source, int(index))]  # type: ignore[arg-type]


def embedding(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a look-up of rows; weight: (rows, size), indices of any shape."""
    weight = propagation.axes(propagation.argument(node, "weight"))
    indices = propagation.argument(node, "indices")
    look_up(propagation, weight[0], indices, node)
    return [(*propagation.axes(indices), weight[1])]


def embedding_bag(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label sums of rows; weight: (rows, size). The first output is (bags, size), the others are bookkeeping."""
    weight = propagation.axes(propagation.argument(node, "weight"))
    look_up(propagation, weight[0], propagation.argument(node, "indices"), node)
    bags, *others = output_shapes(node)
    kept = [tuple(propagation.fresh(size, POSITION) for size in shape) for shape in others]
    return [(propagation.fresh(bags[0], POSITION), weight[1]), *kept]


def index(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label advanced indexing: indexed axes become those of the index; the others stay."""
    x = propagation.axes(node.args[0])
    indices = list(node.args[1])  # type: ignore[arg-type]
    return [indexed_axes(propagation, node, x, indices)]


def indexed_axes(propagation: "Propagation", node: fx.Node, x: "Axes", indices: list[Any]) -> "Axes":
    """Return the labels of `x[indices]`; None stands for an axis that is kept."""
    indexed = [position for position, entry in enumerate(indices) if entry is not None]
    for position in indexed:
        look_up(propagation, x[position], indices[position], node)
    if len(x) > 2 and indexed[0] == 0 and propagation.is_parameter(node.args[0]):  # type: ignore[arg-type]
        propagation.note_stack(x[0])
    if indexed != list(range(indexed[0], indexed[-1] + 1)):
        raise ValueError("indices with gaps between them")
    shape = broadcast(propagation, node, [propagation.axes(indices[position]) for position in indexed])
    return (*x[: indexed[0]], *shape, *x[indexed[-1] + 1 :])


def index_select(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a choice of entries along one axis."""
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dim") % len(x)
    indices = propagation.argument(node, "index")
    look_up(propagation, x[position], indices, node)
    return [(*x[:position], *propagation.axes(indices), *x[position + 1 :])]


def gather(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a choice of one entry for each index; the result has the axes of the index."""
    x = propagation.axes(node.args[0])
    indices = propagation.argument(node, "indices" if propagation.has_argument(node, "indices") else "index")
    position = propagation.argument(node, "dim") % len(x)
    look_up(propagation, x[position], indices, node)
    match_beside(propagation, node, position, x, propagation.axes(indices))
    return [propagation.axes(indices)]


def match_beside(propagation: "Propagation", node: fx.Node, position: int, one: "Axes", other: "Axes") -> None:
    """Make two tensors' axes equal except the one that indices point into; where one is cut short, both are fixed."""
    for axis, (left, right) in enumerate(zip(one, other, strict=True)):
        if axis == position:
            continue
        if expression_size(left) == expression_size(right):
            propagation.unify(left, right, node)
        else:
            propagation.fix(left, LOOKED_UP)
            propagation.fix(right, LOOKED_UP)


def one_hot(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label rows of zeros with a one at each index."""
    indices = node.args[0]
    classes = propagation.make(node, POSITION)[-1]
    if propagation.range_of(indices) is not None:  # type: ignore[arg-type]
        look_up(propagation, classes, indices, node)
    return [(*propagation.axes(indices), classes)]


def count(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label how often each index occurs, for as many bins as the code names."""
    (bins,) = propagation.make(node, POSITION)
    if propagation.range_of(node.args[0]) is not None:  # type: ignore[arg-type]
        look_up(propagation, bins, node.args[0], node)
    else:
        propagation.fix(bins, POSITION)
    return [(bins,)]


RULES = {
    "histc": count,
    "embedding": embedding,
    "embedding_bag": embedding_bag,
    "index": index,
    "index_select": index_select,
    "gather": gather,
    "take_along_dim": gather,
    "one_hot": one_hot,
}
