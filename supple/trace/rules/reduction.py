"""Reductions over axes: what is reduced may have any size, except where the size itself is counted."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.capture import output_shapes

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
        "aminmax",
        "count_nonzero",
        "nansum",
        "std_mean",
        "var_mean",
        "prod",
    ),
    reduce,
)
