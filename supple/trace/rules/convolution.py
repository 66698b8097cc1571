"""Convolutions: dense, grouped and depthwise, in any number of spatial axes."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import GROUPS, KERNEL, MULTIPLIER, POSITION, Expression, Product, expression_size
from supple.trace.capture import output_shapes

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def convolution(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label `y = conv(x, weight, bias)`; x: (batch, in, *space), weight: (out, in / groups, *kernel)."""
    x = propagation.axes(propagation.argument(node, "input"))
    weight = propagation.axes(propagation.argument(node, "weight"))
    groups = int(propagation.argument(node, "groups"))
    for kernel_axis in weight[2:]:
        propagation.fix(kernel_axis, KERNEL)
    channel = len(x) - len(weight) + 1
    out_channels = _match_channels(propagation, node, x[channel], weight, groups)
    bias = propagation.argument(node, "bias")
    if bias is not None:
        propagation.unify(out_channels, propagation.axes(bias)[0], node)
    space = [propagation.fresh(size, POSITION) for size in output_shapes(node)[0][channel + 1 :]]
    return [(*x[:channel], out_channels, *space)]


def _match_channels(
    propagation: "Propagation", node: fx.Node, in_channels: Expression, weight: "Axes", groups: int
) -> Expression:
    """Return the label of the output channels: out = groups x (out / groups), in = groups x (in / groups)."""
    if groups == 1:
        propagation.unify(in_channels, weight[1], node)
        return weight[0]
    inputs_of_a_group = expression_size(in_channels) // groups
    outputs_of_a_group = propagation.fresh(expression_size(weight[0]) // groups)
    if inputs_of_a_group == 1:
        # Depthwise: output channel o reads input channel o // multiplier.
        group = _as_product(in_channels, propagation)
        propagation.fix(outputs_of_a_group, MULTIPLIER)
    else:
        # Groups are dropped whole where there are many of them, else channels are dropped from each.
        by_group = groups >= inputs_of_a_group
        group = propagation.fresh(groups, None if by_group else GROUPS)[0]
        propagation.unify(in_channels, ((*group, *_as_product(weight[1], propagation)),), node)
        if by_group:
            propagation.fix(weight[1], GROUPS)
            propagation.fix(outputs_of_a_group, GROUPS)
    propagation.unify(weight[0], ((*group, *outputs_of_a_group[0]),), node)
    propagation.set_attribute(node, "groups", (group,))
    propagation.set_attribute(node, "in_channels", in_channels)
    return weight[0]


def _as_product(expression: Expression, propagation: "Propagation") -> Product:
    """Return the expression itself where it is one product, else an atom that is equal to it."""
    if len(expression) == 1:
        return expression[0]
    whole = propagation.fresh(expression_size(expression))
    propagation.labels.unify(whole, expression, "a concatenation meets a group")
    return whole[0]


def transposed_convolution(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a transposed convolution; x: (batch, in, *space), weight: (in, out / groups, *kernel)."""
    x = propagation.axes(propagation.argument(node, "input"))
    weight = propagation.axes(propagation.argument(node, "weight"))
    groups = int(propagation.argument(node, "groups"))
    for kernel_axis in weight[2:]:
        propagation.fix(kernel_axis, KERNEL)
    channel = len(x) - len(weight) + 1
    propagation.unify(x[channel], weight[0], node)
    out_channels = weight[1]
    if groups > 1:
        out_channels = ((*propagation.fresh(groups, GROUPS)[0], *_as_product(weight[1], propagation)),)
        inner = propagation.fresh(expression_size(weight[0]) // groups)
        propagation.unify(weight[0], ((*propagation.fresh(groups, GROUPS)[0], *inner[0]),), node)
    bias = propagation.argument(node, "bias")
    if bias is not None:
        propagation.unify(out_channels, propagation.axes(bias)[0], node)
    space = [propagation.fresh(size, POSITION) for size in output_shapes(node)[0][channel + 1 :]]
    return [(*x[:channel], out_channels, *space)]


def unfold(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label the patches of an image: (batch, channels, *space) -> (batch, channels x kernel, patches)."""
    x = propagation.axes(node.args[0])
    shape = output_shapes(node)[0]
    kernel = propagation.fresh(shape[-2] // expression_size(x[-3]), KERNEL)
    columns = ((*_as_product(x[-3], propagation), *kernel[0]),)
    return [(*x[:-3], columns, propagation.fresh(shape[-1], POSITION))]


def fold(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label the image that sums patches: (batch, channels x kernel, patches) -> (batch, channels, *space)."""
    x = propagation.axes(node.args[0])
    shape = output_shapes(node)[0]
    channels = propagation.fresh(shape[-3])
    kernel = propagation.fresh(expression_size(x[-2]) // shape[-3], KERNEL)
    propagation.unify(x[-2], ((*channels[0], *kernel[0]),), node)
    return [(*x[:-2], channels, *(propagation.fresh(size, POSITION) for size in shape[-2:]))]


RULES = {
    "im2col": unfold,
    "col2im": fold,
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), transposed_convolution),
    "conv1d": convolution,
    "conv2d": convolution,
    "conv3d": convolution,
}
