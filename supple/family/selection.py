"""Which part of each shared tensor a member holds, and how gradients find their way back."""

from collections.abc import Mapping, Sequence
from operator import mul
from typing import Any, NamedTuple

import torch

from supple.trace import Axis


class Selection(NamedTuple):
    """The part of one tensor that a member holds.

    Where the kept indices of every axis are a run, `gaps` is empty and the part is one strided view; otherwise `gaps`
    holds (axis, indices) for the axes whose kept indices are no run, and the others are cut after that. `starts` are
    the first indices of the runs, or nothing where all are prefixes. `has_whole_rows` says that at most the first axis
    is cut, and to a prefix.
    """

    shape: tuple[int, ...]
    has_whole_rows: bool = False
    gaps: tuple[tuple[int, torch.Tensor], ...] = ()
    starts: tuple[int, ...] = ()

    def view(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the part: a view where it is a run along every axis, else a copy."""
        for axis, indices in self.gaps:
            tensor = tensor.index_select(axis, indices.to(tensor.device))
        return self.run(tensor)

    def run(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the view that is the part where there are no gaps."""
        strides = tensor.stride()
        # sum over the axes: first index x stride
        start = tensor.storage_offset() + sum(map(mul, self.starts, strides))
        return tensor.as_strided(self.shape, strides, start)

    def dense(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the part without holes, its axes in memory in the order of the whole; a view where that is one."""
        if self.gaps:
            return torch.empty_like(tensor.as_strided(self.shape, tensor.stride())).copy_(self.view(tensor))
        part = self.run(tensor)
        # Most biases and norms, at a third of the cost of a copy.
        return part if self.has_whole_rows and tensor.is_contiguous() else part.clone()

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


class Cut:
    """Works out the selections of tensors with the same axes; what does not depend on the config is worked out once."""

    __slots__ = ("_full", "_keeps_rows", "_others", "_prefixes")

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

    def selection(self, config: Mapping[str, int]) -> Selection | None:
        """Return what the config keeps of the tensor; None where it keeps all."""
        shape = self._full.copy()
        for position, dimension, unit in self._prefixes:
            shape[position] = config[dimension] * unit
        if not self._others:
            return None if shape == self._full else Selection(tuple(shape), self._keeps_rows)
        gaps: list[tuple[int, torch.Tensor]] = []
        starts = [0] * len(shape)
        for position, axis in self._others:
            kept = axis.indices(config)
            shape[position] = axis.size(config)
            if isinstance(kept, list):
                gaps.append((position, torch.tensor(kept)))
            else:
                starts[position] = kept.start
        if shape == self._full:
            return None
        return Selection(tuple(shape), False, tuple(gaps), tuple(starts))


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
        ctx: Any, anchor: torch.Tensor, selections: Sequence[Selection], shared: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, ...]:
        """Return the selected parts; `anchor`, any tensor that requires gradients, only ties them to the graph."""
        # A parameter that the loss does not reach gets no gradient, rather than one of zeros.
        ctx.set_materialize_grads(False)
        ctx.selections = selections
        ctx.shared = shared
        return tuple([selection.dense(tensor) for selection, tensor in zip(selections, shared, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[None, None, None]:
        """Add each part's gradient into the gradient of the shared parameter."""
        runs: list[torch.Tensor] = []
        added: list[torch.Tensor] = []
        for selection, tensor, gradient in zip(ctx.selections, ctx.shared, gradients, strict=True):
            if gradient is None:
                continue
            whole = tensor.grad
            if whole is None:
                whole = tensor.grad = torch.zeros_like(tensor)
            if selection.gaps:
                selection.add_around_gaps(whole, gradient)
            else:
                runs.append(selection.run(whole))
                added.append(gradient)
        if added:
            torch._foreach_add_(runs, added)
        return None, None, None


def gather(selections: Sequence[Selection], shared: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Return the selected parts as tensors without holes, joined to the shared ones where those require gradients."""
    trained = [position for position, tensor in enumerate(shared) if tensor.requires_grad]
    if not torch.is_grad_enabled() or not trained:
        # An operator may choose its algorithm by whether its weights require gradients, even where none are recorded.
        return tuple(
            selection.dense(tensor.detach()).requires_grad_(tensor.requires_grad)
            for selection, tensor in zip(selections, shared, strict=True)
        )
    if len(trained) == len(shared):
        return Gather.apply(shared[0], selections, shared)  # type: ignore[no-any-return,no-untyped-call]
    parts = gather([selections[position] for position in trained], [shared[position] for position in trained])
    joined = dict(zip(trained, parts, strict=True))
    return tuple(
        joined[position] if position in joined else selection.dense(tensor)
        for position, (selection, tensor) in enumerate(zip(selections, shared, strict=True))
    )
