"""Fourier transforms, and sliding windows: along the axes that they mix, indices stand for positions."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import POSITION
from supple.trace.capture import output_shapes

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation

MIXED = "a Fourier transform mixes it"


def transform(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label a Fourier transform over `dim`, by default the last axis, the last two, or all."""
    x = propagation.axes(node.args[0])
    dim = propagation.argument(node, "dim")
    dims = range(len(x)) if dim is None else [dim] if isinstance(dim, int) else dim
    mixed = {position % len(x) for position in dims}
    for position in mixed:
        propagation.fix(x[position], MIXED)
    shape = output_shapes(node)[0]
    return [
        tuple(
            propagation.fresh(size, POSITION) if position in mixed else label
            for position, (label, size) in enumerate(zip(x, shape, strict=True))
        )
    ]


def windows(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label `Tensor.unfold`: windows along one axis, which is fixed; the entries of a window become the last axis."""
    x = propagation.axes(node.args[0])
    position = propagation.argument(node, "dimension") % len(x)
    propagation.fix(x[position], "windows are cut from it")
    *_, entries = shape = output_shapes(node)[0]
    kept = (*x[:position], propagation.fresh(shape[position], POSITION), *x[position + 1 :])
    return [(*kept, propagation.fresh(entries, POSITION))]


_FORMS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")

RULES = {
    **{f"fft_{form}{axes}": transform for form in _FORMS for axes in ("", "2", "n")},
    "unfold": windows,
}
