"""One step: the members' gradients, then one update of the shared weights, or none where a loss is not finite."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from supple.family import Family
from supple.space import Config
from supple.training.diagnosis import no_gradient
from supple.training.gradient_sync import sum_gradients
from supple.training.objective import Objective
from supple.training.processes import Processes
from supple.training.sampler import Draw
from supple.training.shares import share_of
from supple.training.task import Task
from supple.training.whole import whole


@dataclass(frozen=True)
class Outcome:
    """What a step did: the data's loss of each member, the gradient's norm, and why there was no update, if so."""

    losses: Mapping[Config, float]
    gradient_norm: float
    broken: str | None


class Updater:
    """Trains the members of a step on its batches; made once per run."""

    def __init__(
        self,
        family: Family,
        fabric: Fabric,
        optimizer: torch.optim.Optimizer,
        task: Task,
        objective: Objective,
        clip_norm: float,
        processes: Processes,
        scales_gradients: bool,
    ) -> None:
        """Take the family's optimizer as Fabric has set it up."""
        self._family = family
        self._fabric = fabric
        self._optimizer = optimizer
        self._task = task
        self._objective = objective
        self._clip_norm = clip_norm
        self._processes = processes
        self._scales_gradients = scales_gradients
        # Walking through the modules at each step would take longer than most of what the step does in Python.
        self._parameters = list(family.parameters())
        self._buffers = list(family.buffers())
        self._buffers_before = [buffer.clone() for buffer in self._buffers]

    def update(self, draws: Sequence[Draw], batches: Sequence[Any], learning_rate: float) -> Outcome:
        """Add up the gradients of the members over the batches, each term of the loss counting alike; step once.

        Where a loss or the gradient is not finite, weights, buffers and optimizer stay as they were. Raises
        `SuppleError` where the model cannot take a batch, or returns what does not fit the task.
        """
        _copy(self._buffers, self._buffers_before)
        self._optimizer.zero_grad()
        losses = self._backward(draws, batches)
        sum_gradients(self._parameters, self._processes)
        self._processes.sum_(losses)
        norm = self._fabric.clip_gradients(
            self._family, self._optimizer, max_norm=self._clip_norm, error_if_nonfinite=False
        )
        assert isinstance(norm, Tensor)
        # One transfer from the device for all figures of the step.
        *values, gradient_norm = torch.cat([losses.flatten(), whole(norm).detach().reshape(1).to(losses)]).tolist()
        by_draw = [values[start : start + len(batches)] for start in range(0, len(values), len(batches))]
        broken = _broken(draws, by_draw, gradient_norm)
        if broken is None:
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate
        # Where gradients are scaled, an optimizer that finds them not finite leaves the weights, and lowers the scale.
        if broken is None or self._scales_gradients:
            self._optimizer.step()
        if broken is not None:
            # Batch norm has taken the broken batch into its running statistics.
            _copy(self._buffers_before, self._buffers)
        means = {draw.config: sum(found) for draw, found in zip(draws, by_draw, strict=True)}
        return Outcome(means, gradient_norm, broken)

    def _backward(self, draws: Sequence[Draw], batches: Sequence[Any]) -> Tensor:
        """Return the data's losses (draws, batches), each times this process's share of the step's terms."""
        # Where nothing of the step has a label, every share is 0.
        terms = max(1, sum(map(self._task.terms, batches)))
        columns = []
        for whole_batch in batches:
            batch = share_of(whole_batch, self._processes.rank, self._processes.world)
            share = self._task.terms(batch) / terms
            with self._fabric.autocast():
                self._objective.begin(batch)
            batch = self._fabric.to_device(batch)
            losses = []
            for draw in draws:
                with self._family.activate(draw.config) as member:
                    with self._fabric.autocast():
                        result = self._objective.loss(draw, member, batch)
                    if not result.total.requires_grad:
                        raise no_gradient(member, self._task.inputs(batch))
                    self._fabric.backward(result.total * share)
                losses.append(result.data.float() * share)
            columns.append(torch.stack(losses))
        return torch.stack(columns, dim=1)


def _copy(sources: list[Tensor], targets: list[Tensor]) -> None:
    if sources:
        torch._foreach_copy_(targets, sources)


def _broken(draws: Sequence[Draw], losses: Sequence[Sequence[float]], norm: float) -> str | None:
    for draw, found in zip(draws, losses, strict=True):
        for loss in found:
            if not math.isfinite(loss):
                return f"the loss of {draw.config} is {loss}"
    return None if math.isfinite(norm) else f"the gradient's norm is {norm}, though every loss is finite"
