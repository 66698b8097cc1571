"""Sum the gradients of all processes: once per step, after the backward passes of all its members.

Source of the buckets: Li et al., PyTorch Distributed: Experiences on Accelerating Data Parallel Training, 2020.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from supple.training.processes import Processes
from supple.training.whole import is_sharded

_BUCKET_BYTES = 25 * 2**20


def sum_gradients(parameters: Sequence[nn.Parameter], processes: Processes) -> None:
    """Replace the gradient of each parameter by its sum over all processes, in place; the same in each, bit for bit.

    A parameter that no member of the step used has no gradient afterwards either. One that was used in some of the
    processes only, as an expert that no sample of a share was sent to, counts as zeros in the others.
    A process weighs its loss by its share of the samples before it runs backward: the sum is then the gradient of the
    mean over the whole batch. Sharded parameters are left alone: each backward pass sums up theirs.
    """
    if processes.world == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad and not is_sharded(parameter)]
    used = torch.tensor([parameter.grad is not None for parameter in trained], dtype=torch.uint8)
    processes.maximum_(used)
    gradients = [_gradient(parameter) for parameter, is_used in zip(trained, used.tolist(), strict=True) if is_used]
    buckets = list(_buckets(gradients))
    flat: list[Tensor] = []

    def packed() -> Iterator[Tensor]:
        for bucket in buckets:
            flat.append(torch.cat([gradient.reshape(-1) for gradient in bucket]))
            yield flat[-1]

    processes.summing(packed())
    for bucket, summed in zip(buckets, flat, strict=True):
        parts = torch.split(summed, [gradient.numel() for gradient in bucket])
        torch._foreach_copy_(bucket, [part.view(gradient.shape) for part, gradient in zip(parts, bucket, strict=True)])


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yield the gradients in lists of one type and place, each of some 25 MB at most."""
    kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for gradient in gradients:
        kinds.setdefault((gradient.dtype, gradient.device), []).append(gradient)
    for alike in kinds.values():
        bucket: list[Tensor] = []
        size = 0
        for gradient in alike:
            if bucket and size + gradient.nbytes > _BUCKET_BYTES:
                yield bucket
                bucket, size = [], 0
            bucket.append(gradient)
            size += gradient.nbytes
        yield bucket
