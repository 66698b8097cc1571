"""Operators that cut an axis into parts, pick some of them, or repeat them."""

from typing import TYPE_CHECKING, Any

from torch import fx

from supple.trace.axes import ONE_BY_ONE, POSITION, REPEATS, Expression, expression_size
from supple.trace.capture import output_shapes
from supple.trace.rules.pointwise import pointwise

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def _replace(axes: "Axes", position: int, label: Expression) -> "Axes":
    return (*axes[:position], label, *axes[position + 1 :])


def split(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a split of one axis into parts: the axis is their concatenation. Equal parts shrink alike.

    Code that splits evenly counts the parts, or computes their one size.
    """
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dim") % len(x)
    parts = [propagation.fresh(shape[position]) for shape in output_shapes(node)]
    propagation.unify(x[position], tuple(part[0] for part in parts), node)
    if len({expression_size(part) for part in parts}) == 1:
        for other in parts[1:]:
            propagation.unify(parts[0], other, node)
    return [_replace(x, position, part) for part in parts]


def glu(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a gated linear unit: one half of an axis gates the other."""
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dim") % len(x)
    half = propagation.fresh(expression_size(x[position]) // 2)
    propagation.unify(x[position], (*half, *half), node)
    return [_replace(x, position, half)]


def unbind(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label the removal of an axis whose entries become tensors of their own: its size is counted, so it is fixed."""
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dim") % len(x)
    propagation.fix(x[position], ONE_BY_ONE)
    return [(*x[:position], *x[position + 1 :])] * len(output_shapes(node))


def select(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label the choice of one index of an axis. The first index is in every member; another one fixes the axis."""
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dim") % len(x)
    if propagation.argument(node, "index") != 0:
        propagation.fix(x[position], ONE_BY_ONE)
    return [(*x[:position], *x[position + 1 :])]


def slice_(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a slice: whole axes stay; a run cuts the axis into what is before it, the run, and what is after it."""
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dim") % len(x)
    size = expression_size(x[position])
    start, stop, step = (propagation.argument(node, name) for name in ("start", "end", "step"))
    return [_replace(x, position, _run(propagation, node, x[position], *slice(start, stop, step).indices(size)))]


def narrow(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a run of one axis given by its start and length."""
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dim") % len(x)
    start, length = propagation.argument(node, "start"), propagation.argument(node, "length")
    return [_replace(x, position, _run(propagation, node, x[position], start, start + length, 1))]


def _run(propagation: "Propagation", node: fx.Node, label: Expression, start: int, stop: int, step: int) -> Expression:
    size = expression_size(label)
    if (start, stop, step) == (0, size, 1):
        return label
    if step != 1 or propagation.labels.is_fixed(label):
        propagation.fix(label, "it is cut with a step")
        return propagation.fresh(len(range(start, stop, step)), "a part of a fixed axis")
    if stop <= start:
        raise ValueError("a slice of nothing")
    run = propagation.fresh(stop - start)
    before, after = (propagation.fresh(length) if length else () for length in (start, size - stop))
    propagation.unify(label, (*before, *run, *after), node)
    if 2 * (stop - start) == size and (start == 0 or stop == size):
        # Where code cuts an axis in half, it computes the middle from the size: both halves shrink alike.
        propagation.unify(before or after, run, node)
    return run


def expand(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label an expansion: axes of size 1 stretch, new ones come first."""
    x = propagation.axes(node.args[0])
    made = propagation.make(node, REPEATS)
    new = len(made) - len(x)
    stretched = (
        old if expression_size(old) == expression_size(label) else label
        for old, label in zip(x, made[new:], strict=True)
    )
    return [(*made[:new], *stretched)]


def repeat_interleave(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a repetition of each index of an axis, one after another."""
    x = propagation.axes(node.args[0])
    repeats: Any = propagation.argument(node, "repeats")
    position = propagation.argument(node, "dim") % len(x)
    constant = propagation.fresh(int(repeats), REPEATS)
    whole = propagation.fresh(expression_size(x[position]))
    propagation.unify(whole, x[position], node)
    return [_replace(x, position, ((*whole[0], *constant[0]),))]


def repeat(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a repetition of whole axes; new axes come first."""
    x = propagation.axes(node.args[0])
    repeats = list(propagation.argument(node, "dims" if propagation.has_argument(node, "dims") else "repeats"))
    repeats = [1] * (len(x) - len(repeats)) + repeats
    x = (*(propagation.fresh(1) for _ in range(len(repeats) - len(x))), *x)
    return [
        tuple(
            label if count == 1 else tuple(product for _ in range(count) for product in label)
            for label, count in zip(x, repeats, strict=True)
        )
    ]


def stack(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label tensors laid side by side along a new axis: it can shrink where each comes from one of equal blocks."""
    operands = [propagation.axes(operand) for operand in propagation.argument(node, "tensors")]
    for other in operands[1:]:
        for one, two in zip(operands[0], other, strict=True):
            propagation.unify(one, two, node)
    position = propagation.argument(node, "dim") % (len(operands[0]) + 1)
    new = propagation.lay_side_by_side(propagation.argument(node, "tensors"))
    return [(*operands[0][:position], new, *operands[0][position:])]


def pixel_shuffle(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label (..., channels x r x r, height, width) -> (..., channels, height x r, width x r)."""
    x = propagation.axes(node.args[0])
    factor = int(propagation.argument(node, "upscale_factor"))
    shape = output_shapes(node)[0]
    channels = propagation.fresh(shape[-3])
    propagation.unify(x[-3], ((*channels[0], *propagation.fresh(factor * factor, REPEATS)[0]),), node)
    return [(*x[:-3], channels, *(propagation.fresh(size, POSITION) for size in shape[-2:]))]


def pixel_unshuffle(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label (..., channels, height x r, width x r) -> (..., channels x r x r, height, width)."""
    x = propagation.axes(node.args[0])
    factor = int(propagation.argument(node, "downscale_factor"))
    shape = output_shapes(node)[0]
    whole = propagation.fresh(expression_size(x[-3]))
    propagation.unify(whole, x[-3], node)
    channels = ((*whole[0], *propagation.fresh(factor * factor, REPEATS)[0]),)
    return [(*x[:-3], channels, *(propagation.fresh(size, POSITION) for size in shape[-2:]))]


RULES = {
    "split": split,
    "split_with_sizes": split,
    "chunk": split,
    "glu": glu,
    "unbind": unbind,
    "select": select,
    "slice": slice_,
    "narrow": narrow,
    "expand": expand,
    "expand_as": pointwise,
    "broadcast_to": expand,
    "repeat": repeat,
    "tile": repeat,
    "repeat_interleave": repeat_interleave,
    "stack": stack,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
}
