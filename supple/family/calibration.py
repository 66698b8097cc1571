"""Recompute batch-norm statistics: the shared ones are the full network's, and wrong for every other member."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm

from supple.errors import SuppleError
from supple.family.notes import Note, Notes
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
    calibration = Calibration(member)
    if not calibration.norms:
        return {}
    for batch in inputs:
        notes = Notes()
        calibration.run(member, batch, notes)
        calibration.take(notes.noted)
    return calibration.statistics()


class Calibration:
    """The statistics of one member's norms, batch after batch."""

    def __init__(self, member: nn.Module) -> None:
        self.norms = {
            path: module
            for path, module in member.named_modules(remove_duplicate=False)
            if isinstance(module, _NormBase) and module.track_running_stats and module.running_mean is not None
        }
        self._found = [_Statistics(norm) for norm in dict.fromkeys(self.norms.values())]
        self._takes_channels_last = True
        self._batches = 0

    def run(self, member: nn.Module, batch: ModelInputs, notes: Notes) -> None:
        """Run the member on a batch, and note the statistics of each norm by its number."""
        handles = [
            statistics.norm.register_forward_pre_hook(partial(_use_statistics_of_batch, number, notes))
            for number, statistics in enumerate(self._found)
        ]
        before = [dict(statistics.norm._buffers) for statistics in self._found]
        try:
            self._takes_channels_last = self._takes_channels_last and _runs_channels_last(member, batch, notes)
            if not self._takes_channels_last:
                batch.run(member)
        finally:
            for handle in handles:
                handle.remove()
            for statistics, buffers in zip(self._found, before, strict=True):
                statistics.norm._buffers.update(buffers)

    def take(self, noted: Iterable[Note]) -> None:
        """Take what was noted on a batch."""
        self._batches += 1
        for note in noted:
            mean, variance = note.tensors
            self._found[note.label].add(mean, variance)

    def statistics(self) -> dict[str, torch.Tensor]:
        """Return the buffers of all norms by state-dict key. Raises `SuppleError` where there was no batch."""
        if self._batches == 0:
            raise SuppleError("Calibration got no data: give at least one batch of inputs.")
        means = {statistics.norm: statistics.mean() for statistics in self._found}
        return {f"{path}.{name}": buffer for path, norm in self.norms.items() for name, buffer in means[norm].items()}


def _runs_channels_last(member: nn.Module, batch: ModelInputs, notes: Notes) -> bool:
    """Run a batch with the channels of its images last; return whether the member's code takes that."""
    mark = notes.mark()
    try:
        batch.map(_channels_last).run(member)
    except RuntimeError:
        # As of `Tensor.view` on axes that no longer follow each other. Other errors come again in the layout given.
        notes.rewind(mark)
        return False
    return True


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 and tensor.is_cpu else tensor


def _use_statistics_of_batch(number: int, notes: Notes, norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    """Let a norm normalise with the statistics of what it is about to normalise, and note them."""
    measure = _statistics_of_instances if isinstance(norm, _InstanceNorm) else _statistics_of_batch
    mean, variance, estimate = notes.call(measure, inputs[0].detach())
    norm._buffers["running_mean"] = mean
    norm._buffers["running_var"] = variance
    notes.note(number, mean, estimate)


class _Statistics:
    """The statistics of one norm, batch after batch."""

    def __init__(self, norm: _NormBase) -> None:
        self.norm = norm
        self._before = dict(norm._buffers)
        self._means: list[torch.Tensor] = []
        self._variances: list[torch.Tensor] = []

    def add(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Take those of a batch."""
        self._means.append(mean)
        self._variances.append(variance)

    def mean(self) -> dict[str, torch.Tensor]:
        """Return the mean over all batches, under the names of the norm's buffers; those it had where it never ran."""
        found = {name: buffer.clone() for name, buffer in self._before.items() if buffer is not None}
        if self._means:
            found["running_mean"] = torch.stack(self._means).mean(0).to(found["running_mean"].dtype)
            found["running_var"] = torch.stack(self._variances).mean(0).to(found["running_var"].dtype)
        if "num_batches_tracked" in found:
            found["num_batches_tracked"].fill_(len(self._means))
        return found


Measured = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Mean and variance of each channel, and the estimate of the variance of all data from that of these."""


def _statistics_of_batch(x: torch.Tensor) -> Measured:
    mean, variance = _moments(x)
    return mean, variance, _estimate(variance, x[:, :1].numel())


def _statistics_of_instances(x: torch.Tensor) -> Measured:
    mean, variance = _instance_moments(x)
    return mean, variance, _estimate(variance, x[0, :1].numel())


def _estimate(variance: torch.Tensor, count: int) -> torch.Tensor:
    # PyTorch normalises by the variance within the batch, but keeps the estimate of that of all data.
    return variance * (count / max(1, count - 1))


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
