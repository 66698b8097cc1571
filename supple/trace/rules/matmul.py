"""Linear layers, matrix products and tensor contractions."""

from typing import TYPE_CHECKING

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
    propagation.note_heads(batch)
    return [(*batch, *rows, *columns)]


def add_matmul(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label `bias + a @ b`."""
    bias, a, b = (propagation.axes(operand) for operand in node.args[:3])
    propagation.unify(a[-1], b[-2], node)
    batch = broadcast(propagation, node, [a[:-2], b[:-2]])
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
    if not arrow:
        right = ("..." if ellipses else "") + "".join(sorted(c for c in set(left) - {",", "."} if left.count(c) == 1))
    before, dots, after = right.partition("...")
    return [(*(letters[c] for c in before), *(around if dots else ()), *(letters[c] for c in after))]


RULES = {
    "linear": linear,
    "matmul": matmul,
    "bmm": matmul,
    "mm": matmul,
    "mv": matmul,
    "dot": matmul,
    "addmm": add_matmul,
    "baddbmm": add_matmul,
    "einsum": einsum,
}
