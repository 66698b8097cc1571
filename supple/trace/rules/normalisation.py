"""Normalisations with per-channel parameters and statistics."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import GROUPS, expression_size

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


def layer_norm(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a norm over the last axes; weight and bias have the shape of those axes."""
    x = propagation.axes(propagation.argument(node, "input"))
    for argument in node.args[2:]:
        if propagation.has_axes(argument):
            for one, other in zip(reversed(x), reversed(propagation.axes(argument)), strict=False):
                propagation.unify(one, other, node)
    return [x]


def group_norm(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label group norm; x: (batch, groups x channels of a group, *space). The number of groups stays."""
    x = propagation.axes(propagation.argument(node, "input"))
    groups = int(propagation.argument(node, "num_groups"))
    of_a_group = propagation.fresh(expression_size(x[1]) // groups)
    propagation.unify(x[1], ((*propagation.fresh(groups, GROUPS)[0], *of_a_group[0]),), node)
    for name in ("weight", "bias"):
        operand = propagation.argument(node, name)
        if operand is not None:
            propagation.unify(x[1], propagation.axes(operand)[0], node)
    return [x]


RULES = {
    "batch_norm": batch_norm,
    "instance_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": layer_norm,
    "group_norm": group_norm,
}
