"""A process's share of a batch, and how much it weighs.

Every process draws the same batches and takes its share, so that the batches do not depend on how many there are.
"""

from typing import TypeVar

from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from supple.errors import SuppleError

BatchT = TypeVar("BatchT")


def share_of(batch: BatchT, rank: int, world: int) -> BatchT:
    """Return each `world`-th sample of a batch, from that of number `rank` on.

    `batch`: any nest of tuples, lists, dictionaries and dataclasses known to PyTorch; its tensors (samples, ...) are
    cut along their first axis, those without an axis stay. Raises `SuppleError` where the tensors hold different
    numbers of samples, or there are fewer samples than processes: alike in all processes.
    """
    if world == 1:
        return batch
    sizes = {len(leaf) for leaf in tree_leaves(batch) if isinstance(leaf, Tensor) and leaf.ndim > 0}
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
    return tree_map_only(Tensor, lambda tensor: tensor[rank::world] if tensor.ndim > 0 else tensor, batch)  # type: ignore[no-any-return]
