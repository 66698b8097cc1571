"""Batch norm over the whole batch where several processes hold a share of it each, on a CPU as on a GPU.

PyTorch's own `SyncBatchNorm` refuses tensors on a CPU, replaces the modules, and does not know modules that derive from
batch norm. Here the modules stay; while they run, `functional.batch_norm` is another one.
Source of the method: Ioffe & Szegedy, Batch Normalization, 2015; of the merged moments: Chan et al., Updating Formulae
and a Pairwise Algorithm for Computing Sample Variances, 1979.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from supple.training.processes import Processes


@contextlib.contextmanager
def synchronised_norms(model: nn.Module, processes: Processes) -> Iterator[None]:
    """Let the batch norms of a model see the whole batch in training mode while the context lasts.

    Their classes, state-dict keys and running statistics are untouched; the latter are updated alike in all processes.
    What a process holds may be unequal. Each loss must be weighted by the process's share before `backward`.
    Modules that derive from batch norm, as those with an activation, are synchronised too.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)] if processes.world > 1 else []
    mode = _Synchronised(processes)
    for norm in norms:
        # An attribute of the module hides the method of its class.
        vars(norm)["forward"] = _within(mode, norm)
    try:
        yield
    finally:
        for norm in norms:
            del vars(norm)["forward"]


@torch.no_grad()
def average_statistics(model: nn.Module, processes: Processes) -> None:
    """Replace the running statistics of batch norms that are not synchronised by their mean over all processes.

    They are then the same in each, bit for bit; the variance between the shares of a batch is not in them.
    """
    if processes.world == 1:
        return
    statistics = [
        buffer
        for module in model.modules()
        if isinstance(module, _BatchNorm)
        for buffer in (module.running_mean, module.running_var)
        if buffer is not None
    ]
    if not statistics:
        return
    flat = torch.cat([buffer.double() for buffer in statistics])
    processes.sum_(flat)
    parts = torch.split(flat / processes.world, [len(buffer) for buffer in statistics])
    torch._foreach_copy_(statistics, list(parts))


def _within(mode: TorchFunctionMode, norm: nn.Module) -> Callable[..., Any]:
    forward = norm.forward

    def run(*args: Any, **kwargs: Any) -> Any:
        # Outside of training the processes need not run alike.
        with mode if norm.training else contextlib.nullcontext():
            return forward(*args, **kwargs)

    return run


class _Synchronised(TorchFunctionMode):
    """While it is on, batch norm by batch statistics takes those of all processes."""

    def __init__(self, processes: Processes) -> None:
        super().__init__()
        self._processes = processes

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.batch_norm:
            return self._batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _batch_norm(
        self,
        input: Tensor,  # noqa: A002 (the names are those of functional.batch_norm)
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return functional.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        mean, variance, count = _moments_of_all(input.detach(), self._processes)
        if running_mean is not None and running_var is not None:
            with torch.no_grad():
                running_mean.lerp_(mean.to(running_mean.dtype), momentum)
                # The estimate for all data, of which the batch is a sample.
                running_var.lerp_((variance * (count / (count - 1))).to(running_var.dtype), momentum)
        return _Normalise.apply(input, weight, bias, mean, variance, count, eps, self._processes)  # type: ignore[no-any-return,no-untyped-call]


def _moments_of_all(x: Tensor, processes: Processes) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, variance and number of values of each channel in all processes; x: (samples, channels, ...)."""
    mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)
    channels = len(mean)
    # In doubles the number of values is exact, and so are the merged moments.
    own = torch.cat([mean.double(), variance.double(), mean.new_full((1,), x.numel() // channels, dtype=torch.double)])
    means, variances, counts = torch.split(processes.gathered(own), [channels, channels, 1], dim=1)
    count = counts.sum()
    mean = (counts * means).sum(0) / count
    # sum over processes of n_r (var_r + (mean_r - mean)^2), over the number of all values
    variance = (counts * (variances + (means - mean).square())).sum(0) / count
    dtype = torch.promote_types(x.dtype, torch.float32)
    return mean.to(dtype), variance.to(dtype), count.to(dtype)


class _Normalise(torch.autograd.Function):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, where the moments follow from x in all processes."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        count: Tensor,
        eps: float,
        processes: Processes,
    ) -> Tensor:
        """Normalise by the given moments, as batch norm in eval mode does by its running statistics."""
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps, ctx.processes = eps, processes
        return functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, weight and bias: those of the latter of this process's share."""
        x, weight, mean, variance, count = ctx.saved_tensors
        scale = torch.ones_like(mean) if weight is None else weight
        # As in eval mode, where the moments are constants: g w / s; sum g (x - mean) / s; sum g.
        of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, scale, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.cat([of_weight, of_bias]).to(mean.dtype)
        ctx.processes.sum_(sums)
        sum_weight, sum_bias = torch.split(sums, len(mean))
        # And through the moments: - w / s (sum g + (x - mean) / s sum g (x - mean) / s) / n, the sums over all.
        inverse = torch.rsqrt(variance + ctx.eps)
        slope = -(scale * inverse.square() * sum_weight / count)
        offset = -(scale * inverse * sum_bias / count) - slope * mean
        shape = [1, -1, *[1] * (x.ndim - 2)]
        of_x.addcmul_(x, slope.view(shape).to(x.dtype)).add_(offset.view(shape).to(x.dtype))
        return (
            of_x,
            of_weight if ctx.needs_input_grad[1] else None,
            of_bias if ctx.needs_input_grad[2] else None,
            *[None] * 5,
        )
