"""Linear layers, matrix products and tensor contractions."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import fx

from supple.trace.axes import Expression, expression_size
from supple.trace.rules.pointwise import broadcast

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


def matmul(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label `a @ b`; a: (..., n, k), b: (..., k, m), or either without its outer axis; leading axes broadcast."""
    a, b = propagation.axes(node.args[0]), propagation.axes(node.args[1])
    propagation.unify(a[-1], b[-2] if len(b) > 1 else b[0], node)
    rows = a[-2:-1]
    columns = b[-1:] if len(b) > 1 else ()
    batch = broadcast(propagation, node, [a[:-2], b[:-2]])
    _note_batch(propagation, batch, node.args[:2])
    return [(*batch, *rows, *columns)]


def _note_batch(propagation: "Propagation", batch: "Axes", operands: Iterable[Any]) -> None:
    """Say what stacks of matrices are counted by: stacked parameters by experts, anything else by heads."""
    propagation.note_heads(batch)
    if any(isinstance(operand, fx.Node) and propagation.is_parameter(operand) for operand in operands):
        for axis in batch:
            propagation.note_stack(axis)


def add_matmul(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label `bias + a @ b`."""
    bias, a, b = (propagation.axes(operand) for operand in node.args[:3])
    propagation.unify(a[-1], b[-2], node)
    batch = broadcast(propagation, node, [a[:-2], b[:-2]])
    _note_batch(propagation, batch, node.args[1:3])
    product = (*batch, a[-2], b[-1])
    return [broadcast(propagation, node, [bias, product])]


def einsum(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label an Einstein sum: axes of one letter are equal; `...` stands for axes that broadcast."""
    equation = propagation.argument(node, "equation").replace(" ", "")
    operands = propagation.argument(node, "tensors")
    left, arrow, right = equation.partition("->")
    letters: dict[str, Expression] = {}
    ellipses: list[Axes] = []
    for term, operand in zip(left.split(","), operands, strict=True):
        axes = propagation.axes(operand)
        before, dots, after = term.partition("...")
        middle = len(axes) - len(before) - len(after)
        if dots:
            ellipses.append(axes[len(before) : len(before) + middle])
        for letter, expression in zip(
            before + after, (*axes[: len(before)], *axes[len(before) + middle :]), strict=True
        ):
            known = letters.get(letter)
            if known is None or expression_size(known) == 1:
                letters[letter] = expression
            elif expression_size(expression) > 1:
                propagation.unify(known, expression, node)
    around = broadcast(propagation, node, ellipses)
    shared = [letters[c] for c in letters if c in right and sum(c in term for term in left.split(",")) > 1]
    propagation.note_heads(shared)
    for operand in operands:
        if len(propagation.axes(operand)) > 2 and propagation.is_parameter(operand):
            propagation.note_stack(propagation.axes(operand)[0])
    if not arrow:
        right = ("..." if ellipses else "") + "".join(sorted(c for c in set(left) - {",", "."} if left.count(c) == 1))
    before, dots, after = right.partition("...")
    return [(*(letters[c] for c in before), *(around if dots else ()), *(letters[c] for c in after))]


def grouped_matmul(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label products of groups of rows, each with its own matrix.

    rows: (rows, in), matrices: (groups, in, out), ends: (groups,), where in the rows each group ends.
    """
    rows, matrices, ends = (propagation.axes(operand) for operand in node.args)
    propagation.unify(rows[1], matrices[1], node)
    propagation.unify(ends[0], matrices[0], node)
    propagation.note_stack(matrices[0])
    return [(rows[0], matrices[2])]


def outer(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label the outer product of two vectors."""
    return [(*propagation.axes(node.args[0]), *propagation.axes(node.args[1]))]


def inner(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a contraction of two tensors' last axes."""
    a, b = propagation.axes(node.args[0]), propagation.axes(node.args[1])
    propagation.unify(a[-1], b[-1], node)
    return [(*a[:-1], *b[:-1])]


def tensordot(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a contraction of the axes that are named."""
    a, b = propagation.axes(node.args[0]), propagation.axes(node.args[1])
    of_a = [dim % len(a) for dim in propagation.argument(node, "dims_self")]
    of_b = [dim % len(b) for dim in propagation.argument(node, "dims_other")]
    for one, other in zip(of_a, of_b, strict=True):
        propagation.unify(a[one], b[other], node)
    kept_a = (label for axis, label in enumerate(a) if axis not in of_a)
    kept_b = (label for axis, label in enumerate(b) if axis not in of_b)
    return [(*kept_a, *kept_b)]


def distances(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label the distances between all points of two sets; a: (..., n, size), b: (..., m, size)."""
    a, b = propagation.axes(node.args[0]), propagation.axes(node.args[1])
    propagation.unify(a[-1], b[-1], node)
    return [(*broadcast(propagation, node, [a[:-2], b[:-2]]), a[-2], b[-2])]


def bilinear(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label `y = x1 weight x2 + bias`; weight: (out, in1, in2)."""
    one, two, weight = (propagation.axes(propagation.argument(node, name)) for name in ("input1", "input2", "weight"))
    propagation.unify(one[-1], weight[1], node)
    propagation.unify(two[-1], weight[2], node)
    bias = propagation.argument(node, "bias")
    if bias is not None:
        propagation.unify(weight[0], propagation.axes(bias)[0], node)
    for name, label in (("in1_features", weight[1]), ("in2_features", weight[2]), ("out_features", weight[0])):
        propagation.set_attribute(node, name, label)
    return [(*one[:-1], weight[0])]


RULES = {
    "linear": linear,
    "matmul": matmul,
    "bmm": matmul,
    "mm": matmul,
    "mv": matmul,
    "outer": outer,
    "ger": outer,
    "inner": inner,
    "tensordot": tensordot,
    "cdist": distances,
    "bilinear": bilinear,
    "dot": matmul,
    "vdot": matmul,
    "addmm": add_matmul,
    "baddbmm": add_matmul,
    "einsum": einsum,
}
