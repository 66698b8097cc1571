"""Normalisations with per-channel parameters and statistics."""

from typing import TYPE_CHECKING

from torch import fx

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def batch_norm(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label batch norm; x: (batch, channels, *space), parameters and running statistics: (channels,)."""
    x = propagation.axes(propagation.argument(node, "input"))
    for name in ("weight", "bias", "running_mean", "running_var"):
        operand = propagation.argument(node, name)
        if operand is not None:
            propagation.unify(x[1], propagation.axes(operand)[0], node)
    propagation.set_attribute(node, "num_features", x[1])
    return [x]


RULES = {"batch_norm": batch_norm}
