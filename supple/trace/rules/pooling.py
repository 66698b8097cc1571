"""Pooling and resampling: channels stay, positions in space are made anew."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import POSITION
from supple.trace.capture import output_shapes

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def _over_last(space_axes: int) -> "Callable[[Propagation, fx.Node], list[Axes]]":
    def pool(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
        kept = propagation.axes(node.args[0])[:-space_axes]
        return [
            (*kept, *(propagation.fresh(size, POSITION) for size in shape[-space_axes:]))
            for shape in output_shapes(node)
        ]

    return pool


def grid_sampler(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label an image sampled at points; x: (batch, channels, *space), grid: (batch, *points, coordinates)."""
    x, grid = propagation.axes(node.args[0]), propagation.axes(node.args[1])
    return [(*x[:2], *grid[1:-1])]


RULES = (
    {"grid_sampler": grid_sampler}
    | {
        f"{kind}{space_axes}d{suffix}": _over_last(space_axes)
        for space_axes in (1, 2, 3)
        for kind, suffix in (
            ("max_pool", ""),
            ("max_pool", "_with_indices"),
            ("avg_pool", ""),
            ("adaptive_avg_pool", ""),
            ("adaptive_max_pool", ""),
            ("upsample_nearest", ""),
        )
    }
    | {"_adaptive_avg_pool2d": _over_last(2), "_adaptive_avg_pool3d": _over_last(3)}
    | {"upsample_linear1d": _over_last(1), "upsample_trilinear3d": _over_last(3)}
    | dict.fromkeys(
        ("upsample_bilinear2d", "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
        _over_last(2),
    )
)
