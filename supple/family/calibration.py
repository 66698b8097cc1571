"""Recompute batch-norm statistics: the shared ones are the full network's, and wrong for every other member."""

from collections.abc import Collection, Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm

from supple.errors import SuppleError
from supple.trace import ModelInputs

# Up to so many positions, sums over all of them at once are faster than sums within each image.
_FEW_POSITIONS = 32
# Below this share of the mean square, the variance has lost three of a float's seven digits.
_SMALLEST_SHARE = 1e-3


def recomputed_statistics(member: nn.Module, inputs: Iterable[ModelInputs]) -> dict[str, torch.Tensor]:
    """Run the member, in eval mode, over `inputs` and return its normalisation buffers by state-dict key.

    Each statistic is the mean over batches of the batch statistics (momentum None in PyTorch's terms), and each batch
    is normalised with its own. On a CPU images lie with their channels last meanwhile, unless the member's code cannot
    take that: the faster layout, for convolutions as for statistics. The norms stay in eval mode: a hook writes the
    batch's statistics into their buffers, because PyTorch's kernel for training takes longer on a CPU than both
    together. The member's buffers are as before when this returns. Raises `SuppleError` where `inputs` is empty.
    """
    norms = {
        path: module
        for path, module in member.named_modules(remove_duplicate=False)
        if isinstance(module, _NormBase) and module.track_running_stats and module.running_mean is not None
    }
    if not norms:
        return {}
    found = {norm: _Statistics(norm) for norm in norms.values()}
    handles = [norm.register_forward_pre_hook(statistics.take) for norm, statistics in found.items()]
    try:
        batches = 0
        takes_channels_last = True
        for batch in inputs:
            takes_channels_last = takes_channels_last and _runs_channels_last(member, batch, found.values())
            if not takes_channels_last:
                batch.run(member)
            batches += 1
    finally:
        for handle in handles:
            handle.remove()
        for norm, statistics in found.items():
            norm._buffers.update(statistics.before)
    if batches == 0:
        raise SuppleError("Calibration got no data: give at least one batch of inputs.")
    means = {norm: statistics.mean() for norm, statistics in found.items()}
    return {f"{path}.{name}": buffer for path, norm in norms.items() for name, buffer in means[norm].items()}


def _runs_channels_last(member: nn.Module, batch: ModelInputs, found: Collection["_Statistics"]) -> bool:
    """Run a batch with the channels of its images last; return whether the member's code takes that."""
    taken = [(statistics, statistics.count) for statistics in found]
    try:
        batch.map(_channels_last).run(member)
    except RuntimeError:
        # As of `Tensor.view` on axes that no longer follow each other. Other errors come again in the layout given.
        for statistics, count in taken:
            statistics.keep_first(count)
        return False
    return True


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 and tensor.is_cpu else tensor


class _Statistics:
    """The statistics of one norm, batch after batch; `before` holds the buffers that it had."""

    def __init__(self, norm: _NormBase) -> None:
        self.before = dict(norm._buffers)
        self._of_instances = isinstance(norm, _InstanceNorm)
        self._means: list[torch.Tensor] = []
        self._variances: list[torch.Tensor] = []

    def take(self, norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Take the statistics of what the norm is about to normalise, and let it do so with them."""
        x = inputs[0].detach()
        mean, variance = _instance_moments(x) if self._of_instances else _moments(x)
        count = x[0, :1].numel() if self._of_instances else x[:, :1].numel()
        norm._buffers["running_mean"] = mean
        norm._buffers["running_var"] = variance
        self._means.append(mean)
        # PyTorch normalises by the variance within the batch, but keeps the estimate of that of all data.
        self._variances.append(variance * (count / max(1, count - 1)))

    @property
    def count(self) -> int:
        """The number of times that statistics have been taken."""
        return len(self._means)

    def keep_first(self, count: int) -> None:
        """Forget all but the first so many."""
        del self._means[count:], self._variances[count:]

    def mean(self) -> dict[str, torch.Tensor]:
        """Return the mean over all batches, under the names of the norm's buffers; those it had where it never ran."""
        found = {name: buffer.clone() for name, buffer in self.before.items() if buffer is not None}
        if self._means:
            found["running_mean"] = torch.stack(self._means).mean(0).to(found["running_mean"].dtype)
            found["running_var"] = torch.stack(self._variances).mean(0).to(found["running_var"].dtype)
        if "num_batches_tracked" in found:
            found["num_batches_tracked"].fill_(len(self._means))
        return found


def _moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of each channel over samples and positions; x: (samples, channels, ...)."""
    if not x.is_contiguous() or x.dtype not in (torch.float32, torch.float64):
        # PyTorch's kernel, in one go: fast where channels lie last, slow where they do not.
        mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)
        return mean, variance
    samples, channels = x.shape[:2]
    rows = x.view(samples, channels, -1)
    mean = rows.mean((0, 2))
    if rows.shape[2] <= _FEW_POSITIONS:
        squares = (rows * rows).mean((0, 2))
    else:
        squares = torch.linalg.vector_norm(torch.linalg.vector_norm(rows, dim=2), dim=0).square_()
        squares /= samples * rows.shape[2]
    # var(x) = mean(x^2) - mean(x)^2 is exact enough unless the mean is far larger than the deviation.
    variance = squares - mean * mean
    (inexact,) = torch.nonzero(variance < _SMALLEST_SHARE * squares, as_tuple=True)
    if len(inexact):
        variance[inexact] = rows[:, inexact].var((0, 2), correction=0)
    return mean, variance


def _instance_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean over samples of each channel's mean and variance over positions."""
    variances, means = torch.var_mean(x.flatten(2), 2, correction=0)
    return means.mean(0), variances.mean(0)
