"""The loss of each member of a step: from the data, from a teacher, and from the full member's features."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor, nn

from supple.errors import SuppleError
from supple.family import Family
from supple.space import Config
from supple.trace import ModelInputs
from supple.trace.modes import evaluating
from supple.training.diagnosis import run_or_tell
from supple.training.distillation import DistillationConfig, TeacherKind
from supple.training.divergences import build_divergence
from supple.training.feature_matching import FeatureMatching
from supple.training.sampler import Draw
from supple.training.task import Task


@dataclass(frozen=True)
class MemberLoss:
    """The losses of a member on a batch: `total`, weighted, to run backward; `data`, from the data alone, detached."""

    total: Tensor
    data: Tensor


class Objective:
    """The loss of each member of each step; it holds what the teacher said of the batch at hand.

    Life cycle, as `train` goes through it (a loop of your own does the same):

    1. `begin` is called with each new batch. A teacher of your own runs here, once, without gradients.
    2. `loss` is called for each member of the step in turn, while it is active. In place, the full member's own
       outputs teach those after it; where it is not drawn, the members learn from the data alone.
    """

    def __init__(
        self,
        family: Family,
        task: Task,
        config: DistillationConfig = DistillationConfig(),
        teacher: nn.Module | None = None,
    ) -> None:
        """Take a `teacher` of your own, if any; it stays where it lies, and is not changed.

        Raises `SuppleError` where the settings say that nobody teaches, but there is a teacher.
        """
        if teacher is not None and config.teacher is TeacherKind.NONE:
            raise SuppleError(
                f'A teacher is given ({type(teacher).__name__}), but distillation.teacher is "none": set it to '
                '"in-place", whose place the given one takes, or leave the teacher out.'
            )
        self._family = family
        self._task = task
        self._config = config
        self._teacher = teacher
        self._divergence = build_divergence(config)
        self._full = family.space.max()
        self._matching = FeatureMatching(family, config.feature_modules) if config.feature_weight > 0 else None
        self._full_features: dict[str, Tensor] | None = None
        self._unchecked: Any = None
        self._teacher_outputs: Any = None

    def begin(self, batch: Any) -> None:
        """Take up a new batch: forget the last one's teacher, and ask one of your own.

        Give the batch as the data give it, best on the CPU: then its labels are checked without waiting for a GPU.
        """
        self._unchecked = batch
        self._teacher_outputs = None
        self._full_features = None
        if self._teacher is not None:
            device = next((parameter.device for parameter in self._teacher.parameters()), torch.device("cpu"))
            inputs = ModelInputs.of(self._task.inputs(batch)).map(lambda tensor: tensor.to(device))
            with evaluating(self._teacher):
                outputs = inputs.run(self._teacher)
            self._teacher_outputs = move_data_to_device(outputs, next(self._family.parameters()).device)

    def loss(self, draw: Draw, member: nn.Module, batch: Any) -> MemberLoss:
        """Run an active member on the batch, which lies on its device, and return its loss.

        Raises `SuppleError` where the outputs do not fit the batch.
        """
        inputs = ModelInputs.of(self._task.inputs(batch)).map(partial(self._family.resize, draw.config))
        reading: AbstractContextManager[dict[str, Tensor]] = nullcontext({})
        if self._matching is not None:
            reading = self._matching.reading()
        with reading as features:
            outputs = run_or_tell(member, inputs)
        if self._unchecked is not None:
            self._task.check(outputs, self._unchecked)
            self._unchecked = None
        total, data = self._mixed(draw.config == self._full, outputs, batch)
        difference = self._feature_difference(draw.config, features)
        if difference is not None:
            total = total + self._config.feature_weight * difference
        return MemberLoss(draw.weight * total, data)

    def _feature_difference(self, config: Config, features: dict[str, Tensor]) -> Tensor | None:
        """Return how far a member's features are from the full member's, None where there is nothing to compare."""
        if config == self._full:
            self._full_features = {path: feature.detach() for path, feature in features.items()}
            return None
        if self._matching is None or self._full_features is None:
            return None
        return self._matching.difference(config, features, self._full_features)

    def _mixed(self, is_full: bool, outputs: Any, batch: Any) -> tuple[Tensor, Tensor]:
        """Return the loss from the data and from the teacher together, and the former, detached."""
        config = self._config
        share = config.weight
        if is_full:
            share = 0.0 if self._teacher is None else config.full_weight
        if is_full and self._teacher is None and config.teacher is TeacherKind.IN_PLACE:
            self._teacher_outputs = outputs
        if self._teacher_outputs is None:
            share = 0.0
        # What has no weight needs no gradient; its value is reported nevertheless.
        with torch.set_grad_enabled(share < 1 and torch.is_grad_enabled()):
            data = self._task.loss(outputs, batch)
        if share == 0:
            return data, data.detach()
        taught = share * self._task.divergence(outputs, self._teacher_outputs, batch, self._divergence)
        return taught if share == 1 else taught + (1 - share) * data, data.detach()
