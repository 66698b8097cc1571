"""Code that names the size of the batch as a number: the model then runs on batches of that size only."""

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from supple.trace.inputs import ModelInputs
from supple.trace.obstacles import users_line

# What takes the sizes of its result, that of the batch first.
_RESHAPING = ("view", "reshape", "expand", "broadcast_to", "repeat")
_MAKING = ("zeros", "ones", "full", "empty", "rand", "randn", "new_zeros", "new_ones", "new_full", "new_empty")


def what_fixes_the_batch(inputs: ModelInputs, run: Callable[[ModelInputs], Sequence[Any]]) -> str | None:
    """Return the place in the user's code that fixes the batch to the size of the inputs', or None.

    `run` runs the model and returns the leaves of its outputs. It is asked for one sample less: where it cannot do
    that, or its first output has as many samples as before, the first operator that is given the old size is to blame.
    """
    sizes = {tensor.shape[0] if tensor.dim() else 0 for tensor in inputs.tensors}
    if len(sizes) != 1 or sizes <= {0, 1}:
        return None
    (batch_size,) = sizes
    watch = _Watch(batch_size)
    try:
        with watch:
            outputs = run(inputs.map(lambda tensor: tensor[:-1]))
    except Exception:  # whatever the user's forward raises
        return watch.place
    first = next((leaf for leaf in outputs if isinstance(leaf, torch.Tensor) and leaf.dim()), None)
    return watch.place if first is not None and first.shape[0] == batch_size else None


class _Watch(TorchFunctionMode):
    """Remembers the first call that makes a tensor of this many samples."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size = batch_size
        self.place: str | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if self.place is None and name in _RESHAPING + _MAKING:
            numbers = (leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, int))
            if next(numbers, None) == self._batch_size:
                self.place = users_line(traceback.extract_stack()) or f"a call of {name}"
        return func(*args, **(kwargs or {}))
