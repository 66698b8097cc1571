"""PyTorch programs, loaded and ready to run, as they are or compiled."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.const_fold import split_const_subgraphs

from supple.errors import SuppleError, class_and_first_line
from supple.runtime.session import Array, Session, content_of
from supple.runtime.target import Device, Target
from supple.runtime.torch_program import read
from supple.trace.silence import silenced

Tensors = tuple[torch.Tensor, ...]


class TorchSession(Session):
    """A program of PyTorch's operators, on the processor or a GPU, in float32 as it says: no TF32.

    The number of threads is the process's: the session that ran last has set it for all.
    """

    def __init__(self, program: bytes | Path, target: Target, compiled: bool = False) -> None:
        """Load a program. Raises `SuppleError` where it is none, or where there is no such device."""
        content, name = content_of(program)
        self._threads = target.threads
        self._device = torch.device(target.device.value)
        if target.device is Device.CUDA:
            torch.backends.cudnn.allow_tf32 = False
        try:
            found = read(content, self._device, name)
        except RuntimeError as error:
            raise SuppleError(f'{name} cannot be loaded for "{target}": {class_and_first_line(error)}') from error
        self.inputs = found.inputs
        self._module: Callable[..., Tensors] = found.module if compiled else _folded(found.module)
        self._first_run: Callable[[], AbstractContextManager[None]] = nullcontext
        if compiled:
            # Processes that wait to compile more would share the cores with what is timed.
            self._module = torch.compile(found.module, fullgraph=True, dynamic=False, options={"compile_threads": 1})
            self._first_run = _compiling

    def run(self, *inputs: Array) -> Array:
        """Run one batch and return the first output. Raises `SuppleError` where the inputs do not fit."""
        outputs = self.prepared(*inputs)()
        array: Array = outputs[0].cpu().numpy()
        return array

    def prepared(self, *inputs: Array) -> Callable[[], Tensors]:
        """Return a call that runs one batch on tensors that lie on the device already; it has run once.

        So what is compiled at the first run is compiled before anything is timed.
        """
        self.check_fit(inputs)
        torch.set_num_threads(self._threads)
        tensors = [torch.tensor(array, device=self._device) for array in inputs]
        call = partial(_computed, self._module, tensors, _waiting(self._device))
        try:
            with silenced(), self._first_run():
                call()
        except Exception as error:  # whatever PyTorch, its compiler, or the compiler that that one calls raises
            raise self.misfit("PyTorch", inputs, class_and_first_line(error)) from error
        return call


def _folded(module: fx.GraphModule) -> fx.GraphModule:
    """Let a program compute only once what depends on its tensors alone, such as weights that are stored in fewer bits.

    The compiler does that by itself. A program that writes into tensors stays as it is: they may be those.
    """
    targets = [node.target for node in module.graph.nodes]
    if any(isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable for target in targets):
        return module
    with silenced():
        return split_const_subgraphs(module)


def _computed(module: Callable[..., Tensors], tensors: list[torch.Tensor], wait: Callable[[], Any]) -> Tensors:
    with torch.no_grad():
        outputs = module(*tensors)
    wait()
    return outputs


@contextmanager
def _compiling() -> Iterator[None]:
    """Compile without PyTorch's caches on disk, which are pickles, and with weights as constants.

    So the compiler stores weights as its operators want them; integer operators it makes for constants alone.
    """
    from torch._inductor import config

    with (
        torch.compiler.config.patch(force_disable_caches=True),  # type: ignore[attr-defined]
        config.patch(freezing=True),
    ):
        yield


def _waiting(device: torch.device) -> Callable[[], Any]:
    """Return what waits until a device has computed all that it was given."""
    return torch.cuda.synchronize if device.type == "cuda" else _nothing


def _nothing() -> None:
    pass
