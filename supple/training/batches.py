"""The batches of an epoch, in an order that is a function of the seed and the epoch."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from supple.data.seeds import derived_seed


def batches_of_epoch(data: Iterable[Any], seed: int, epoch: int) -> Iterator[Any]:
    """Yield the batches of an epoch.

    Data with `set_epoch` are told the epoch. Other loaders draw from PyTorch's global random numbers: while a batch is
    drawn, those are a stream of their own, seeded here. So the batches are the same whatever is drawn between them.
    """
    set_epoch = getattr(data, "set_epoch", None)
    if set_epoch is not None:
        set_epoch(epoch)
    own = torch.Generator().manual_seed(derived_seed(seed, "epoch", epoch)).get_state()
    batches: Iterator[Any] | None = None
    while True:
        outer = torch.get_rng_state()
        torch.set_rng_state(own)
        try:
            batches = iter(data) if batches is None else batches
            batch = next(batches)
        except StopIteration:
            return
        finally:
            own = torch.get_rng_state()
            torch.set_rng_state(outer)
        yield batch
