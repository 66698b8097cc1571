"""The batches of an epoch in an order that is a function of the seed and the epoch, checked before they are used."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from supple.errors import SuppleError


def batches_of_epoch(data: Iterable[Any], seed: int, epoch: int) -> Iterator[Any]:
    """Begin a pass over the data for an epoch.

    Data with `set_epoch` are told the epoch. For other loaders PyTorch's global random numbers, from which they draw
    their order, are seeded.
    """
    set_epoch = getattr(data, "set_epoch", None)
    if set_epoch is not None:
        set_epoch(epoch)
    torch.manual_seed(seed + epoch)
    return iter(data)


def check_logits(logits: object, labels: Tensor) -> Tensor:
    """Return a model's output where it is logits (batch, classes) for the labels; `SuppleError` says what it is else.

    `labels` lie on the CPU.
    """
    if not isinstance(logits, Tensor):
        kind = type(logits).__name__
        what = f"a {kind} of {len(logits)}" if isinstance(logits, tuple | list) else f"an object of type {kind}"
        raise SuppleError(
            f"The model returns {what}, not one tensor of logits (batch, classes): "
            "wrap it in a module that returns the logits alone."
        )
    if logits.dim() != 2 or len(logits) != len(labels):
        raise SuppleError(
            f"The model returns a tensor of shape {tuple(logits.shape)} for {len(labels)} samples: "
            f"expected logits of shape ({len(labels)}, classes)."
        )
    lowest, highest = (int(value) for value in torch.aminmax(labels))
    if lowest < 0 or highest >= logits.shape[1]:
        raise SuppleError(
            f"A label is {lowest if lowest < 0 else highest}, but the model tells {logits.shape[1]} classes apart, "
            f"0 to {logits.shape[1] - 1}: give the model as many outputs as there are classes."
        )
    return logits
