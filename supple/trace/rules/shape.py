"""Operators that move, merge, split or join axes without touching values."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import GROUPS, POSITION, Expression, expression_size
from supple.trace.capture import output_shapes

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def reshape(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a reshape: runs of axes with the same number of elements before and after are equal as products."""
    source = list(propagation.axes(node.args[0]))
    target = [propagation.fresh(size) for size in output_shapes(node)[0]]
    i = j = 0
    while i < len(source) or j < len(target):
        before, after = source[i : i + 1], target[j : j + 1]
        i, j = i + 1, j + 1
        while (sizes := (_elements(before), _elements(after)))[0] != sizes[1]:
            if sizes[0] < sizes[1]:
                before.append(source[i])
                i += 1
            else:
                after.append(target[j])
                j += 1
        propagation.unify(_product(propagation, before), _product(propagation, after), node)
    return [tuple(target)]


def reshape_as(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a reshape to the sizes of another tensor."""
    (reshaped,) = reshape(propagation, node)
    for one, other in zip(reshaped, propagation.axes(node.args[1]), strict=True):
        propagation.unify(one, other, node)
    return [reshaped]


def _elements(axes: list[Expression]) -> int:
    count = 1
    for expression in axes:
        count *= expression_size(expression)
    return count


def _product(propagation: "Propagation", axes: list[Expression]) -> Expression:
    """Return the label of several axes merged into one: the first is the outermost."""
    if len(axes) == 1:
        return axes[0]
    atoms = []
    for expression in axes:
        whole = propagation.fresh(expression_size(expression))
        propagation.labels.unify(whole, expression, "merged axes")
        atoms.append(whole[0][0])
    return (tuple(atoms),)


def permute(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a permutation of all axes."""
    x = propagation.axes(node.args[0])
    return [tuple(x[position] for position in propagation.argument(node, "dims"))]


def transpose(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a swap of two axes."""
    x = list(propagation.axes(node.args[0]))
    names = ("axis0", "axis1") if propagation.has_argument(node, "axis0") else ("dim0", "dim1")
    one, other = (propagation.argument(node, name) for name in names)
    x[one], x[other] = x[other], x[one]
    return [tuple(x)]


def unsqueeze(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a new axis of size 1."""
    x = list(propagation.axes(node.args[0]))
    x.insert(propagation.argument(node, "dim") % (len(x) + 1), propagation.fresh(1))
    return [tuple(x)]


def movedim(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a move of axes to other positions."""
    x = propagation.axes(node.args[0])
    source, target = (
        [position % len(x) for position in ([given] if isinstance(given, int) else given)]
        for given in (propagation.argument(node, "source"), propagation.argument(node, "destination"))
    )
    moved = dict(zip(target, (x[position] for position in source), strict=True))
    rest = iter([label for position, label in enumerate(x) if position not in source])
    return [tuple(moved[position] if position in moved else next(rest) for position in range(len(x)))]


def reverse_axes(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a transposition of all axes, or of the last two of a stack of matrices."""
    x = propagation.axes(node.args[0])
    return [(*x[:-2], *reversed(x[-2:]))]


def pad(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label padding: padded axes are made anew, the others stay."""
    x = propagation.axes(node.args[0])
    shape = output_shapes(node)[0]
    for label, size in zip(x, shape, strict=True):
        if expression_size(label) != size:
            propagation.fix(label, "it is padded")
    return [
        tuple(
            label if expression_size(label) == size else propagation.fresh(size, POSITION)
            for label, size in zip(x, shape, strict=True)
        )
    ]


def roll(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a cyclic shift or a reversal: the axes are fixed, because their order matters."""
    x = propagation.axes(node.args[0])
    for position in propagation.argument(node, "dims"):
        propagation.fix(x[position], "its order is changed")
    return [x]


def difference(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label the differences of neighbours along an axis, which is fixed."""
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dim") % len(x)
    propagation.fix(x[position], "its neighbours are compared")
    shorter = propagation.fresh(output_shapes(node)[0][position], POSITION)
    return [(*x[:position], shorter, *x[position + 1 :])]


def diagonal(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label the diagonal of two axes, which becomes the last one."""
    x = propagation.axes(node.args[0])
    one, other = (propagation.argument(node, name) % len(x) for name in ("dim1", "dim2"))
    size = output_shapes(node)[0][-1]
    along = x[one]
    if propagation.argument(node, "offset") == 0 and expression_size(along) == expression_size(x[other]):
        propagation.unify(along, x[other], node)
    else:
        propagation.fix(along, POSITION)
        propagation.fix(x[other], POSITION)
        along = propagation.fresh(size, POSITION)
    return [(*(label for axis, label in enumerate(x) if axis not in (one, other)), along)]


def complex_pairs(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a view of pairs of numbers as complex numbers, or back; the pairs are the last axis."""
    x = propagation.axes(node.args[0])
    if len(output_shapes(node)[0]) > len(x):
        return [(*x, propagation.fresh(2, POSITION))]
    propagation.fix(x[-1], POSITION)
    return [x[:-1]]


def channel_shuffle(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label (batch, groups x channels of a group, ...) -> (batch, channels of a group x groups, ...)."""
    x = propagation.axes(node.args[0])
    groups = int(propagation.argument(node, "groups"))
    group, of_a_group = propagation.fresh(groups, GROUPS), propagation.fresh(expression_size(x[1]) // groups)
    propagation.unify(x[1], ((*group[0], *of_a_group[0]),), node)
    return [(x[0], ((*of_a_group[0], *group[0]),), *x[2:])]


def concatenate(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a concatenation: the joined axis holds the operands' segments one after another, the others are equal."""
    operands = [propagation.axes(operand) for operand in propagation.argument(node, "tensors")]
    # Empty vectors join anything: caches start as such.
    operands = [axes for axes in operands if [expression_size(label) for label in axes] != [0]] or operands
    joined = propagation.argument(node, "dim") % len(operands[0])
    for other in operands[1:]:
        for axis, expression in enumerate(other):
            if axis != joined:
                propagation.unify(operands[0][axis], expression, node)
    whole = tuple(product for axes in operands for product in axes[joined])
    return [tuple(whole if axis == joined else label for axis, label in enumerate(operands[0]))]


RULES = {
    "view": reshape,
    "_unsafe_view": reshape,
    "reshape": reshape,
    "flatten": reshape,
    "unflatten": reshape,
    "squeeze": reshape,
    "permute": permute,
    "transpose": transpose,
    "unsqueeze": unsqueeze,
    "cat": concatenate,
    "concat": concatenate,
    "concatenate": concatenate,
    "diff": difference,
    "diagonal": diagonal,
    "view_as_complex": complex_pairs,
    "view_as_real": complex_pairs,
    "channel_shuffle": channel_shuffle,
    "swapaxes": transpose,
    "swapdims": transpose,
    "moveaxis": movedim,
    "adjoint": reverse_axes,
    "mH": reverse_axes,
    "t": reverse_axes,
    "mT": reverse_axes,
    "numpy_T": reverse_axes,
    "movedim": movedim,
    "pad": pad,
    "constant_pad_nd": pad,
    "roll": roll,
    "flip": roll,
    "view_as": reshape_as,
    "reshape_as": reshape_as,
}
