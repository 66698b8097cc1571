"""Reductions over axes: what is reduced may have any size, except where the size itself is counted."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.capture import output_shapes
from supple.trace.rules.pointwise import broadcast

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def reduce(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a reduction over `dim`, with or without `keepdim`; forms without `dim` reduce all axes."""
    x = propagation.axes(node.args[0])
    if not propagation.has_argument(node, "dim"):
        return [()] * len(output_shapes(node))
    dim = propagation.argument(node, "dim")
    dims = range(len(x)) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    reduced = {position % len(x) for position in dims}
    if propagation.has_argument(node, "keepdim") and propagation.argument(node, "keepdim"):
        kept = tuple(propagation.fresh(1) if axis in reduced else label for axis, label in enumerate(x))
    else:
        kept = tuple(label for axis, label in enumerate(x) if axis not in reduced)
    return [kept] * len(output_shapes(node))


def compare(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a similarity or distance of two operands along one axis, by default the last of a distance."""
    both = broadcast(propagation, node, [propagation.axes(node.args[0]), propagation.axes(node.args[1])])
    dim = propagation.argument(node, "dim") if propagation.has_argument(node, "dim") else -1
    position = dim % len(both)
    keeps = propagation.has_argument(node, "keepdim") and propagation.argument(node, "keepdim")
    return [(*both[:position], *((propagation.fresh(1),) if keeps else ()), *both[position + 1 :])]


RULES = {"cosine_similarity": compare, "pairwise_distance": compare} | dict.fromkeys(
    (
        "mean",
        "sum",
        "amax",
        "amin",
        "var",
        "std",
        "logsumexp",
        "linalg_vector_norm",
        "norm",
        "all",
        "any",
        "aminmax",
        "count_nonzero",
        "nansum",
        "std_mean",
        "var_mean",
        "prod",
    ),
    reduce,
)
