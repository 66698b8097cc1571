"""Pointwise operators: operands broadcast against each other, and axes that meet are equal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import Expression, expression_size
from supple.trace.capture import output_shapes

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def broadcast(propagation: "Propagation", node: fx.Node, operands: "Sequence[Axes]") -> "Axes":
    """Unify the operands' axes from the last one on, and return those of the result; an axis of size 1 stretches."""
    result: list[Expression] = []
    for position in range(1, max((len(axes) for axes in operands), default=0) + 1):
        meeting = [axes[-position] for axes in operands if len(axes) >= position]
        wide = [expression for expression in meeting if expression_size(expression) > 1]
        for other in wide[1:]:
            propagation.unify(wide[0], other, node)
        result.append(wide[0] if wide else meeting[0])
    return tuple(reversed(result))


def pointwise(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Make axes that meet equal."""
    operands = [propagation.axes(operand) for operand in node.all_input_nodes if propagation.has_axes(operand)]
    return [broadcast(propagation, node, operands)]


def like_first_operand(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Keep the axes of the first operand."""
    return [propagation.axes(node.args[0])] * len(output_shapes(node))


def softmax(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a softmax: the entries of one axis compete."""
    x = propagation.axes(node.args[0])
    propagation.note_routed(x[propagation.argument(node, "dim")])
    return [x]


def prelu(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a rectifier with a slope for each channel; x: (batch, channels, ...), weight: (channels,) or (1,)."""
    x, weight = propagation.axes(node.args[0]), propagation.axes(propagation.argument(node, "weight"))
    if expression_size(weight[0]) > 1:
        propagation.unify(x[1], weight[0], node)
        propagation.set_attribute(node, "num_parameters", x[1])
    return [x]


# Pointwise operators that PyTorch does not tag as such.
UNTAGGED = (
    "__and__",
    "__or__",
    "_weight_norm",
    "celu",
    "complex",
    "copy",
    "floor_divide",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "polar",
    "relu6",
    "selu",
    "softplus",
)

RULES = dict.fromkeys(UNTAGGED, pointwise) | {
    "dropout": like_first_operand,
    "feature_dropout": like_first_operand,
    "alpha_dropout": like_first_operand,
    "softmax": softmax,
    "_softmax": softmax,
    "log_softmax": softmax,
    "_log_softmax": softmax,
    "prelu": prelu,
    "cumsum": like_first_operand,
    "cumprod": like_first_operand,
    "cummax": like_first_operand,
    "cummin": like_first_operand,
    "logcumsumexp": like_first_operand,
    "fill": like_first_operand,
    "bernoulli": like_first_operand,
    "randn_like": like_first_operand,
    "empty_like": like_first_operand,
    "real": like_first_operand,
    "imag": like_first_operand,
    "clone": like_first_operand,
    "alias": like_first_operand,
    "lift_fresh_copy": like_first_operand,
    "full_like": like_first_operand,
    "rand_like": like_first_operand,
    "triu": like_first_operand,
    "tril": like_first_operand,
    "contiguous": like_first_operand,
    "detach": like_first_operand,
    "to": like_first_operand,
    "_to_copy": like_first_operand,
    "type_as": like_first_operand,
    "zeros_like": like_first_operand,
    "ones_like": like_first_operand,
    "where": pointwise,
    "masked_fill": pointwise,
}
