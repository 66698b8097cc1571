"""Which part of each shared tensor a member holds, worked out once per config, and how gradients find their way back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from supple.trace import Axis


@dataclass(frozen=True)
class Selection:
    """The part of one tensor that a member holds.

    Where the kept indices of every axis are a prefix, `lists` is empty and the part is one strided view; otherwise
    `lists` holds (axis, indices) for the axes whose kept indices have gaps, and the prefixes are cut after that.
    """

    shape: tuple[int, ...]
    lists: tuple[tuple[int, torch.Tensor], ...] = ()

    @classmethod
    def of(cls, axes: Sequence[Axis], config: Mapping[str, int]) -> "Selection":
        """Return what the config keeps of a tensor with these axes."""
        kept = [axis.indices(config) for axis in axes]
        lists = tuple(
            (position, torch.tensor(indices)) for position, indices in enumerate(kept) if isinstance(indices, list)
        )
        return cls(tuple(axis.size(config) for axis in axes), lists)

    def view(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the part as a view where it is a prefix along every axis, else as a copy."""
        for axis, indices in self.lists:
            tensor = tensor.index_select(axis, indices.to(tensor.device))
        return tensor.as_strided(self.shape, tensor.stride(), tensor.storage_offset())

    def copy(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the part as a dense tensor of its own, in the memory format of the whole."""
        part = self.view(tensor)
        if tensor.dim() == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last):
            return part.clone(memory_format=torch.channels_last)
        return part.clone(memory_format=torch.contiguous_format)

    def add(self, whole: torch.Tensor, part: torch.Tensor) -> None:
        """Add a part onto the whole, in place."""
        if not self.lists:
            self.view(whole).add_(part)
            return
        index: list[Any] = [slice(0, size) for size in self.shape]
        for axis, indices in self.lists:
            shape = [1] * len(self.shape)
            shape[axis] = -1
            index[axis] = indices.to(whole.device).view(shape)
        for axis, size in enumerate(self.shape):
            if isinstance(index[axis], slice):
                shape = [1] * len(self.shape)
                shape[axis] = -1
                index[axis] = torch.arange(size, device=whole.device).view(shape)
        whole[tuple(index)] += part


class Gather(torch.autograd.Function):
    """Copy a member's parameters out of the shared ones; add their gradients straight into the shared `.grad`.

    Autograd's own slicing would make one zero-filled tensor of full size per parameter and member, then add it: more
    memory traffic than the whole backward pass of a small member. Adding in place touches only the member's part. The
    price: `torch.autograd.grad` with respect to shared parameters sees nothing; call `backward`.
    """

    @staticmethod
    def forward(ctx: Any, selections: Sequence[Selection], *shared: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return dense copies of the selected parts."""
        ctx.selections = selections
        ctx.shared = shared
        return tuple(selection.copy(tensor) for selection, tensor in zip(selections, shared, strict=True))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[None, ...]:
        """Add each part's gradient into the gradient of the shared parameter."""
        for selection, tensor, gradient in zip(ctx.selections, ctx.shared, gradients, strict=True):
            if gradient is None:
                continue
            if tensor.grad is None:
                tensor.grad = torch.zeros_like(tensor)
            selection.add(tensor.grad, gradient)
        return (None,) * (len(gradients) + 1)


def gather(selections: Sequence[Selection], shared: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Return the selected parts as dense tensors, joined to the shared ones where those require gradients."""
    if not torch.is_grad_enabled() or not any(tensor.requires_grad for tensor in shared):
        return tuple(selection.copy(tensor.detach()) for selection, tensor in zip(selections, shared, strict=True))
    if all(tensor.requires_grad for tensor in shared):
        return Gather.apply(selections, *shared)  # type: ignore[no-any-return,no-untyped-call]
    result = list(gather(selections, [tensor.detach() for tensor in shared]))
    trained = [position for position, tensor in enumerate(shared) if tensor.requires_grad]
    parts = gather([selections[position] for position in trained], [shared[position] for position in trained])
    for position, part in zip(trained, parts, strict=True):
        result[position] = part
    return tuple(result)
