"""Linear layers and matrix products."""

from typing import TYPE_CHECKING

from torch import fx

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def linear(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label `y = x weight^T + bias`; x: (..., in), weight: (out, in), bias: (out,)."""
    x = propagation.axes(propagation.argument(node, "input"))
    weight = propagation.axes(propagation.argument(node, "weight"))
    propagation.unify(x[-1], weight[1], node)
    bias = propagation.argument(node, "bias")
    if bias is not None:
        propagation.unify(weight[0], propagation.axes(bias)[0], node)
    return [(*x[:-1], weight[0])]


RULES = {"linear": linear}
