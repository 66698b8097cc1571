"""Reductions over axes: what is reduced may have any size, except where the size itself is counted."""

from typing import TYPE_CHECKING

from torch import fx

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def reduce(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a reduction over `dim`, with or without `keepdim`; forms without `dim` reduce all axes."""
    x = propagation.axes(node.args[0])
    if not propagation.has_argument(node, "dim"):
        return [()]
    dim = propagation.argument(node, "dim")
    dims = range(len(x)) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    reduced = {position % len(x) for position in dims}
    if propagation.argument(node, "keepdim"):
        return [tuple(propagation.fresh(1) if axis in reduced else label for axis, label in enumerate(x))]
    return [tuple(label for axis, label in enumerate(x) if axis not in reduced)]


RULES = dict.fromkeys(
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
        "argmax",
        "argmin",
        "prod",
    ),
    reduce,
)
