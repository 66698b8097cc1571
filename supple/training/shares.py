"""A process's share of a batch.

Every process draws the same batches and takes its share, so that the batches do not depend on how many there are.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import Tensor

from supple.errors import SuppleError

BatchT = TypeVar("BatchT")


def share_of(batch: BatchT, rank: int, world: int) -> BatchT:
    """Return each `world`-th sample of a batch, from that of number `rank` on.

    `batch`: any nest of tuples, lists, mappings and dataclasses; its tensors (samples, ...) are cut along their first
    axis; those without an axis, numbers and texts stay. Raises `SuppleError`, alike in all processes, where the batch
    holds anything else, its tensors hold different numbers of samples, or there are fewer samples than processes.
    """
    if world == 1:
        return batch
    sizes: set[int] = set()

    def cut(tensor: Tensor) -> Tensor:
        if tensor.ndim == 0:
            return tensor
        sizes.add(len(tensor))
        return tensor[rank::world]

    share: BatchT = _mapped(batch, cut)
    if len(sizes) != 1:
        found = ", ".join(map(str, sorted(sizes))) or "none"
        raise SuppleError(
            f"A batch can be shared among {world} processes where the first axis of all its tensors is that of the "
            f"samples; their sizes are {found}."
        )
    (samples,) = sizes
    if samples < world:
        raise SuppleError(
            f"A batch of {samples} samples cannot be shared among {world} processes: leave the last, smaller batch out "
            "(drop_last), take larger batches, or fewer processes."
        )
    return share


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a nest of collections with each tensor changed; the collections keep their classes."""
    if isinstance(value, Tensor):
        return change(value)
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field.name for field in dataclasses.fields(value) if field.init)
        return dataclasses.replace(value, **{name: _mapped(getattr(value, name), change) for name in fields})
    if isinstance(value, Mapping):
        return type(value)({name: _mapped(entry, change) for name, entry in value.items()})  # type: ignore[call-arg]
    if isinstance(value, tuple | list):
        entries = [_mapped(entry, change) for entry in value]
        return type(value)(*entries) if hasattr(value, "_fields") else type(value)(entries)
    raise SuppleError(
        f"A batch holds an object of type {type(value).__name__}, which cannot be shared among processes: give "
        "tensors, in tuples, lists, mappings or dataclasses."
    )
