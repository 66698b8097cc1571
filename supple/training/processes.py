"""The processes that train a family together: how they are started, and what they tell each other.

All do the same on shares of the same batches. Only the main one writes files and talks to the user.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from supple.errors import SuppleError, first_line
from supple.training.config import Accelerator
from supple.training.launch import Launch

# The others wait while the main process converts, orders or validates alone. One that dies is noticed at once by gloo,
# and ends all processes under torchrun, so that nothing hangs on this limit.
_LONGEST_WAIT = timedelta(days=1)


class Processes:
    """The processes of one training; alone, each exchange leaves everything as it is. `device` is that of this one.

    Every exchange is one that all processes take part in, in the same order. It raises `SuppleError` where another
    process has ended meanwhile.
    """

    def __init__(
        self, launch: Launch = Launch(), device_type: str = "cpu", group: dist.ProcessGroup | None = None
    ) -> None:
        self.rank = launch.rank
        self.world = launch.world
        self.is_main = launch.is_main
        self.device = torch.device("cuda", launch.local_rank) if device_type == "cuda" else torch.device(device_type)
        self._group = group

    def sum_(self, tensor: Tensor) -> None:
        """Replace a tensor without holes by its sum over all processes: the same in each, bit for bit."""
        self._reduce(tensor, dist.ReduceOp.SUM)

    def maximum_(self, tensor: Tensor) -> None:
        """Replace a tensor without holes by its greatest values over all processes."""
        self._reduce(tensor, dist.ReduceOp.MAX)

    def _reduce(self, tensor: Tensor, operation: dist.ReduceOp.RedOpType) -> None:
        if self.world > 1:
            with _reaching_others():
                dist.all_reduce(tensor, operation, self._group)

    def summing(self, tensors: Iterable[Tensor]) -> None:
        """Sum each of several tensors as `sum_` does; one is made while those before it are on their way."""
        if self.world > 1:
            with _reaching_others():
                pending = [dist.all_reduce(tensor, group=self._group, async_op=True) for tensor in tensors]
                for work in pending:
                    work.wait()

    def sum_of(self, tensor: Tensor | None) -> Tensor | None:
        """Return the sum of a tensor over the processes that have one, among which is the main one if there are any."""
        if self.world == 1:
            return tensor
        form = None if tensor is None else [str(tensor.dtype).removeprefix("torch."), *tensor.shape]
        form = self.told_by_main(form)
        if form is None:
            return None
        dtype, *shape = form
        total = (
            torch.zeros(shape, dtype=getattr(torch, dtype), device=self.device) if tensor is None else tensor.clone()
        )
        self.sum_(total)
        return total

    def gathered(self, tensor: Tensor) -> Tensor:
        """Return the tensors (n,) of all processes as (world, n), in the order of their ranks."""
        if self.world == 1:
            return tensor.unsqueeze(0)
        # A sum with zeros: gloo takes half as long for it as for what is called all_gather.
        rows = tensor.new_zeros(self.world, len(tensor))
        rows[self.rank] = tensor
        self.sum_(rows)
        return rows

    def take_from_main(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors, alike in all processes, by those of the main process."""
        if self.world == 1:
            return
        with _reaching_others(), torch.no_grad():
            for tensor in tensors:
                sent = tensor.detach().contiguous()
                dist.broadcast(sent, 0, self._group)
                tensor.copy_(sent)

    def told_by_main(self, content: Any = None) -> Any:
        """Return the JSON content that the main process gives; the others' is ignored."""
        if self.world == 1:
            return content
        text = torch.frombuffer(bytearray(json.dumps(content).encode()), dtype=torch.uint8) if self.is_main else None
        length = torch.tensor(0 if text is None else len(text))
        self.take_from_main([length])
        received = torch.empty(int(length), dtype=torch.uint8) if text is None else text
        self.take_from_main([received])
        return json.loads(received.numpy().tobytes())

    def check_alike(self, value: str, what: str) -> None:
        """Raise `SuppleError` in all processes where one of them has another value than the main process."""
        differs = torch.tensor(int(self.told_by_main(value) != value))
        self.maximum_(differs)
        if differs:
            raise SuppleError(
                f"The processes have different {what}: every process must make the same model, data and settings."
            )


def device_type(accelerator: Accelerator) -> str:
    """Return PyTorch's name of the kind of device to train on. Raises `SuppleError` where there is none of it."""
    has_gpu = torch.cuda.is_available()
    if accelerator is Accelerator.CUDA and not has_gpu:
        raise SuppleError('The accelerator "cuda" is wanted, but PyTorch finds no GPU: use "auto" or "cpu".')
    return "cpu" if accelerator is Accelerator.CPU or not has_gpu else "cuda"


@contextlib.contextmanager
def started_processes(device_type: str) -> Iterator[Processes]:
    """Join the processes that torchrun started with this one, and part from them when the body ends without an error.

    `device_type` is "cpu" or "cuda". On GPUs each process takes that of its number on the machine. A process group that
    exists already is used, and stays. After an error nothing is said to the others, who may wait for something else:
    this process is to end, and torchrun ends the others then.
    Raises `SuppleError` where the environment is half set up, there are too few GPUs, or the others are not reached.
    """
    launch = Launch.from_environment()
    if launch.world == 1:
        yield Processes(launch, device_type)
        return
    backend = "gloo"
    if device_type == "cuda":
        backend = "cpu:gloo,cuda:nccl"
        _take_gpu(launch)
    with _reaching_others():
        if dist.is_initialized():
            group = dist.new_group(backend=backend, timeout=_LONGEST_WAIT)
        else:
            dist.init_process_group(backend, timeout=_LONGEST_WAIT)
            group = None
    yield Processes(launch, device_type, group)
    dist.destroy_process_group(group)


def _take_gpu(launch: Launch) -> None:
    gpus = torch.cuda.device_count()
    if launch.local_rank >= gpus:
        raise SuppleError(
            f"{launch.local_world} processes were started on a machine with {gpus} GPUs: start as many as there are "
            f'GPUs (torchrun --nproc-per-node {gpus} ...), or set accelerator to "cpu".'
        )
    torch.cuda.set_device(launch.local_rank)


@contextlib.contextmanager
def _reaching_others() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # all that torch.distributed raises, of whatever backend
        raise SuppleError(
            f"Another process of this training has ended or is not reached: {first_line(error)}"
        ) from error
