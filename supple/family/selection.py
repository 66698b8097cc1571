"""Which part of each shared tensor a member holds, and how gradients find their way back."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from operator import mul
from typing import Any, NamedTuple

import torch

from supple.trace import Axis

# Copying so many boxes is faster than copying by lists of indices.
_MOST_BOXES = 16
# The selections that a cut remembers: a dimension has few values, and a tensor follows few dimensions.
_MOST_REMEMBERED = 32


class Box(NamedTuple):
    """Indices that are a run along every axis; `starts` are the first ones in the whole, `part_starts` in the part."""

    shape: tuple[int, ...]
    starts: tuple[int, ...]
    part_starts: tuple[int, ...]


class Selection(NamedTuple):
    """The part of one tensor that a member holds.

    Where the kept indices of every axis are a run, `gaps` is empty and the part is one strided view; otherwise `gaps`
    holds (axis, indices) for the axes whose kept indices are no run, and the others are cut after that; the part is
    then made of `boxes`, unless those are too many. `starts` are the first indices of the runs, or nothing where all
    are prefixes. `has_whole_rows` says that at most the first axis is cut, and to a prefix.
    """

    shape: tuple[int, ...]
    has_whole_rows: bool = False
    gaps: tuple[tuple[int, torch.Tensor], ...] = ()
    starts: tuple[int, ...] = ()
    boxes: tuple[Box, ...] = ()

    def view(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the part: a view where it is a run along every axis, else a copy."""
        for axis, indices in self.gaps:
            tensor = tensor.index_select(axis, indices.to(tensor.device))
        return self.run(tensor)

    def run(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the view that is the part where there are no gaps."""
        return _box(tensor, self.shape, self.starts)

    def dense(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the part without holes, its axes in memory in the order of the whole; a view where that is one.

        Matrix products take a view in which rows lie apart as well, but are slower on it by more than a copy takes.
        """
        if self.gaps:
            part = torch.empty_like(_box(tensor, self.shape, ()))
            if not self.boxes:
                return part.copy_(self.view(tensor))
            torch._foreach_copy_(self.boxes_of_part(part), self.boxes_of_whole(tensor))
            return part
        part = self.run(tensor)
        # Most biases and norms, at a third of the cost of a copy.
        return part if self.has_whole_rows and tensor.is_contiguous() else part.clone()

    def boxes_of_whole(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return the views of a whole tensor that make up the part; none where there are too many."""
        return [_box(tensor, box.shape, box.starts) for box in self.boxes] if self.gaps else [self.run(tensor)]

    def boxes_of_part(self, part: torch.Tensor) -> list[torch.Tensor]:
        """Return the views of the part that belong to those of the whole tensor."""
        return [_box(part, box.shape, box.part_starts) for box in self.boxes] if self.gaps else [part]

    def add_around_gaps(self, whole: torch.Tensor, part: torch.Tensor) -> None:
        """Add a part onto the whole, in place."""
        starts = self.starts or (0,) * len(self.shape)
        kept = [
            torch.arange(start, start + size, device=whole.device)
            for start, size in zip(starts, self.shape, strict=True)
        ]
        for axis, indices in self.gaps:
            kept[axis] = indices.to(whole.device)
        whole.index_put_(torch.meshgrid(kept, indexing="ij"), part, accumulate=True)


def _box(tensor: torch.Tensor, shape: tuple[int, ...], starts: tuple[int, ...]) -> torch.Tensor:
    strides = tensor.stride()
    # sum over the axes: first index x stride
    return tensor.as_strided(shape, strides, tensor.storage_offset() + sum(map(mul, starts, strides)))


class Cut:
    """Works out the selections of tensors with the same axes; what does not depend on the config is worked out once."""

    __slots__ = ("_dimensions", "_full", "_keeps_rows", "_others", "_prefixes", "_remembered")

    def __init__(self, axes: Sequence[Axis]) -> None:
        self._full = [axis.full for axis in axes]
        self._prefixes: list[tuple[int, str, int]] = []
        self._others: list[tuple[int, Axis]] = []
        for position, axis in enumerate(axes):
            unit = prefix_unit(axis)
            if unit is not None:
                self._prefixes.append((position, *unit))
            elif axis.dimensions:
                self._others.append((position, axis))
        self._keeps_rows = not self._others and all(position == 0 for position, _, _ in self._prefixes)
        self._dimensions = tuple(dict.fromkeys(name for axis in axes for name in axis.dimensions))
        self._remembered: dict[tuple[int, ...], Selection | None] = {}

    def selection(self, config: Mapping[str, int]) -> Selection | None:
        """Return what the config keeps of the tensor; None where it keeps all."""
        if not self._others:
            shape = self._full.copy()
            for position, dimension, unit in self._prefixes:
                shape[position] = config[dimension] * unit
            if shape == self._full:
                return None
            return Selection(tuple(shape), self._keeps_rows)
        values = tuple([config[name] for name in self._dimensions])
        if values not in self._remembered:
            if len(self._remembered) == _MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[values] = self._with_gaps(config)
        return self._remembered[values]

    def _with_gaps(self, config: Mapping[str, int]) -> Selection | None:
        runs = [[(0, size)] for size in self._full]
        for position, dimension, unit in self._prefixes:
            runs[position] = [(0, config[dimension] * unit)]
        gaps: list[tuple[int, torch.Tensor]] = []
        for position, axis in self._others:
            kept = axis.indices(config)
            runs[position] = [(kept.start, kept.stop - kept.start)] if isinstance(kept, slice) else list(_runs(kept))
            if isinstance(kept, list):
                gaps.append((position, torch.tensor(kept)))
        shape = [sum(size for _, size in along) for along in runs]
        if shape == self._full:
            return None
        starts = [0 if len(along) > 1 else along[0][0] for along in runs]
        boxes = _boxes(runs) if gaps and math.prod(map(len, runs)) <= _MOST_BOXES else ()
        return Selection(tuple(shape), False, tuple(gaps), tuple(starts), boxes)


def _runs(kept: list[int]) -> Iterator[tuple[int, int]]:
    """Yield (first index, size) of each run of indices."""
    first = 0
    for position in range(1, len(kept) + 1):
        if position == len(kept) or kept[position] != kept[position - 1] + 1:
            yield kept[first], position - first
            first = position


def _boxes(runs: Sequence[Sequence[tuple[int, int]]]) -> tuple[Box, ...]:
    """Return the boxes that the runs of all axes make together."""
    placed = [
        [(start, size, sum(before for _, before in along[:number])) for number, (start, size) in enumerate(along)]
        for along in runs
    ]
    return tuple(
        Box(
            tuple(size for _, size, _ in sides),
            tuple(start for start, _, _ in sides),
            tuple(part_start for _, _, part_start in sides),
        )
        for sides in product(*placed)
    )


def prefix_unit(axis: Axis) -> tuple[str, int] | None:
    """Return (dimension, unit) where the axis keeps its first `value of the dimension x unit` indices, else None."""
    first = axis.segments[0][0]
    if len(axis.segments) > 1 or first.dimension is None or first.centred or len(axis.dimensions) > 1:
        return None
    inner = axis.segments[0][1:]
    return None if any(factor.dimension for factor in inner) else (first.dimension, axis.full // first.full)


class Gather(torch.autograd.Function):
    """Cut a member's parameters out of the shared ones; add their gradients straight into the shared `.grad`.

    Autograd's own slicing would make one zero-filled tensor of full size per parameter and member, then add it: more
    memory traffic than the whole backward pass of a small member. Adding in place touches only the member's part. The
    price: `torch.autograd.grad` with respect to shared parameters sees nothing; call `backward`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        anchor: torch.Tensor,
        selections: Sequence[Selection],
        shared: Sequence[torch.Tensor],
        take: Callable[[Selection, torch.Tensor], torch.Tensor],
    ) -> tuple[torch.Tensor, ...]:
        """Return the selected parts; `anchor`, any tensor that requires gradients, only ties them to the graph."""
        # A parameter that the loss does not reach gets no gradient, rather than one of zeros.
        ctx.set_materialize_grads(False)
        ctx.selections = selections
        ctx.shared = shared
        return tuple([take(selection, tensor) for selection, tensor in zip(selections, shared, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[None, None, None, None]:
        """Add each part's gradient into the gradient of the shared parameter."""
        views: list[torch.Tensor] = []
        added: list[torch.Tensor] = []
        for selection, tensor, gradient in zip(ctx.selections, ctx.shared, gradients, strict=True):
            if gradient is None:
                continue
            whole = tensor.grad
            if whole is None:
                whole = tensor.grad = torch.zeros_like(tensor)
            boxes = selection.boxes_of_whole(whole)
            if not boxes:
                selection.add_around_gaps(whole, gradient)
                continue
            views.extend(boxes)
            added.extend(selection.boxes_of_part(gradient))
        if added:
            torch._foreach_add_(views, added)
        return None, None, None, None


def gather(
    selections: Sequence[Selection],
    shared: Sequence[torch.Tensor],
    take: Callable[[Selection, torch.Tensor], torch.Tensor] = Selection.dense,
) -> tuple[torch.Tensor, ...]:
    """Return the selected parts as tensors without holes, joined to the shared ones where those require gradients.

    With `take=Selection.view` they are views wherever they can be.
    """
    trained = [position for position, tensor in enumerate(shared) if tensor.requires_grad]
    if not torch.is_grad_enabled() or not trained:
        # An operator may choose its algorithm by whether its weights require gradients, even where none are recorded.
        return tuple(
            take(selection, tensor.detach()).requires_grad_(tensor.requires_grad)
            for selection, tensor in zip(selections, shared, strict=True)
        )
    if len(trained) == len(shared):
        return Gather.apply(shared[0], selections, shared, take)  # type: ignore[no-any-return,no-untyped-call]
    parts = gather([selections[position] for position in trained], [shared[position] for position in trained], take)
    joined = dict(zip(trained, parts, strict=True))
    return tuple(
        joined[position] if position in joined else take(selection, tensor)
        for position, (selection, tensor) in enumerate(zip(selections, shared, strict=True))
    )
