"""The memory that PyTorch's tensors hold at any time, exactly: on a CPU no counter says so."""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, follows the memory of all tensors that operators make, until that is given back.

    `live_bytes` is what is held now, `peak_bytes` the most so far. What an operator needs only while it runs, inside
    its kernel, is not seen.
    """

    def __init__(self, tensors: Iterable[torch.Tensor] = ()) -> None:
        """Start with what these tensors hold."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.live_bytes = 0
        self.peak_bytes = 0
        self._known: set[int] = set()
        for tensor in tensors:
            self._follow(tensor)

    def forget_peak(self) -> None:
        """Let the peak start again from what is held now."""
        self.peak_bytes = self.live_bytes

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(output):
            if isinstance(leaf, torch.Tensor):
                self._follow(leaf)
        return output

    def _follow(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        address, size = storage._cdata, storage.nbytes()
        if address not in self._known:
            self._known.add(address)
            self.live_bytes += size
            self.peak_bytes = max(self.peak_bytes, self.live_bytes)
            # A storage's object lives as long as its memory, whoever holds that.
            weakref.finalize(storage, self._give_back, address, size).atexit = False

    def _give_back(self, address: int, size: int) -> None:
        self._known.discard(address)
        self.live_bytes -= size
