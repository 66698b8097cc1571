"""One step: the members' gradients, then one update of the shared weights, or none where a loss is not finite."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from supple.family import Family
from supple.space import Config
from supple.training.batches import check_logits
from supple.training.distillation import InPlaceDistillation
from supple.training.sampler import Draw


@dataclass(frozen=True)
class Outcome:
    """What a step did: the loss of each member, and why there was no update, if so."""

    losses: dict[Config, float]
    broken: str | None


class Updater:
    """Trains the members of a step on one batch; made once per run."""

    def __init__(
        self,
        family: Family,
        fabric: Fabric,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        objective: InPlaceDistillation,
        clip_norm: float,
    ) -> None:
        """Take `module` and `optimizer`, the family's model and its optimizer as Fabric has set them up."""
        self._family = family
        self._fabric = fabric
        self._module = module
        self._optimizer = optimizer
        self._objective = objective
        self._clip_norm = clip_norm

    def update(self, members: Sequence[Draw], inputs: Tensor, labels: Tensor, learning_rate: float) -> Outcome:
        """Add up the gradients of the members and step once.

        Where a loss or the gradient is not finite, weights, buffers and optimizer stay as they were. Raises
        `SuppleError` where the model returns anything but logits for the labels.
        """
        buffers = [(buffer, buffer.clone()) for buffer in self._family.model.buffers()]
        self._optimizer.zero_grad()
        losses = self._backward(members, inputs, labels)
        norm = self._fabric.clip_gradients(
            self._module, self._optimizer, max_norm=self._clip_norm, error_if_nonfinite=False
        )
        # One transfer from the device for all figures of the step.
        *values, norm_value = torch.stack([*losses, cast(Tensor, norm)]).tolist()
        configs = [draw.config for draw in members]
        outcome = Outcome(dict(zip(configs, values, strict=True)), _broken(configs, values, norm_value))
        if outcome.broken is None:
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate
            self._optimizer.step()
        else:
            # Batch norm has taken the broken batch into its running statistics.
            for buffer, before in buffers:
                buffer.copy_(before)
        return outcome

    def _backward(self, members: Sequence[Draw], inputs: Tensor, labels: Tensor) -> list[Tensor]:
        targets = self._fabric.to_device(labels)
        inputs = self._fabric.to_device(inputs)
        largest = self._family.space.max()
        teacher_logits: Tensor | None = None
        losses = []
        for draw in members:
            config = draw.config
            is_largest = config == largest
            with self._family.activate(config):
                logits = check_logits(self._module(self._family.resize(config, inputs)), labels)
                loss = self._objective.loss(logits, targets, None if is_largest else teacher_logits)
            self._fabric.backward(loss * draw.weight)
            losses.append(loss.detach())
            if is_largest:
                teacher_logits = logits.detach()
        return losses


def _broken(members: Sequence[Config], losses: Sequence[float], norm: float) -> str | None:
    for config, loss in zip(members, losses, strict=True):
        if not math.isfinite(loss):
            return f"the loss of {config} is {loss}"
    return None if math.isfinite(norm) else f"the gradient's norm is {norm}, though every loss is finite"
