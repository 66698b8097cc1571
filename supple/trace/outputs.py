"""The outputs of a model: what of them can be seen and compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

SEEN = (torch.Tensor, bool, int, float, complex, str, bytes)


def seen_leaves(result: Any) -> list[Any]:
    """Return the tensors and constants of a nested result, in order.

    Objects of classes that PyTorch does not know are left out: the caches of transformers' models, as a rule, which are
    by-products of what comes before them.
    """
    return [leaf for leaf in tree_leaves(result) if isinstance(leaf, SEEN)]


@contextmanager
def seen_outputs_only(model: nn.Module) -> Iterator[None]:
    """While the context lasts, the model returns a plain tuple of what can be seen; or all, where there is no tensor.

    The export of a model refuses outputs of classes that PyTorch does not know.
    """

    def simplify(module: nn.Module, inputs: Any, result: Any) -> Any:
        leaves = seen_leaves(result)
        return tuple(leaves) if any(isinstance(leaf, torch.Tensor) for leaf in leaves) else result

    handle = model.register_forward_hook(simplify)
    try:
        yield
    finally:
        handle.remove()
